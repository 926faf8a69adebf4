// Stacked: the results of iterations, put together along a new axis.
#pragma once

#include <optional>
#include <vector>

#include "ir/fact.h"
#include "ir/run_context.h"
#include "tensor/memory_budget.h"

namespace sdx::ops {

/// Collects one tensor per iteration. All must have the same type and extents.
class Stacked {
 public:
  /// Throws InvalidInput where `item` is no tensor or differs from the ones before.
  void add(Value item);
  /// The tensors along a new axis `axis` of the result, the last one first where `reverse`. Without iterations the
  /// sizes come from `fact`, unknown ones as 0.
  Tensor finish(const ir::Fact& fact, int64_t axis, bool reverse) const;

 private:
  std::vector<Tensor, ChargedAllocator<Tensor>> items_;
};

/// The one element of a condition or trip count; throws InvalidInput where there is not exactly one.
template <class T>
T only_element(const ConstView& view) {
  if (view.count() != 1)
    fail(ErrorKind::kInvalidInput, "a condition or count has shape ", view.extents.text(),
         " but must have one element");
  return *view.as<T>();
}

/// Element `index` of a tensor along an axis: without a copy for axis 0.
Tensor slice_at(const Tensor& tensor, int axis, int64_t index);

/// The shape of values that differ from iteration to iteration: only sizes that are numbers hold for all.
Shape loosened(const Shape& shape, SymbolTable& symbols);

/// The fact of a value that starts as `first` and is then whatever a body gives.
ir::Fact carried(const ir::Fact& first, const ir::Fact& later, SymbolTable& symbols);

/// A scalar or one-element tensor with the rank that the body states for its input.
Value shaped_like(Tensor tensor, const ir::Fact& formal);

}  // namespace sdx::ops
