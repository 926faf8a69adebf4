// CumSum and CumProd: running sums and products along an axis.
#include "kernels/scan.h"

#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

struct ScanAttrs {
  bool exclusive = false;
  bool reverse = false;
  bool operator==(const ScanAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("exclusive", &ScanAttrs::exclusive), field("reverse", &ScanAttrs::reverse)};
  }
};

void infer(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_dtype(1, {DType::kI32, DType::kI64});
  const Shape &x = c.input(0).shape, &axis = c.input(1).shape;
  if (axis.has_rank()) c.require_equal(axis.count(), 1, "the number of axes to scan and 1");
  if (const auto axes = c.ints(1); axes && x.has_rank()) c.axis((*axes)[0], x.rank(), "axis");
  infer_same_as_input(c);
}

/// The axis that only the run knows.
int axis_of(RunContext& c) {
  const ConstView axis = c.input(1);
  const int64_t given = axis.dtype == DType::kI64 ? *axis.as<int64_t>() : *axis.as<int32_t>();
  const int rank = c.input(0).rank();
  if (given < -rank || given >= rank) {
    fail(ErrorKind::kInvalidInput, "the axis to scan is ", given, " but must be in [", -rank, ", ", rank, ")");
  }
  return static_cast<int>(given < 0 ? given + rank : given);
}

template <bool kProduct>
void run(RunContext& c) {
  const auto& a = c.attrs<ScanAttrs>();
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  const int axis = axis_of(c);
  if (y.count() == 0) return;
  const kernels::LineShape shape{x.extents[axis], x.extents.product(axis + 1, x.rank())};
  const kernels::ScanMode mode{kProduct, a.exclusive, a.reverse};
  with_number(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    const int64_t outer = y.count() / shape.length / shape.inner, width = std::min(shape.inner, kernels::kScanLines);
    const int64_t blocks = (shape.inner + width - 1) / width;
    c.parallel().run(outer * blocks, grain_for(shape.length * width * 2), [&](int64_t begin, int64_t end, int) {
      const auto line = [&](int64_t block) { return block / blocks * shape.inner + block % blocks * width; };
      kernels::scan(mode, x.as<T>(), y.as<T>(), shape, line(begin), line(end));
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "CumSum",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<ScanAttrs>,
     .infer = infer,
     .run = run<false>,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .since = 11},
    {.domain = "",
     .name = "CumProd",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<ScanAttrs>,
     .infer = infer,
     .run = run<true>,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .since = 26},
};

}  // namespace

std::span<const Op> scan_family() { return kFamily; }

}  // namespace sdx::ops
