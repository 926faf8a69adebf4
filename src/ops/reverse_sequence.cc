// ReverseSequence: the first elements of each sequence of a batch in reverse order.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct ReverseAttrs {
  int64_t batch_axis = 1;
  int64_t time_axis = 0;
  bool operator==(const ReverseAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("batch_axis", &ReverseAttrs::batch_axis), field("time_axis", &ReverseAttrs::time_axis)};
  }
};

void infer(InferContext& c) {
  const auto& a = c.attrs<ReverseAttrs>();
  if (std::min(a.batch_axis, a.time_axis) != 0 || std::max(a.batch_axis, a.time_axis) != 1) {
    c.invalid("attributes 'batch_axis' and 'time_axis' are ", a.batch_axis, " and ", a.time_axis,
              " but must be 0 and 1");
  }
  c.require_rank(0, 2);
  c.require_rank(1, 1, 1);
  c.require_dtype(1, {DType::kI64});
  if (c.input(0).shape.has_rank() && c.input(1).shape.has_rank()) {
    c.require_equal(c.input(1).shape[0], c.input(0).shape[static_cast<int>(a.batch_axis)], "the lengths and the batch");
  }
  infer_same_as_input(c);
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const int time_axis = static_cast<int>(c.attrs<ReverseAttrs>().time_axis);
  const int64_t steps = x.extents[time_axis], batch = x.extents[1 - time_axis];
  const int64_t inner = x.extents.product(2, x.rank());
  const int64_t* lengths = c.input(1).as<int64_t>();
  for (int64_t b = 0; b < batch; ++b) {
    if (lengths[b] < 0 || lengths[b] > steps) {
      fail(ErrorKind::kInvalidInput, "the length ", lengths[b], " of a sequence must be in [0, ", steps, "]");
    }
  }
  const int64_t step_stride = time_axis == 0 ? batch * inner : inner,
                batch_stride = time_axis == 0 ? inner : steps * inner;
  for_width(x.dtype, [&]<class T>() {
    c.parallel().run(batch, grain_for(steps * inner), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin * steps; i < end * steps; ++i) {
        const int64_t b = i / steps, t = i % steps, from = t < lengths[b] ? lengths[b] - 1 - t : t;
        std::copy_n(x.as<T>() + b * batch_stride + from * step_stride, inner,
                    y.as<T>() + b * batch_stride + t * step_stride);
      }
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "ReverseSequence",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<ReverseAttrs>,
     .infer = infer,
     .run = run,
     .since = 10},
};

}  // namespace

std::span<const Op> reverse_sequence_family() { return kFamily; }

}  // namespace sdx::ops
