// Pattern: building and matching.
#include "rewrite/pattern.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ir/infer_context.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::ValueId;

namespace {

Pattern make(PatternNode node) { return std::make_shared<const PatternNode>(std::move(node)); }

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> out;
  while (true) {
    const size_t bar = names.find('|');
    out.emplace_back(names.substr(0, bar));
    if (bar == std::string_view::npos) return out;
    names.remove_prefix(bar + 1);
  }
}

PatternNode op_node(std::string_view domain, std::string_view name, std::initializer_list<Pattern> inputs,
                    std::string_view bind) {
  PatternNode n;
  n.kind = PatternNode::Kind::kOp;
  n.bind = bind;
  n.ops = split(name);
  n.domain = domain;
  n.inputs = inputs;
  return n;
}

std::optional<double> single(const ir::Fact& fact) {
  if (!fact.is_constant()) return std::nullopt;
  return ir::number(fact.constant);
}

}  // namespace

Pattern any(std::string_view bind) {
  PatternNode n;
  n.bind = bind;
  return make(std::move(n));
}
Pattern constant(std::string_view bind) {
  PatternNode n;
  n.kind = PatternNode::Kind::kConstant;
  n.bind = bind;
  return make(std::move(n));
}
Pattern scalar(double value, double tolerance) {
  PatternNode n;
  n.kind = PatternNode::Kind::kScalar;
  n.scalar = value;
  n.tolerance = tolerance;
  return make(std::move(n));
}
Pattern scalar(std::string_view bind) {
  PatternNode n;
  n.kind = PatternNode::Kind::kScalar;
  n.bind = bind;
  n.tolerance = -1;
  return make(std::move(n));
}
Pattern op(std::string_view name, std::initializer_list<Pattern> inputs, std::string_view bind) {
  return make(op_node("", name, inputs, bind));
}
Pattern op_prefix(std::string_view name, std::initializer_list<Pattern> inputs, std::string_view bind) {
  return op_prefix_in("", name, inputs, bind);
}
Pattern op_prefix_in(std::string_view domain, std::string_view name, std::initializer_list<Pattern> inputs,
                     std::string_view bind) {
  PatternNode n = op_node(domain, name, inputs, bind);
  n.more_inputs = true;
  return make(std::move(n));
}
Pattern op_in(std::string_view domain, std::string_view name, std::initializer_list<Pattern> inputs,
              std::string_view bind) {
  return make(op_node(domain, name, inputs, bind));
}
Pattern output_of(int index, Pattern op_pattern) {
  PatternNode n = *op_pattern;
  n.output = index;
  return make(std::move(n));
}
Pattern either(std::initializer_list<Pattern> alternatives) {
  PatternNode n;
  n.kind = PatternNode::Kind::kEither;
  n.inputs = alternatives;
  return make(std::move(n));
}

/// Backtracking search; a failed branch restores what it bound.
class Matcher {
 public:
  Matcher(Graph& graph, std::string_view rule, const std::vector<bool>& stable)
      : match_(graph, std::string(rule), stable) {}

  std::optional<Match> run(const Pattern& pattern, ValueId root) {
    match_.root = root;
    if (!matches(*pattern, root)) return std::nullopt;
    return std::move(match_);
  }

 private:
  bool matches(const PatternNode& p, ValueId v) {
    if (v == kNone) return false;
    if (auto it = same_.find(&p); it != same_.end()) return it->second == v || equal_constants(it->second, v);
    const auto values = match_.values_;
    const auto nodes = match_.nodes;
    const auto same = same_;
    if (matches_kind(p, v) && bind(p, v)) return true;
    match_.values_ = values;
    match_.nodes = nodes;
    same_ = same;
    return false;
  }

  bool matches_kind(const PatternNode& p, ValueId v) {
    const ir::Fact& fact = match_.graph().fact(v);
    switch (p.kind) {
      case PatternNode::Kind::kAny: return true;
      case PatternNode::Kind::kConstant: return fact.is_constant();
      case PatternNode::Kind::kScalar: {
        auto number = single(fact);
        return number &&
               (p.tolerance < 0 || std::abs(*number - p.scalar) <= p.tolerance * std::max(1e-30, std::abs(p.scalar)));
      }
      case PatternNode::Kind::kEither:
        return std::ranges::any_of(p.inputs, [&](const Pattern& a) { return matches(*a, v); });
      case PatternNode::Kind::kOp: return matches_op(p, v);
    }
    return false;
  }

