// Leaving out padding: rows of tokens that the attention mask excludes never enter a product, a norm or an activation.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "ir/evaluate.h"
#include "ops/op_table.h"
#include "rewrite/passes.h"
#include "rewrite/row_wise.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

/// Added to a score, this leaves no weight in float32 unless scores of one query lie 9,900 apart. Exporters write as
/// much as this (the oldest), -65504 (in half precision) or the lowest number.
constexpr double kExcludes = -1e4;

/// Two texts of two tokens.
using TrialMask = std::array<std::array<int64_t, 2>, 2>;
constexpr std::array<TrialMask, 2> kTrialMasks = {{{{{1, 0}, {1, 1}}}, {{{0, 1}, {1, 0}}}}};

constexpr const char* kRule = "remove-padding";

/// Computes values of the graph for one concrete mask.
class Trial {
 public:
  Trial(Graph& graph, ValueId mask, Tensor value) : graph_(graph), mask_(mask) {
    bindings_.assign(static_cast<size_t>(graph.symbols().count()), kUnbound);
    const Shape& shape = graph.fact(mask).shape;
    for (int d = 0; d < 2; ++d) bindings_[static_cast<size_t>(*shape[d].symbol())] = value.extents()[d];
    known_[mask] = std::move(value);
  }

  /// The value's elements; nothing where it depends on more than the mask.
  std::optional<Tensor> value(ValueId v, int depth = 0) {
    if (auto it = known_.find(v); it != known_.end()) return it->second;
    const ir::ValueInfo& info = graph_.value(v);
    std::optional<Tensor> made;
    if (info.fact.is_constant())
      made = info.fact.constant;
    else if (info.producer == kNone)
      made = from_symbols(info.fact);
    else if (depth < 40)
      made = computed(info, depth);
    if (made) known_[v] = *made;
    return made;
  }

 private:
  std::optional<Tensor> from_symbols(const ir::Fact& fact) {
    if (!fact.values || fact.dtype != DType::kI64) return std::nullopt;
    Tensor out(DType::kI64, *fact.shape.extents());
    for (size_t i = 0; i < fact.values->size(); ++i) {
      const auto element = (*fact.values)[i].evaluate(bindings_);
      if (!element) return std::nullopt;
      out.mutable_view().as<int64_t>()[i] = *element;
    }
    return out;
  }

  std::optional<Tensor> computed(const ir::ValueInfo& info, int depth) {
    const Node& n = graph_.node(info.producer);
    if (n.op->traits.impure || n.op->traits.returns_values || n.op->bodies > 0) return std::nullopt;
    std::vector<ir::Slot> slots(n.inputs.size() + n.outputs.size());
    std::vector<ir::Slot*> in, out;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      in.push_back(n.inputs[i] == kNone ? nullptr : &slots[i]);
      if (!in.back()) continue;
      const auto operand = value(n.inputs[i], depth + 1);
      if (!operand) return std::nullopt;
      ir::fill(slots[i], *operand);
    }
    for (size_t i = 0; i < n.outputs.size(); ++i)
      out.push_back(n.outputs[i] == kNone ? nullptr : &slots[n.inputs.size() + i]);
    ir::PlainHost host;
    ir::run_concrete({*n.op, n.attrs, {}}, in, out, host, Parallel());
    return ir::to_value(*out[static_cast<size_t>(info.output)]).tensor();
  }

  Graph& graph_;
  ValueId mask_;
  Bindings bindings_;
  std::map<ValueId, Tensor> known_;
};

