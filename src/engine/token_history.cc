// TokenHistory: appending, reordering, numbering.
#include "engine/token_history.h"

#include <algorithm>

namespace sdx::engine {

void TokenHistory::clear(int64_t rows) {
  rows_ = rows;
  length_ = 0;
  for (auto* list : {&ids_, &mask_, &positions_}) list->resize(static_cast<size_t>(rows_ * capacity_));
}

void TokenHistory::append(const Tokens& tokens, int64_t count) {
  if (length_ + count > capacity_) {
    const int64_t capacity = std::max<int64_t>({64, capacity_ * 2, length_ + count});
    for (auto* list : {&ids_, &mask_, &positions_}) {
      std::vector<int64_t> grown(static_cast<size_t>(rows_ * capacity));
      for (int64_t r = 0; r < rows_; ++r)
        std::copy_n(list->data() + r * capacity_, length_, grown.data() + r * capacity);
      list->swap(grown);
    }
    capacity_ = capacity;
  }
  for (int64_t r = 0; r < rows_; ++r) {
    int64_t* positions = positions_.data() + r * capacity_;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = r * capacity_ + length_ + i, from = r * count + i;
      ids_[static_cast<size_t>(at)] = tokens.ids[static_cast<size_t>(from)];
      mask_[static_cast<size_t>(at)] = tokens.mask.empty() ? 1 : tokens.mask[static_cast<size_t>(from)] != 0;
      // Counts of unmasked tokens up to and with each one.
      positions[length_ + i] = (length_ + i > 0 ? positions[length_ + i - 1] : 0) + mask_[static_cast<size_t>(at)];
    }
  }
  length_ += count;
}

void TokenHistory::select(std::span<const int32_t> parents) {
  const auto rows = static_cast<int64_t>(parents.size());
  for (auto* list : {&ids_, &mask_, &positions_}) {
    spare_.resize(static_cast<size_t>(rows * capacity_));
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(list->data() + parents[static_cast<size_t>(r)] * capacity_, length_, spare_.data() + r * capacity_);
    }
    list->swap(spare_);
  }
  rows_ = rows;
}

void TokenHistory::crop(int64_t length) { length_ = std::min(length_, length); }

void TokenHistory::positions(int64_t first, int64_t count, int64_t* out) const {
  for (int64_t r = 0; r < rows_; ++r) {
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(r * capacity_ + first + i);
      out[r * count + i] = mask_[at] ? positions_[at] - 1 : 1;
    }
  }
}

void TokenHistory::copy(const std::vector<int64_t>& from, int64_t first, int64_t count, int64_t* out) const {
  for (int64_t r = 0; r < rows_; ++r) std::copy_n(from.data() + r * capacity_ + first, count, out + r * count);
}

}  // namespace sdx::engine
