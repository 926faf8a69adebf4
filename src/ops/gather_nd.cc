// GatherND: slices picked by tuples of indices.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct GatherNdAttrs {
  int64_t batch_dims = 0;
  bool operator==(const GatherNdAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("batch_dims", &GatherNdAttrs::batch_dims)}; }
};

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const ConstView x = c.input(0), indices = c.input(1);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int batch_dims = static_cast<int>(c.attrs<GatherNdAttrs>().batch_dims);
  const int tuple = static_cast<int>(indices.extents.back());
  const int64_t batches = x.extents.product(0, batch_dims);
  const int64_t batch = x.extents.product(batch_dims, x.rank());
  const int64_t inner = x.extents.product(batch_dims + tuple, x.rank());
  Extents axes;
  for (int i = 0; i < tuple; ++i) axes.push_back(x.extents[batch_dims + i]);
  const int64_t count = y.count() / inner;
  const int64_t* offset = read_tuples(c, indices, count, axes);
  const int64_t each = count / batches;
  for_width(x.dtype, [&]<class T>() {
    c.parallel().run(count, grain_for(inner), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(x.as<T>() + i / each * batch + offset[i] * inner, inner, y.as<T>() + i * inner);
      }
    });
  });
}

void infer(InferContext& c) {
  require_indices(c, 1);
  c.require_rank(0, 1);
  c.require_rank(1, 1);
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape;
  const int64_t batch_dims = c.attrs<GatherNdAttrs>().batch_dims;
  if (batch_dims < 0) c.invalid("attribute 'batch_dims' is ", batch_dims, " but must be >= 0");
  if (!x.has_rank() || !indices.has_rank() || !indices[indices.rank() - 1].known()) {
    return c.set(0, c.input(0).dtype, Shape());
  }
  const int64_t tuple = indices[indices.rank() - 1].value();
  if (batch_dims >= indices.rank() || tuple > x.rank() - batch_dims) {
    c.invalid("indices of shape ", indices.text(), " do not pick from shape ", x.text(), " with ", batch_dims,
              " batch dimensions");
  }
  for (int i = 0; i < batch_dims; ++i) c.require_equal(x[i], indices[i], "the batch sizes of data and indices");
  std::vector<Dim> out(indices.dims().begin(), indices.dims().end() - 1);
  out.insert(out.end(), x.dims().begin() + batch_dims + tuple, x.dims().end());
  c.set(0, c.input(0).dtype, std::move(out));
  move_values(c, 1, run);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "GatherND",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GatherNdAttrs>,
     .infer = infer,
     .run = run,
     .since = 11},
    {.domain = "com.microsoft",
     .name = "GatherND",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GatherNdAttrs>,
     .infer = infer,
     .run = run},
};

}  // namespace

std::span<const Op> gather_nd_family() { return kFamily; }

}  // namespace sdx::ops
