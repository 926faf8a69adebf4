// InferContext: what an operator's infer sees, and the vocabulary for stating facts about outputs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace sdx::ir {

class InferContext {
 public:
  InferContext(const Op& op, const Attrs& attrs, std::vector<const Fact*> inputs, int outputs, SymbolTable& symbols,
               std::span<const Graph> bodies)
      : op_(op),
        attrs_(attrs),
        inputs_(std::move(inputs)),
        outputs_(static_cast<size_t>(outputs)),
        symbols_(symbols),
        bodies_(bodies) {}

  const Op& op() const { return op_; }
  const Attrs& attributes() const { return attrs_; }
  template <class S>
  const S& attrs() const {
    return attrs_.as<S>();
  }
  SymbolTable& symbols() const { return symbols_; }
  std::span<const Graph> bodies() const { return bodies_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)]; }
  /// Throws InvalidModel where the input is absent.
  const Fact& input(int i) const;
  int output_count() const { return static_cast<int>(outputs_.size()); }

  void set(int i, Fact fact);
  void set(int i, DType dtype, Shape shape) { set(i, Fact::tensor(dtype, std::move(shape))); }

  /// Throws InvalidModel with the operator's inputs' types in the message.
  template <class... Parts>
  [[noreturn]] void invalid(const Parts&... parts) const {
    sdx::fail(ErrorKind::kInvalidModel, parts...);
  }
  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    sdx::fail(ErrorKind::kUnsupportedModel, parts...);
  }

  /// Throws InvalidModel unless the input's type is one of those.
  void require_dtype(int i, std::span<const DType> allowed) const;
  void require_dtype(int i, std::initializer_list<DType> allowed) const {
    require_dtype(i, std::span(allowed.begin(), allowed.size()));
  }
  /// Throws InvalidModel unless both inputs have the same type.
  void require_same_dtype(int i, int j) const;
  /// Throws InvalidModel where the rank is known and outside [least, most].
  void require_rank(int i, int least, int most = kMaxRank) const;
  /// Sizes that must be equal; undecidable pairs are checked for each run. `what` names them.
  void require_equal(const Dim& a, const Dim& b, std::string_view what);
  /// a <= b, likewise.
  void require_at_most(const Dim& a, const Dim& b, std::string_view what);
  /// `axis` in [-rank, rank) made non-negative; throws InvalidModel otherwise.
  int axis(int64_t axis, int rank, std::string_view name = "axis") const;

  /// The shape that both broadcast to (unknown rank if either is). Throws InvalidModel where they do not; undecidable
  /// sizes are checked for each run.
  Shape broadcast(const Shape& a, const Shape& b);

  /// Elements of a constant integer input (int64 or int32); nothing where it is absent or not constant.
  std::optional<std::vector<int64_t>> ints(int i) const;
  /// Elements of a small integer input as expressions; nothing where they are not known.
  std::optional<std::vector<Dim>> values(int i) const;
  /// The constant of a float or integer scalar input as double; nothing where it is not constant.
  std::optional<double> scalar(int i) const;
  /// A shape of that rank of fresh symbols.
  Shape fresh_shape(int rank) const;

  std::vector<Fact>& outputs() { return outputs_; }
  std::vector<Constraint>& constraints() { return constraints_; }

 private:
  const Op& op_;
  const Attrs& attrs_;
  std::vector<const Fact*> inputs_;
  std::vector<Fact> outputs_;
  SymbolTable& symbols_;
  std::span<const Graph> bodies_;
  std::vector<Constraint> constraints_;
};

/// The one element of a float, int32 or int64 tensor; nothing for other tensors.
std::optional<double> number(const Tensor& t);

/// A node of a file on its way to the newest opset; upgrade functions change it in place.
class Call {
 public:
  int version;  ///< opset version of the operator's domain that the model imports
  AttrMap attrs;
  std::vector<ValueId> inputs;
  Graph& graph;

  /// Moves an ints attribute (or a single int) to input `index` as a 1-D int64 constant.
  void ints_to_input(std::string_view name, int index);
  /// Moves a scalar attribute to input `index` as a constant of `dtype` (that of input 0 where undefined).
  void scalar_to_input(std::string_view name, int index, DType dtype = DType::kUndefined);
  /// Gives the attribute a value where it is absent.
  void default_attr(std::string_view name, AttrValue value) { attrs.try_emplace(std::string(name), std::move(value)); }
  void drop(std::string_view name) {
    if (auto it = attrs.find(name); it != attrs.end()) attrs.erase(it);
  }
  std::optional<int64_t> int_attr(std::string_view name) const;

 private:
  void put(int index, Tensor value);
};

}  // namespace sdx::ir
