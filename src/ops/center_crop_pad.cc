// CenterCropPad: axes cropped or padded with zeros about their middle.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct CenterAttrs {
  std::optional<std::vector<int64_t>> axes;
  bool operator==(const CenterAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axes", &CenterAttrs::axes)}; }
};

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  Box box{{}, strides_of(x.extents), strides_of(y.extents)};
  int64_t from = 0, to = 0;
  for (int d = 0; d < x.rank(); ++d) {
    const int64_t n = x.extents[d], m = y.extents[d];
    box.sizes.push_back(std::min(n, m));
    (n > m ? from : to) += (std::max(n, m) - std::min(n, m)) / 2 * (n > m ? box.from : box.to)[static_cast<size_t>(d)];
  }
  for_width(y.dtype, [&]<class T>() { std::fill_n(y.as<T>(), y.count(), T()); });
  const int64_t width = element_bytes(x.dtype);
  copy_box(c.parallel(), x.dtype, x.data + from * width, y.data + to * width, box);
}

void infer(InferContext& c) {
  c.require_dtype(1, {DType::kI64, DType::kI32});
  c.require_rank(1, 1, 1);
  const Fact& x = c.input(0);
  if (!x.shape.has_rank()) return c.set(0, x.dtype, Shape());
  const auto sizes = c.values(1);
  const auto& given = c.attrs<CenterAttrs>().axes;
  const size_t count = given ? given->size() : static_cast<size_t>(x.rank());
  if (sizes && sizes->size() != count) c.invalid("there are ", sizes->size(), " sizes for ", count, " axes");
  Shape shape = x.shape;
  for (size_t i = 0; i < count; ++i) {
    const int axis = given ? c.axis((*given)[i], x.rank(), "axes") : static_cast<int>(i);
    shape[axis] = sizes ? (*sizes)[i] : c.symbols().fresh();
    if (shape[axis].known() && shape[axis].value() < 0)
      c.invalid("a size is ", shape[axis].value(), " but must be >= 0");
  }
  c.set(0, x.dtype, std::move(shape));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "CenterCropPad",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<CenterAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.shape_only = 0b10},
     .since = 18},
};

}  // namespace

std::span<const Op> center_crop_pad_family() { return kFamily; }

}  // namespace sdx::ops
