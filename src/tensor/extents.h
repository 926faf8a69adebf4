// Extents: the concrete sizes of a tensor, stored inline.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"

namespace sdx {

/// Up to kMaxRank sizes, each >= 0. A rank of 0 is a scalar.
class Extents {
 public:
  Extents() = default;
  Extents(std::initializer_list<int64_t> sizes) : Extents(std::span(sizes.begin(), sizes.size())) {}
  explicit Extents(std::span<const int64_t> sizes) {
    for (int64_t s : sizes) push_back(s);
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return sizes_[static_cast<size_t>(axis)]; }
  int64_t back() const { return sizes_[static_cast<size_t>(rank_ - 1)]; }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  const int64_t* data() const { return sizes_.data(); }
  std::span<const int64_t> span() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }

  /// Throws UnsupportedModel beyond kMaxRank.
  void push_back(int64_t size) {
    if (rank_ == kMaxRank) {
      fail(ErrorKind::kUnsupportedModel, "a tensor has more than ", kMaxRank,
           " dimensions, the most that is supported");
    }
    sizes_[static_cast<size_t>(rank_++)] = size;
  }

  /// Product of the sizes of axes [from, to); throws Resource where it exceeds kMaxElements, sizes of 0 left out: so
  /// strides of empty tensors stay within bounds, too.
  int64_t product(int from, int to) const {
    int64_t total = 1;
    bool none = false;
    for (int i = from; i < to; ++i) {
      none |= (*this)[i] == 0;
      auto next = checked_mul(total, (*this)[i] == 0 ? 1 : (*this)[i]);
      if (!next || *next > kMaxElements) {
        fail(ErrorKind::kResource, "a tensor of shape ", text(), " has more elements than the limit of ", kMaxElements);
      }
      total = *next;
    }
    return none ? 0 : total;
  }
  int64_t count() const { return product(0, rank_); }

  /// "[2,3,4]"
  std::string text() const {
    std::string out = "[";
    for (int i = 0; i < rank_; ++i) out += (i ? "," : "") + std::to_string((*this)[i]);
    return out + "]";
  }

  bool operator==(const Extents& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if ((*this)[i] != other[i]) return false;
    }
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace sdx