  bool matches_op(const PatternNode& p, ValueId v) {
    const ir::ValueInfo& info = match_.graph().value(v);
    if (info.producer == kNone || info.output != p.output) return false;
    const Node& n = match_.graph().node(info.producer);
    if (!n.op || n.op->domain != p.domain || std::ranges::find(p.ops, n.op->name) == p.ops.end()) return false;
    if (n.inputs.size() < p.inputs.size() || (n.inputs.size() > p.inputs.size() && !p.more_inputs)) return false;
    if (std::ranges::find(match_.nodes, info.producer) == match_.nodes.end()) match_.nodes.push_back(info.producer);
    const auto values = match_.values_;
    const auto nodes = match_.nodes;
    const auto same = same_;
    if (operands(p, n, false)) return true;
    if (!n.op->traits.commutative || p.inputs.size() != 2) return false;
    match_.values_ = values;
    match_.nodes = nodes;
    same_ = same;
    return operands(p, n, true);
  }

  bool operands(const PatternNode& p, const Node& n, bool swapped) {
    // Copies: matching may grow the vectors that the node's inputs live beside.
    const std::vector<ValueId> inputs = n.inputs;
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      if (!matches(*p.inputs[i], inputs[swapped ? 1 - i : i])) return false;
    }
    return true;
  }

  bool bind(const PatternNode& p, ValueId v) {
    same_[&p] = v;
    if (p.bind.empty()) return true;
    auto [it, is_new] = match_.values_.try_emplace(p.bind, v);
    return is_new || it->second == v || equal_constants(it->second, v);
  }

  bool equal_constants(ValueId a, ValueId b) {
    const ir::Fact &fa = match_.graph().fact(a), &fb = match_.graph().fact(b);
    return fa.is_constant() && fb.is_constant() && fa.constant == fb.constant;
  }

  Match match_;
  std::map<const PatternNode*, ValueId> same_;
};

ValueId Match::operator[](std::string_view name) const {
  auto it = values_.find(name);
  if (it == values_.end())
    fail(ErrorKind::kInternal, "rule '", rule_, "' uses '", name, "', which its pattern does not bind");
  return it->second;
}

const Node& Match::node(std::string_view name) const {
  const ir::NodeId producer = graph_.value((*this)[name]).producer;
  if (producer == kNone) fail(ErrorKind::kInternal, "rule '", rule_, "': '", name, "' is made by no node");
  return graph_.node(producer);
}

double Match::number(std::string_view name) const {
  auto value = single(fact(name));
  if (!value) fail(ErrorKind::kInternal, "rule '", rule_, "': '", name, "' is no constant of one element");
  return *value;
}

ValueId Match::call(const ir::Op& op, const ir::AttrMap& attrs, std::vector<ValueId> inputs) {
  ir::NodeOptions options;
  options.name = graph_.node(nodes.front()).name;
  options.rule = rule_;
  return graph_.call(op, op.parse(attrs), std::move(inputs), std::move(options));
}

bool Match::known_shape(const Shape& shape) const {
  std::vector<int> symbols;
  for (const Dim& d : shape.dims()) d.collect_symbols(symbols);
  return std::ranges::all_of(
      symbols, [&](int s) { return static_cast<size_t>(s) < stable_.size() && stable_[static_cast<size_t>(s)]; });
}

ValueId Match::slice(ValueId value, int64_t axis, int64_t begin, int64_t end) {
  auto number = [&](int64_t x) { return constant(Tensor::ints(std::array{x})); };
  return call("Slice", {}, {value, number(begin), number(end), number(axis)});
}

ValueId Match::reshape(ValueId value, std::vector<Dim> dims) {
  if (graph_.fact(value).shape == Shape(dims)) return value;
  return call("Reshape", {{"allowzero", int64_t{1}}}, {value, graph_.add_known("", ir::Fact::known(std::move(dims)))});
}

std::optional<Match> match(Graph& graph, const Pattern& pattern, ValueId root, std::string_view rule,
                           const std::vector<bool>& stable) {
  return Matcher(graph, rule, stable).run(pattern, root);
}

}  // namespace sdx::rewrite
