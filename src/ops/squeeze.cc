// Squeeze, Unsqueeze and ExpandDims: axes of size 1 removed and added.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

void upgrade(Call& c) {
  if (c.version < 13) c.ints_to_input("axes", 1);
}

/// A mask of the given axes in [0, rank). Throws where one is outside or given twice.
std::vector<bool> marked(const InferContext& c, const std::vector<int64_t>& axes, int rank) {
  std::vector<bool> out(static_cast<size_t>(rank));
  for (int64_t a : axes) {
    const auto at = static_cast<size_t>(c.axis(a, rank, "axes"));
    if (out[at]) c.invalid("axis ", a, " is given twice");
    out[at] = true;
  }
  return out;
}

/// The number of axes where only their tensor's shape is known.
std::optional<int> axis_count(const Shape& axes) {
  if (!axes.has_rank() || axes.rank() > 1) return std::nullopt;
  const Dim count = axes.count();
  if (!count.known() || count.value() > kMaxRank) return std::nullopt;
  return static_cast<int>(count.value());
}

/// Every size that is 1 goes; nothing is known where one may or may not be.
Shape without_ones(const Shape& shape) {
  std::vector<Dim> out;
  for (const Dim& d : shape.dims()) {
    if (!d.known()) return Shape();
    if (!d.is(1)) out.push_back(d);
  }
  return out;
}

void infer_squeeze(InferContext& c) {
  const Shape& shape = c.input(0).shape;
  if (c.has(1)) require_ints(c, 1);
  if (!shape.has_rank()) return set_view(c, Shape());
  if (!c.has(1)) return set_view(c, without_ones(shape));
  auto axes = c.ints(1);
  if (!axes) {
    auto count = axis_count(c.input(1).shape);
    return set_view(c, count && *count <= shape.rank() ? c.fresh_shape(shape.rank() - *count) : Shape());
  }
  const std::vector<bool> gone = marked(c, *axes, shape.rank());
  std::vector<Dim> out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!gone[static_cast<size_t>(i)]) {
      out.push_back(shape[i]);
    } else {
      c.require_equal(shape[i], 1, cat("the size of axis ", i, ", which is squeezed, and 1"));
    }
  }
  set_view(c, std::move(out));
}

void infer_unsqueeze(InferContext& c) {
  const Shape& shape = c.input(0).shape;
  require_ints(c, 1);
  auto axes = c.ints(1);
  if (!shape.has_rank()) return set_view(c, Shape());
  if (!axes) {
    auto count = axis_count(c.input(1).shape);
    return set_view(c, count ? c.fresh_shape(shape.rank() + *count) : Shape());
  }
  const int rank = shape.rank() + static_cast<int>(std::min<size_t>(axes->size(), kMaxRank));
  if (rank > kMaxRank) c.unsupported("a tensor of ", rank, " dimensions; at most ", kMaxRank, " are supported");
  const std::vector<bool> added = marked(c, *axes, rank);
  std::vector<Dim> out;
  int next = 0;
  for (int i = 0; i < rank; ++i) out.push_back(added[static_cast<size_t>(i)] ? Dim(1) : shape[next++]);
  set_view(c, std::move(out));
}

constexpr Traits kTraits = {.view_of = 0, .shape_only = 0b10, .misaligned = 1};

const Op kFamily[] = {
    {.domain = "",
     .name = "Squeeze",
     .inputs = {1, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_squeeze,
     .run = run_view,
     .traits = kTraits,
     .upgrade = upgrade},
    {.domain = "",
     .name = "Unsqueeze",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_unsqueeze,
     .run = run_view,
     .traits = kTraits,
     .upgrade = upgrade},
    {.domain = "com.microsoft",
     .name = "ExpandDims",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_unsqueeze,
     .run = run_view,
     .traits = kTraits},
};

}  // namespace

std::span<const Op> squeeze_family() { return kFamily; }

}  // namespace sdx::ops
