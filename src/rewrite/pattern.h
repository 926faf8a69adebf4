// Pattern: a shape of computation to look for, written like algebra; Match: where it was found.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ops/op_table.h"

namespace sdx::rewrite {

struct PatternNode;
/// Patterns are immutable and shared; a pattern used twice in an expression means the same value twice.
using Pattern = std::shared_ptr<const PatternNode>;

struct PatternNode {
  enum class Kind : uint8_t { kAny, kConstant, kScalar, kOp, kEither } kind = Kind::kAny;
  std::string bind;                  ///< name under which the match gives the value; "" for none
  std::vector<std::string> ops;      ///< kOp: names of which one must match
  std::string_view domain = "";      ///< kOp
  std::vector<Pattern> inputs;       ///< kOp: patterns of the inputs; kEither: the alternatives
  bool more_inputs = false;          ///< kOp: further inputs may follow
  int output = 0;                    ///< kOp: which output of the node
  double scalar = 0, tolerance = 0;  ///< kScalar
};

/// Any value.
Pattern any(std::string_view bind);
/// Any constant.
Pattern constant(std::string_view bind);
/// A constant of one element with that value, within a relative tolerance.
Pattern scalar(double value, double tolerance = 1e-3);
/// Any constant of one element.
Pattern scalar(std::string_view bind);
/// A node of the standard's operator `name` ("A|B": one of them). The inputs of commutative operators may be swapped.
Pattern op(std::string_view name, std::initializer_list<Pattern> inputs, std::string_view bind = "");
/// The same, with further inputs allowed after those (a Slice whose bounds a condition examines).
Pattern op_prefix(std::string_view name, std::initializer_list<Pattern> inputs, std::string_view bind = "");
/// A node of an operator of our own or of com.microsoft.
Pattern op_in(std::string_view domain, std::string_view name, std::initializer_list<Pattern> inputs,
              std::string_view bind = "");
/// The same, with further inputs allowed after those.
Pattern op_prefix_in(std::string_view domain, std::string_view name, std::initializer_list<Pattern> inputs,
                     std::string_view bind = "");
/// Output `index` of a node with several outputs.
Pattern output_of(int index, Pattern op_pattern);
/// The first alternative that matches.
Pattern either(std::initializer_list<Pattern> alternatives);

inline Pattern add(Pattern a, Pattern b) { return op("Add", {a, b}); }
inline Pattern sub(Pattern a, Pattern b) { return op("Sub", {a, b}); }
inline Pattern mul(Pattern a, Pattern b) { return op("Mul", {a, b}); }
inline Pattern div(Pattern a, Pattern b) { return op("Div", {a, b}); }

/// A pattern found in a graph, and the vocabulary for conditions and replacements.
class Match {
 public:
  Match(ir::Graph& graph, std::string rule, const std::vector<bool>& stable)
      : graph_(graph), rule_(std::move(rule)), stable_(stable) {}

  ir::Graph& graph() const { return graph_; }
  /// The value bound to that name; throws Internal for a name that the pattern does not bind.
  ir::ValueId operator[](std::string_view name) const;
  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  const ir::Fact& fact(std::string_view name) const { return graph_.fact((*this)[name]); }
  /// The node that makes the value bound to that name.
  const ir::Node& node(std::string_view name) const;
  /// An attribute of the node that makes the value bound to `name`; `absent` where it has none.
  template <class T>
  T attr(std::string_view name, std::string_view attribute, T absent) const {
    const ir::AttrMap map = node(name).attrs.map();
    auto it = map.find(attribute);
    return it == map.end() ? absent : std::get<T>(it->second);
  }
  /// The single element of a constant as double.
  double number(std::string_view name) const;
  const ir::Fact& root_fact() const { return graph_.fact(root); }

  /// Adds a node of the replacement and returns its first output; names and provenance follow the match.
  ir::ValueId call(const ir::Op& op, const ir::AttrMap& attrs, std::vector<ir::ValueId> inputs);
  ir::ValueId call(std::string_view op, const ir::AttrMap& attrs, std::vector<ir::ValueId> inputs) {
    return call(ops::get(op), attrs, std::move(inputs));
  }
  /// A node of an operator of our own.
  ir::ValueId own(std::string_view op, const ir::AttrMap& attrs, std::vector<ir::ValueId> inputs) {
    return call(ops::get(op, ops::kOwnDomain), attrs, std::move(inputs));
  }
  ir::ValueId constant(Tensor value) { return graph_.add_constant("", std::move(value)); }
  /// Elements from `begin` to `end` along an axis, negative ones counted from the end.
  ir::ValueId slice(ir::ValueId value, int64_t axis, int64_t begin, int64_t end);
  /// True where every size can be computed from the model's inputs.
  bool known_shape(const Shape& shape) const;
  /// The value under another shape of the same count; known_shape() must hold.
  ir::ValueId reshape(ir::ValueId value, std::vector<Dim> dims);

  ir::ValueId root = ir::kNone;
  std::vector<ir::NodeId> nodes;  ///< matched nodes, the root's first
  bool few_rows = false;          ///< Options::few_rows

 private:
  friend class Matcher;
  ir::Graph& graph_;
  std::string rule_;
  const std::vector<bool>& stable_;  ///< symbols that the model's inputs bind
  std::map<std::string, ir::ValueId, std::less<>> values_;
};

/// Tries the pattern with `root` as the value of its outermost node. `stable`: symbols that the model's inputs bind.
std::optional<Match> match(ir::Graph& graph, const Pattern& pattern, ir::ValueId root, std::string_view rule,
                           const std::vector<bool>& stable);

}  // namespace sdx::rewrite
