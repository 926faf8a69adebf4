// TokenHistory: ids and masks of the tokens so far, and the position numbers that follow from them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/decoder.h"

namespace sdx::engine {

/// Of a number of rows that grow together.
class TokenHistory {
 public:
  void clear(int64_t rows);
  /// Appends `count` tokens a row.
  void append(const Tokens& tokens, int64_t count);
  void select(std::span<const int32_t> parents);
  void crop(int64_t length);

  int64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  /// The ids at [first, first + count) of every row.
  void ids(int64_t first, int64_t count, int64_t* out) const { copy(ids_, first, count, out); }
  /// The masks likewise.
  void mask(int64_t first, int64_t count, int64_t* out) const { copy(mask_, first, count, out); }
  /// Position numbers: unmasked tokens before the token; 1 for a masked one, as the Hub's generation code has it.
  void positions(int64_t first, int64_t count, int64_t* out) const;

 private:
  void copy(const std::vector<int64_t>& from, int64_t first, int64_t count, int64_t* out) const;

  int64_t rows_ = 0, length_ = 0, capacity_ = 0;
  std::vector<int64_t> ids_, mask_, positions_, spare_;  ///< [rows, capacity]
};

}  // namespace sdx::engine
