// KvCache: the keys and values of sequences that grow together, in memory that is grown in steps and never moved to
// append.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace sdx::engine {

/// For each pair a buffer [slots, heads, capacity, width]. Row i of the batch lives in slot slots()[i]; a token's keys
/// stay where they were written until their slot is given to another row.
class KvCache {
 public:
  /// What one tensor of past keys or values is made of.
  struct Pair {
    int64_t heads, width;
    DType dtype;
  };

  /// `byte_limit`: most bytes that the buffers may take; 0: no limit.
  KvCache(std::vector<Pair> pairs, int64_t byte_limit)
      : pairs_(std::move(pairs)), buffers_(pairs_.size()), limit_(byte_limit) {}

  /// Starts `rows` empty sequences; buffers stay.
  void clear(int64_t rows);
  /// Makes room for `length` tokens a row. Throws Resource beyond the limit.
  void reserve(int64_t length);
  /// Row i becomes what row parents[i] was. A row that is the only child of its parent keeps the slot; others get a
  /// slot that has most in common with the parent's, and only the rest is copied. Throws InvalidInput for a parent that
  /// is no row.
  void select(std::span<const int32_t> parents);
  void crop(int64_t length);
  /// The tokens written at [length, length + count) count from now on.
  void advance(int64_t count) { length_ += count; }

  /// Copies what is there to `past` [rows, heads, length, width].
  void read(size_t pair, const View& past) const;
  /// Writes the rows [from, n) of `present` [rows, heads, n, width] at positions length() + [0, n - from).
  void write(size_t pair, const ConstView& present, int64_t from);

  size_t pairs() const { return pairs_.size(); }
  const Pair& pair(size_t i) const { return pairs_[i]; }
  /// [slots, heads, capacity, width]; valid until reserve(), clear() or select().
  const Tensor& buffer(size_t pair) const { return buffers_[pair]; }
  /// Of each row.
  std::span<const int64_t> slots() const { return slots_; }
  int64_t rows() const { return static_cast<int64_t>(slots_.size()); }
  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  int64_t bytes() const;
  /// Bytes copied since the beginning: by growing, selecting, read() and write().
  int64_t bytes_moved() const { return moved_; }

 private:
  void resize(int64_t slots, int64_t capacity);
  void copy_slot(int64_t from, int64_t to, int64_t first);
  int64_t& shared(int64_t a, int64_t b) { return shared_[static_cast<size_t>(a * slot_count_ + b)]; }

  std::vector<Pair> pairs_;
  std::vector<Tensor> buffers_;
  std::vector<int64_t> slots_;
  std::vector<int64_t> shared_;  ///< [slots, slots]: how many first tokens two slots have in common
  std::vector<int64_t> next_slots_;
  std::vector<bool> taken_;
  int64_t slot_count_ = 0, capacity_ = 0, length_ = 0, limit_ = 0;
  mutable int64_t moved_ = 0;
};

}  // namespace sdx::engine
