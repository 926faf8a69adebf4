// What operators that work element by element share: inference with broadcasting, and loops over broadcast operands.
#pragma once

#include <functional>

#include "kernels/strided.h"
#include "ops/family.h"

namespace sdx::ops {

inline constexpr std::array kIntegers = {DType::kI8, DType::kI16, DType::kI32, DType::kI64,
                                         DType::kU8, DType::kU16, DType::kU32, DType::kU64};

/// The shape that inputs [from, to) broadcast to.
Shape broadcast_inputs(InferContext& c, int from, int to);

/// An element of a result from the elements of two operands; nothing where it cannot be expressed.
using DimFunction = std::optional<Dim> (*)(const Dim& a, const Dim& b);

/// The fact of a broadcast result, with its elements where those of inputs `a` and `b` are known and `f` can tell.
Fact broadcast_fact(InferContext& c, int a, int b, DType type, DimFunction f);
/// The same without broadcasting, for one operand.
Fact mapped_fact(InferContext& c, DType type, const std::function<std::optional<Dim>(const Dim&)>& f);

/// Whether a < b for every binding, where that can be told.
std::optional<bool> less(const Dim& a, const Dim& b);
std::optional<bool> equal(const Dim& a, const Dim& b);

/// Elements of a shape of known values at the position that element `index` of `out` broadcasts from.
int64_t broadcast_index(const Extents& from, const Extents& out, int64_t index);

/// The loop over output 0 in which `inputs` are broadcast.
template <int N>
kernels::StridedLoop<N> broadcast_loop(const RunContext& c, const std::array<int, N>& inputs) {
  const View& y = c.output(0);
  std::array<Extents, N> extents;
  std::array<std::span<const int64_t>, N> spans;
  for (int k = 0; k < N; ++k) {
    extents[static_cast<size_t>(k)] = c.input(inputs[static_cast<size_t>(k)]).extents;
    spans[static_cast<size_t>(k)] = extents[static_cast<size_t>(k)].span();
  }
  return kernels::make_broadcast_loop<N>(y.extents.span(), spans);
}

/// Below opset 7 `broadcast` = 1 aligned the second operand at `axis` of the first: it gets the trailing ones that
/// align it at the right. Drops the attributes that only those opsets had.
void upgrade_binary(Call& c);
/// Drops `consumed_inputs`, which opset 1 had.
void upgrade_unary(Call& c);

}  // namespace sdx::ops
