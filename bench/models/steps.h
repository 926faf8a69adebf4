// Steps: a decoder as a generation loop sees it, so that one loop drives both runtimes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "peer/peer.h"
#include "tensor/tensor.h"

namespace sdx::bench {

class Steps {
 public:
  virtual ~Steps() = default;
  /// Forgets everything and starts one sequence; `source` is what the encoder reads, undefined where there is none.
  virtual void begin(const Tensor& source) = 0;
  /// Appends ids [rows, count]; returns the last token's logits of each row, [rows, vocabulary], `stride` floats apart.
  virtual const float* forward(std::span<const int64_t> ids, int64_t rows, int64_t& vocabulary, int64_t& stride) = 0;
  /// Row i continues what was row parents[i].
  virtual void select(std::span<const int32_t> parents) = 0;
};

/// ONNX Runtime with a merged decoder (and its encoder beside it) in `folder`: values bound by name, presents become
/// pasts without a copy, the encoder's keys and values are fetched once, and rows are only copied where beams move.
std::unique_ptr<Steps> peer_steps(const std::shared_ptr<const peer::Library>& library,
                                  const std::filesystem::path& folder, int threads);

}  // namespace sdx::bench
