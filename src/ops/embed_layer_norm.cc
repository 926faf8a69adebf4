// com.microsoft's EmbedLayerNormalization: the norm of summed word, position and segment embeddings.
#include "kernels/norm.h"
#include "ops/broadcast_copy.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct EmbedNormAttrs {
  float epsilon = 1e-12f;
  int64_t mask_index_type = 0;
  bool operator==(const EmbedNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("epsilon", &EmbedNormAttrs::epsilon),
                      field("mask_index_type", &EmbedNormAttrs::mask_index_type)};
  }
};

constexpr int kIds = 0, kSegmentIds = 1, kWords = 2, kPositions = 3, kSegments = 4, kScale = 5, kShift = 6, kMask = 7,
              kPositionIds = 8;

void infer(InferContext& c) {
  c.require_dtype(kIds, {DType::kI32});
  c.require_rank(kIds, 2, 2);
  const Shape ids = c.input(kIds).shape.has_rank() ? c.input(kIds).shape : c.fresh_shape(2);
  Dim width = c.symbols().fresh();
  for (int i : {kWords, kPositions, kSegments}) {
    if (!c.has(i)) continue;
    c.require_dtype(i, {DType::kF32, DType::kF16, DType::kBF16});
    c.require_rank(i, 2, 2);
    if (!c.input(i).shape.has_rank()) continue;
    if (i == kWords)
      width = c.input(i).shape[1];
    else
      c.require_equal(c.input(i).shape[1], width, "the widths of the embeddings");
  }
  if (!c.has(kPositions)) c.invalid("input ", kPositions, ", the position embedding, is required but absent");
  for (int i : {kScale, kShift}) {
    c.require_dtype(i, {DType::kF32, DType::kF16, DType::kBF16});
    c.require_rank(i, 1, 1);
    if (c.input(i).shape.has_rank())
      c.require_equal(c.input(i).shape[0], width, "the sizes of the norm and the embeddings");
  }
  for (int i : {kSegmentIds, kMask, kPositionIds}) {
    if (!c.has(i)) continue;
    c.require_dtype(i, {DType::kI32});
    c.require_rank(i, 2, 2);
    if (i == kPositionIds) {
      require_broadcasts_to(c, c.input(i).shape, ids, "the position ids");
      continue;
    }
    const Shape& s = c.input(i).shape;
    if (!s.has_rank()) continue;
    c.require_equal(s[0], ids[0], "the batch sizes of the ids");
    c.require_equal(s[1], ids[1], "the lengths of the ids");
  }
  if (!c.has(kPositionIds) && c.input(kPositions).shape.has_rank()) {
    c.require_at_most(ids[1], c.input(kPositions).shape[0], "the length of the ids and of the position embedding");
  }
  const Shape out({ids[0], ids[1], width});
  c.set(0, c.input(kWords).dtype, out);
  c.set(1, DType::kI32, Shape({ids[0]}));
  c.set(2, c.input(kWords).dtype, out);
}

/// Row `id` of an embedding; ids that the table lacks give a row of NaN.
const float* embedding(const ConstView& table, int64_t id, const float* missing) {
  if (id < 0 || id >= table.extents[0]) return missing;
  return table.as<float>() + id * table.extents[1];
}

void sum_embeddings(RunContext& c, int64_t row, const float* missing, float* to) {
  const int64_t length = c.input(kIds).extents[1], width = c.input(kWords).extents[1];
  int64_t position = row % length;
  if (c.has_input(kPositionIds)) {
    const ConstView ids = c.input(kPositionIds);
    const int64_t item = ids.extents[0] == 1 ? 0 : row / length;
    position = ids.as<int32_t>()[item * ids.extents[1] + (ids.extents[1] == 1 ? 0 : position)];
  }
  const float* word = embedding(c.input(kWords), c.input(kIds).as<int32_t>()[row], missing);
  const float* at = embedding(c.input(kPositions), position, missing);
  for (int64_t j = 0; j < width; ++j) to[j] = word[j] + at[j];
  if (!c.has_input(kSegments)) return;
  const int64_t segment = c.has_input(kSegmentIds) ? c.input(kSegmentIds).as<int32_t>()[row] : 0;
  const float* from = embedding(c.input(kSegments), segment, missing);
  for (int64_t j = 0; j < width; ++j) to[j] += from[j];
}

/// The number of tokens that the mask keeps, by batch item.
void write_mask_index(RunContext& c) {
  const int64_t batch = c.input(kIds).extents[0], length = c.input(kIds).extents[1];
  for (int64_t b = 0; b < batch; ++b) {
    int32_t kept = 0;
    for (int64_t i = 0; c.has_input(kMask) && i < length; ++i)
      kept += c.input(kMask).as<int32_t>()[b * length + i] == 1;
    c.output(1).as<int32_t>()[b] = kept;
  }
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.wants(1)) write_mask_index(c);
  const int64_t rows = c.input(kIds).count(), width = c.input(kWords).extents[1];
  if (c.output(0).count() == 0) return;
  float* missing = c.scratch<float>(width);
  std::fill_n(missing, width, std::numeric_limits<float>::quiet_NaN());
  float* sum = c.wants(2) ? c.output(2).as<float>() : c.output(0).as<float>();
  kernels::NormRows norm{.scale = c.input(kScale).as<float>(), .shift = c.input(kShift).as<float>()};
  norm.epsilon = c.attrs<EmbedNormAttrs>().epsilon;
  c.parallel().run(rows, grain_for(width * 6), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) sum_embeddings(c, row, missing, sum + row * width);
    kernels::layer_norm_rows(sum, c.output(0).as<float>(), width, norm, begin, end);
  });
}

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "EmbedLayerNormalization",
     .inputs = {1, 9},
     .outputs = {1, 3},
     .parse = Attrs::parse<EmbedNormAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kFunction},
};

}  // namespace

std::span<const Op> embed_layer_norm_family() { return kFamily; }

}  // namespace sdx::ops
