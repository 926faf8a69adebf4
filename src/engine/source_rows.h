// SourceRows: tensors that belong to the sources of a batch, repeated for the rows that read them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace sdx::engine {

/// A tensor [sources, ...] seen by rows of which each has a source. Copies only where rows and sources differ, and only
/// when that changes: beams of one source may change places freely.
class SourceRows {
 public:
  /// Row i reads source i.
  void set(Tensor sources);
  bool defined() const { return sources_.defined(); }
  /// Row i becomes what row parents[i] was.
  void select(std::span<const int32_t> parents);
  /// [rows, ...]
  const Tensor& get();
  /// [sources, ...], and the source of each row.
  const Tensor& sources() const { return sources_; }
  std::span<const int64_t> rows() const { return source_of_; }
  int64_t bytes_moved() const { return moved_; }

 private:
  Tensor sources_, repeated_;
  std::vector<int64_t> source_of_, repeated_for_, spare_;
  int64_t moved_ = 0;
};

}  // namespace sdx::engine
