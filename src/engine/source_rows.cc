// SourceRows: repeating on demand.
#include "engine/source_rows.h"

#include <cstring>
#include <numeric>

namespace sdx::engine {

void SourceRows::set(Tensor sources) {
  sources_ = repeated_ = std::move(sources);
  source_of_.resize(static_cast<size_t>(sources_.extents()[0]));
  std::iota(source_of_.begin(), source_of_.end(), 0);
  repeated_for_ = source_of_;
}

void SourceRows::select(std::span<const int32_t> parents) {
  spare_.clear();
  for (int32_t p : parents) spare_.push_back(source_of_[static_cast<size_t>(p)]);
  source_of_.swap(spare_);
}

const Tensor& SourceRows::get() {
  if (source_of_ == repeated_for_) return repeated_;
  Extents extents = sources_.extents();
  const int64_t bytes = extents[0] > 0 ? sources_.view().bytes() / extents[0] : 0;
  extents[0] = static_cast<int64_t>(source_of_.size());
  Tensor repeated(sources_.dtype(), extents);
  for (size_t i = 0; bytes > 0 && i < source_of_.size(); ++i) {
    std::memcpy(repeated.mutable_view().data + static_cast<int64_t>(i) * bytes,
                sources_.view().data + source_of_[i] * bytes, static_cast<size_t>(bytes));
  }
  moved_ += extents[0] * bytes;
  repeated_ = std::move(repeated);
  repeated_for_ = source_of_;
  return repeated_;
}

}  // namespace sdx::engine