/// True where `added`, broadcast to [2, heads, 2, 2], is 0 for the keys that `mask` [2, 2] keeps and excludes the
/// others.
bool excludes_padding(const Tensor& added, const TrialMask& mask) {
  const Extents& e = added.extents();
  if (added.dtype() != DType::kF32 || e.rank() > 4 || e.rank() < 1) return false;
  const auto values = added.values<float>();
  const int64_t keys = e[e.rank() - 1], texts = e.rank() == 4 ? e[0] : 1;
  if (keys != 2 || (texts != 1 && texts != 2)) return false;
  const int64_t inner = added.extents().count() / texts;
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t i = 0; i < inner; ++i) {
      const double term = values[static_cast<size_t>((texts == 2 ? b : 0) * inner + i)];
      if (mask[static_cast<size_t>(b)][static_cast<size_t>(i % 2)] ? term != 0 : !(term <= kExcludes)) return false;
    }
  }
  return true;
}

bool is_padding_mask(Graph& graph, ValueId mask, ValueId added) {
  for (const TrialMask& m : kTrialMasks) {
    Tensor value(graph.fact(mask).dtype, {2, 2});
    for (int i = 0; i < 4; ++i) {
      const int64_t element = m[static_cast<size_t>(i / 2)][static_cast<size_t>(i % 2)];
      switch (value.dtype()) {
        case DType::kI64: value.mutable_view().as<int64_t>()[i] = element; break;
        case DType::kI32: value.mutable_view().as<int32_t>()[i] = static_cast<int32_t>(element); break;
        default: value.mutable_view().as<uint8_t>()[i] = static_cast<uint8_t>(element);
      }
    }
    const auto result = Trial(graph, mask, std::move(value)).value(added);
    if (!result || !excludes_padding(*result, m)) return false;
  }
  return true;
}

class Remover {
 public:
  Remover(Graph& graph, ValueId mask)
      : graph_(graph), mask_(mask), rows_(graph, graph.fact(mask).shape[0], graph.fact(mask).shape[1], kRule) {}

  bool run(Progress& progress) {
    find_attention();
    if (attention_.empty()) return false;
    const NodeId tokens =
        graph_.add(ops::get("RealTokens", ops::kOwnDomain), {}, {mask_}, {.name = kRule, .outputs = 2, .rule = kRule});
    positions_ = graph_.node(tokens).outputs[0];
    starts_ = graph_.node(tokens).outputs[1];
    const std::vector<NodeId> order = graph_.order();
    want_inputs(order);
    for (NodeId id : order) {
      if (attention_.contains(id))
        convert_attention(id);
      else if (id != tokens && convertible(id))
        convert(id);
    }
    give_back();
    progress.count(kRule);
    return true;
  }

 private:
  void find_attention() {
    for (NodeId id : graph_.order()) {
      const Node& n = graph_.node(id);
      if (n.op->name != "FusedAttention" || n.inputs.size() != 4 || n.inputs[3] == kNone) continue;
      const ir::AttrMap attrs = n.attrs.map();
      const auto text = [&](const char* name) { return std::get<std::string>(attrs.at(name)); };
      const bool rows_first = text("q_layout") == "bshd" && text("k_layout") == "bshd" && text("v_layout") == "bshd" &&
                              text("out_layout") == "bshd";
      if (!rows_first || std::get<int64_t>(attrs.at("causal")) != 0) continue;
      if (!rows_.has_rows(n.inputs[0]) || !rows_.has_rows(n.inputs[1]) || !rows_.has_rows(n.inputs[2])) continue;
      const auto [it, is_new] = judged_.try_emplace(n.inputs[3], false);
      if (is_new) it->second = is_padding_mask(graph_, mask_, n.inputs[3]);
      if (it->second) attention_.insert(id);
    }
  }

