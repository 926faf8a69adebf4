// Col2Im: sliding blocks summed back into an image.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct Col2ImAttrs {
  std::vector<int64_t> dilations, pads, strides;
  bool operator==(const Col2ImAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("dilations", &Col2ImAttrs::dilations), field("pads", &Col2ImAttrs::pads),
                      field("strides", &Col2ImAttrs::strides)};
  }
};

int64_t entry(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return list.empty() ? otherwise : list[i];
}

/// Positions of the block along an axis.
Dim positions(const Col2ImAttrs& a, size_t axis, size_t axes, const Dim& image, const Dim& block) {
  const Dim reach = (block - Dim(1)) * entry(a.dilations, axis, 1) + Dim(1);
  const Dim padded = image + Dim(entry(a.pads, axis, 0)) + Dim(entry(a.pads, axis + axes, 0));
  return floor_div(padded - reach, entry(a.strides, axis, 1)) + Dim(1);
}

void check_attrs(const InferContext& c, const Col2ImAttrs& a, size_t axes) {
  auto require_list = [&](const std::vector<int64_t>& list, std::string_view name, size_t count, int64_t least) {
    if (!list.empty() && list.size() != count)
      c.invalid("attribute '", name, "' has ", list.size(), " entries but needs ", count);
    for (int64_t v : list) {
      if (v < least || v > kMaxElements) c.invalid("attribute '", name, "' holds ", v, " but must be >= ", least);
    }
  };
  require_list(a.dilations, "dilations", axes, 1);
  require_list(a.strides, "strides", axes, 1);
  require_list(a.pads, "pads", 2 * axes, 0);
}

void infer(InferContext& c) {
  const auto& a = c.attrs<Col2ImAttrs>();
  c.require_dtype(0, kNumbers);
  c.require_rank(0, 3, 3);
  for (int i : {1, 2}) require_ints(c, i);
  const auto image = c.values(1), block = c.values(2);
  const Shape& x = c.input(0).shape;
  const Shape& counted = c.input(1).shape;
  if (!image || !block || !x.has_rank()) {
    const bool known =
        counted.has_rank() && counted.rank() == 1 && counted[0].known() && counted[0].value() <= kMaxRank - 2;
    return c.set(0, c.input(0).dtype, known ? c.fresh_shape(static_cast<int>(counted[0].value()) + 2) : Shape());
  }
  if (image->size() != block->size())
    c.invalid("image and block have ", image->size(), " and ", block->size(), " axes");
  check_attrs(c, a, image->size());
  Dim elements = 1, count = 1;
  for (size_t i = 0; i < image->size(); ++i) {
    const Dim &n = (*image)[i], &k = (*block)[i];
    if ((n.known() && n.value() < 0) || (k.known() && k.value() < 1))
      c.invalid("sizes of image and block must be positive");
    const Dim at = positions(a, i, image->size(), n, k);
    c.require_at_most(1, at, cat("the positions of the block along axis ", i, " must be at least 1; 1 and they"));
    elements = elements * k;
    count = count * at;
  }
  const Dim channels = exact_div(x[1], elements);
  c.require_equal(x[1], channels * elements, "the rows of the columns, and a multiple of the block,");
  c.require_equal(x[2], count, "the columns, and the positions of the block,");
  std::vector<Dim> out = {x[0], channels};
  out.insert(out.end(), image->begin(), image->end());
  c.set(0, c.input(0).dtype, std::move(out));
}

/// Sums one channel: x is [block..., positions...], y the image.
template <class T>
void sum_channel(const Col2ImAttrs& a, const T* x, T* y, const Extents& image, const Extents& block) {
  const auto axes = static_cast<size_t>(image.rank());
  Extents at;
  for (size_t i = 0; i < axes; ++i)
    at.push_back(positions(a, i, axes, image[static_cast<int>(i)], block[static_cast<int>(i)]).value());
  const Strides image_strides = strides_of(image), at_strides = strides_of(at), block_strides = strides_of(block);
  const int64_t elements = block.count(), count = at.count();
  for (int64_t e = 0; e < elements; ++e) {
    for (int64_t p = 0; p < count; ++p) {
      int64_t to = 0;
      bool inside = true;
      for (size_t d = 0; d < axes; ++d) {
        const int64_t k = e / block_strides[d] % block[static_cast<int>(d)],
                      w = p / at_strides[d] % at[static_cast<int>(d)];
        const int64_t i = w * entry(a.strides, d, 1) + k * entry(a.dilations, d, 1) - entry(a.pads, d, 0);
        inside &= i >= 0 && i < image[static_cast<int>(d)];
        to += i * image_strides[d];
      }
      if (inside) y[to] = reduced(Reduction::kAdd, y[to], x[e * count + p]);
    }
  }
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const auto image_sizes = read_ints(c, 1), block_sizes = read_ints(c, 2);
  const Extents image{image_sizes}, block{block_sizes};
  const int64_t columns = x.extents[2] * block.count(), pixels = image.count();
  for_number(x.dtype, [&]<class T>() {
    c.parallel().run(y.extents[0] * y.extents[1], grain_for(columns * 8), [&](int64_t begin, int64_t end, int) {
      std::fill(y.as<T>() + begin * pixels, y.as<T>() + end * pixels, T{0});
      for (int64_t i = begin; i < end; ++i) {
        sum_channel(c.attrs<Col2ImAttrs>(), x.as<T>() + i * columns, y.as<T>() + i * pixels, image, block);
      }
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Col2Im",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<Col2ImAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .since = 18},
};

}  // namespace

std::span<const Op> col2im_family() { return kFamily; }

}  // namespace sdx::ops
