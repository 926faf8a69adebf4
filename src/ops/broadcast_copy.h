// One-way broadcasting: the check of sizes, and a small operand written out at the size to which it broadcasts.
#pragma once

#include "ir/infer_context.h"
#include "tensor/view.h"

namespace sdx::ops {

/// Requires that `from` broadcasts to `to` without changing it; nothing is checked where a rank is unknown.
inline void require_broadcasts_to(ir::InferContext& c, const Shape& from, const Shape& to, std::string_view what) {
  if (!from.has_rank() || !to.has_rank()) return;
  const int shift = to.rank() - from.rank();
  if (shift < 0) c.invalid(what, " has ", from.rank(), " dimensions but may have at most ", to.rank());
  for (int i = 0; i < from.rank(); ++i) {
    if (from[i].is(1)) continue;
    c.require_at_most(from[i], to[i + shift], what);
    // A size of 0 broadcasts with 1, but not to it.
    c.require_equal(c.broadcast(Shape({from[i]}), Shape({to[i + shift]}))[0], to[i + shift], what);
  }
}

/// Copies `from` to `to` as a contiguous tensor of the sizes `full`, to which its own sizes broadcast. For operands
/// that are not worth a strided loop.
template <class T>
void broadcast_copy(const ConstView& from, const Extents& full, T* to) {
  int64_t stride[kMaxRank] = {};
  int64_t step = 1;
  const int shift = full.rank() - from.rank();
  for (int axis = from.rank(); axis-- > 0;) {
    if (from.extents[axis] != 1) stride[axis + shift] = step;
    step *= from.extents[axis];
  }
  const int64_t count = full.count();
  int64_t index[kMaxRank] = {};
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from.as<T>()[at];
    for (int axis = full.rank(); axis-- > 0;) {
      at += stride[axis];
      if (++index[axis] < full[axis]) break;
      at -= stride[axis] * full[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace sdx::ops