  /// From attention backwards: what can be computed without padding already.
  void want_inputs(const std::vector<NodeId>& order) {
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const Node& n = graph_.node(*it);
      const bool from_attention = attention_.contains(*it);
      if (!from_attention && !(rows_.fits(n) && wanted_.contains(n.outputs[0]))) continue;
      for (size_t i = 0; i < (from_attention ? 3 : n.inputs.size()); ++i) {
        if (n.inputs[i] != kNone && rows_.has_rows(n.inputs[i])) wanted_.insert(n.inputs[i]);
      }
    }
  }

  bool convertible(NodeId id) const {
    const Node& n = graph_.node(id);
    if (!rows_.fits(n)) return false;
    return wanted_.contains(n.outputs[0]) ||
           std::ranges::any_of(n.inputs, [&](ValueId v) { return v != kNone && packed_.contains(v); });
  }

  Dim tokens() const { return graph_.fact(positions_).shape[0]; }

  /// The rows of the value that hold tokens: [1, tokens, ...].
  ValueId packed(ValueId v) {
    if (auto it = packed_.find(v); it != packed_.end()) return it->second;
    const Shape shape = graph_.fact(v).shape;
    std::vector<Dim> flat = {shape[0] * shape[1]}, rows = {1, tokens()};
    for (int d = 2; d < shape.rank(); ++d) {
      flat.push_back(shape[d]);
      rows.push_back(shape[d]);
    }
    const ValueId chosen = rows_.call("Gather", {{"axis", int64_t{0}}}, {rows_.reshape(v, flat), positions_});
    const ValueId out = rows_.reshape(chosen, rows);
    gathered_.insert(v);
    return packed_[v] = out;
  }

  void convert_attention(NodeId id) {
    // Adding nodes moves the others.
    const std::vector<ValueId> inputs = graph_.node(id).inputs;
    const ValueId output = graph_.node(id).outputs[0];
    const ir::AttrMap attrs = graph_.node(id).attrs.map();
    ir::AttrMap kept = {{"softcap", attrs.at("softcap")}};
    if (attrs.contains("scale")) kept.emplace("scale", attrs.at("scale"));
    packed_[output] = rows_.call("RaggedAttention", kept,
                                 {packed(inputs[0]), packed(inputs[1]), packed(inputs[2]), starts_}, ops::kOwnDomain);
    converted_.insert(id);
  }

  void convert(NodeId id) {
    const ValueId output = graph_.node(id).outputs[0];
    packed_[output] = rows_.remake(
        id, [&](ValueId v) { return packed(v); }, 1, tokens());
    converted_.insert(id);
  }

  /// Where others use a converted value, and at the graph's outputs, the rows go back between zeros.
  void give_back() {
    for (const auto& [v, rows] : std::map<ValueId, ValueId>(packed_)) {
      if (gathered_.contains(v)) continue;
      const bool used = graph_.is_output(v) ||
                        std::ranges::any_of(graph_.users(v), [&](NodeId user) { return !converted_.contains(user); });
      if (!used) continue;
      const ValueId unpacked = rows_.call("UnpackRows", {}, {rows, positions_, mask_}, ops::kOwnDomain);
      graph_.value(unpacked).name = graph_.value(v).name;
      graph_.replace_uses(v, unpacked);
    }
  }

  Graph& graph_;
  ValueId mask_;
  RowWise rows_;  ///< [texts, length, ...] as the mask has them
  ValueId positions_ = kNone, starts_ = kNone;
  std::set<NodeId> attention_, converted_;
  std::map<ValueId, bool> judged_;  ///< masks of attention: true where they exclude padding and nothing else
  std::set<ValueId> wanted_, gathered_;
  std::map<ValueId, ValueId> packed_;  ///< [texts, length, ...] => [1, tokens, ...]
};

}  // namespace

bool remove_padding(Graph& graph, Progress& progress) {
  if (!progress.options.zero_padding || !progress.allowed(kRule)) return false;
  for (ValueId v : graph.inputs()) {
    const ir::Fact& fact = graph.fact(v);
    if (graph.value(v).name != "attention_mask" || fact.rank() != 2 || !fact.shape.has_rank()) continue;
    const bool counts = fact.dtype == DType::kI64 || fact.dtype == DType::kI32 || fact.dtype == DType::kBool;
    if (!counts || !fact.shape[0].symbol() || !fact.shape[1].symbol() || fact.shape[0] == fact.shape[1]) continue;
    return Remover(graph, v).run(progress) && (remove_dead(graph), true);
  }
  return false;
}

}  // namespace sdx::rewrite
