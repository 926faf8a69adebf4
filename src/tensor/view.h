// View and ConstView: borrowed, contiguous, row-major tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"
#include "tensor/extents.h"

namespace sdx {

/// A tensor that somebody else owns. `Byte` is std::byte or const std::byte. Elements are contiguous in row-major
/// order; types below 8 bits are packed, the first element in the low bits.
template <class Byte>
struct BasicView {
  Byte* data = nullptr;
  DType dtype = DType::kUndefined;
  Extents extents;

  int rank() const { return extents.rank(); }
  int64_t count() const { return extents.count(); }
  int64_t bytes() const { return dtype_bytes(dtype, count()); }

  /// The elements as T; the caller has checked dtype.
  template <class T>
  auto* as() const {
    using P = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    return reinterpret_cast<P*>(data);
  }

  operator BasicView<const std::byte>() const requires(!std::is_const_v<Byte>) { return {data, dtype, extents}; }
};

using View = BasicView<std::byte>;
using ConstView = BasicView<const std::byte>;

/// True where `data` is aligned for typed access to its elements. Views of mapped weights may be misaligned.
inline bool is_aligned(const ConstView& view) {
  const auto size = static_cast<uintptr_t>(dtype_bits(view.dtype) / 8);
  return size <= 1 || reinterpret_cast<uintptr_t>(view.data) % size == 0;
}

}  // namespace sdx
