// Trilu and EyeLike: triangles and diagonals of matrices.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct TriluAttrs {
  bool upper = true;
  bool operator==(const TriluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("upper", &TriluAttrs::upper)}; }
};

void run_trilu(RunContext& c) {
  if (unpacked(c, run_trilu)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int64_t rows = x.extents[x.rank() - 2], columns = x.extents[x.rank() - 1];
  const bool upper = c.attrs<TriluAttrs>().upper;
  const int64_t k = c.has_input(1) ? std::clamp(*c.input(1).as<int64_t>(), -rows, columns) : 0;
  for_width(x.dtype, [&]<class T>() {
    c.parallel().run(x.count() / columns, grain_for(columns), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const T* from = x.as<T>() + i * columns;
        T* to = y.as<T>() + i * columns;
        const int64_t edge = std::clamp<int64_t>(i % rows + k + !upper, 0, columns);
        if (from != to) std::copy_n(from, columns, to);
        std::fill(upper ? to : to + edge, upper ? to + edge : to + columns, T());
      }
    });
  });
}

void infer_trilu(InferContext& c) {
  c.require_rank(0, 2);
  if (c.has(1)) {
    c.require_dtype(1, {DType::kI64});
    if (c.input(1).shape.has_rank()) c.require_equal(c.input(1).shape.count(), 1, "the elements of 'k', and 1,");
  }
  infer_same_as_input(c);
  move_values(c, 1, run_trilu);
}

struct EyeAttrs {
  DType dtype = DType::kUndefined;
  int64_t k = 0;
  bool operator==(const EyeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("dtype", &EyeAttrs::dtype), field("k", &EyeAttrs::k)}; }
};

/// The bits of 1 in a type.
uint64_t one(DType dtype) {
  switch (dtype) {
    case DType::kF32: return 0x3F800000;
    case DType::kF64: return 0x3FF0000000000000;
    case DType::kF16: return 0x3C00;
    case DType::kBF16: return 0x3F80;
    default: return 1;
  }
}

void run_eye(RunContext& c) {
  const View y = c.output(0);
  const int64_t rows = y.extents[0], columns = y.extents[1];
  const int64_t k = std::clamp(c.attrs<EyeAttrs>().k, -rows, columns);
  for_width(y.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      std::fill_n(y.as<T>(), y.count(), T{0});
      for (int64_t i = std::max<int64_t>(0, -k); i < std::min(rows, columns - k); ++i) {
        y.as<T>()[i * columns + i + k] = static_cast<T>(one(y.dtype));
      }
    }
  });
}

void infer_eye(InferContext& c) {
  c.require_rank(0, 2, 2);
  const DType wanted = c.attrs<EyeAttrs>().dtype;
  const DType dtype = wanted == DType::kUndefined ? c.input(0).dtype : wanted;
  if (dtype != DType::kBool && std::ranges::find(kNumbers, dtype) == kNumbers.end()) {
    c.unsupported("EyeLike of ", dtype_name(dtype));
  }
  c.set(0, dtype, c.input(0).shape.has_rank() ? c.input(0).shape : c.fresh_shape(2));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "EyeLike",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<EyeAttrs>,
     .infer = infer_eye,
     .run = run_eye,
     .traits = {.shape_only = 1},
     .since = 9},
    {.domain = "",
     .name = "Trilu",
     .inputs = {1, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<TriluAttrs>,
     .infer = infer_trilu,
     .run = run_trilu,
     .traits = {.in_place = 1},
     .since = 14},
    {.domain = "com.microsoft",
     .name = "Trilu",
     .inputs = {1, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<TriluAttrs>,
     .infer = infer_trilu,
     .run = run_trilu,
     .traits = {.in_place = 1}},
};

}  // namespace

std::span<const Op> trilu_family() { return kFamily; }

}  // namespace sdx::ops
