// Shape and Size: the sizes of a tensor as data.
#include <numeric>

#include "ops/family.h"

namespace sdx::ops {
namespace {

struct ShapeAttrs {
  int64_t start = 0;
  std::optional<int64_t> end;
  bool operator==(const ShapeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("start", &ShapeAttrs::start), field("end", &ShapeAttrs::end)};
  }
};

/// First and last axis (exclusive) that are asked for.
std::pair<int, int> axes(const ShapeAttrs& a, int rank) {
  auto clamp = [&](int64_t v) {
    if (v < 0) v += rank;
    return static_cast<int>(std::clamp<int64_t>(v, 0, rank));
  };
  const int begin = clamp(a.start);
  return {begin, std::max(begin, clamp(a.end.value_or(rank)))};
}

void infer_shape(InferContext& c) {
  const Shape& shape = c.input(0).shape;
  if (!shape.has_rank()) return c.set(0, DType::kI64, {c.symbols().fresh()});
  const auto [begin, end] = axes(c.attrs<ShapeAttrs>(), shape.rank());
  c.set(0, Fact::known(std::vector<Dim>(shape.dims().begin() + begin, shape.dims().begin() + end)));
}

void run_shape(RunContext& c) {
  const Extents extents = c.input(0).extents;
  const auto [begin, end] = axes(c.attrs<ShapeAttrs>(), extents.rank());
  std::copy(extents.begin() + begin, extents.begin() + end, c.output(0).as<int64_t>());
}

void infer_size(InferContext& c) {
  const Shape& shape = c.input(0).shape;
  if (!shape.has_rank()) return c.set(0, DType::kI64, Shape(std::vector<Dim>{}));
  c.set(0, Fact::known({shape.count()}, true));
}

void run_size(RunContext& c) { *c.output(0).as<int64_t>() = c.input(0).count(); }

const Op kFamily[] = {
    {.domain = "",
     .name = "Shape",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<ShapeAttrs>,
     .infer = infer_shape,
     .run = run_shape,
     .traits = {.misaligned = 1}},
    {.domain = "",
     .name = "Size",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_size,
     .run = run_size,
     .traits = {.misaligned = 1}},
};

}  // namespace

std::span<const Op> shape_family() { return kFamily; }

}  // namespace sdx::ops
