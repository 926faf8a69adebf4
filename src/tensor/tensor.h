// Tensor: shared, immutable-by-convention storage together with its view; Value: whatever can flow along an edge.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tensor/view.h"

namespace sdx {

/// Allocates 64-byte aligned memory: uninitialised, or for strings constructed empty. Throws Resource where the memory
/// cannot be had.
std::shared_ptr<std::byte> allocate(DType dtype, int64_t count);

/// A tensor that keeps its memory alive: owned, mapped from a file, or lent by the caller.
class Tensor {
 public:
  Tensor() = default;
  /// Owned and uninitialised.
  Tensor(DType dtype, const Extents& extents);
  /// Borrowed: `owner` keeps `data` alive.
  Tensor(DType dtype, const Extents& extents, std::shared_ptr<const void> owner, const std::byte* data)
      : view_{const_cast<std::byte*>(data), dtype, extents}, owner_(std::move(owner)) {}

  template <class T>
  static Tensor from(const Extents& extents, std::span<const T> values) {
    Tensor t(dtype_of<T>, extents);
    std::copy(values.begin(), values.end(), t.mutable_view().template as<T>());
    return t;
  }
  template <class T>
  static Tensor scalar(T value) {
    return from<T>({}, std::span<const T>(&value, 1));
  }
  /// A 1-D int64 tensor.
  static Tensor ints(std::span<const int64_t> values) {
    return from<int64_t>({static_cast<int64_t>(values.size())}, values);
  }

  bool defined() const { return view_.dtype != DType::kUndefined; }
  DType dtype() const { return view_.dtype; }
  const Extents& extents() const { return view_.extents; }
  ConstView view() const { return view_; }
  /// For whoever has just made the tensor and not shared it yet.
  View mutable_view() { return view_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  template <class T>
  const T* as() const {
    return view().template as<T>();
  }
  template <class T>
  std::span<const T> values() const {
    return {as<T>(), static_cast<size_t>(view_.count())};
  }
  /// The same elements under other extents of the same count.
  Tensor reshaped(const Extents& extents) const { return Tensor(dtype(), extents, owner_, view_.data); }

  /// Same dtype, extents and bytes.
  bool operator==(const Tensor& other) const;

 private:
  View view_;
  std::shared_ptr<const void> owner_;
};

/// A sequence of tensors (ONNX SequenceType) of one element type.
struct Sequence {
  DType dtype = DType::kUndefined;
  std::vector<Tensor> items;
};

/// What flows along an edge of a graph at run time: a tensor, a sequence, or nothing (an absent optional input, or an
/// optional that holds no value).
struct Value : std::variant<std::monostate, Tensor, Sequence> {
  using variant::variant;
  bool empty() const { return index() == 0; }
  bool is_tensor() const { return index() == 1; }
  bool is_sequence() const { return index() == 2; }
  const Tensor& tensor() const { return std::get<Tensor>(*this); }
  const Sequence& sequence() const { return std::get<Sequence>(*this); }
};

}  // namespace sdx
