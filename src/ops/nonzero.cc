// NonZero and Compress: what a condition selects.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

template <class T>
std::vector<int64_t> nonzero_positions(const T* x, int64_t count) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) {
    if (x[i] != T{0}) out.push_back(i);
  }
  return out;
}

std::vector<int64_t> nonzero_positions(const ConstView& x) {
  std::vector<int64_t> out;
  if (is_half(x.dtype)) {
    for (int64_t i = 0; i < x.count(); ++i) {
      if (x.as<uint16_t>()[i] & 0x7FFF) out.push_back(i);
    }
    return out;
  }
  for_number(x.dtype, [&]<class T>() { out = nonzero_positions(x.as<T>(), x.count()); });
  return out;
}

void infer_nonzero(InferContext& c) {
  const DType dtype = c.input(0).dtype;
  if (dtype != DType::kBool && std::ranges::find(kNumbers, dtype) == kNumbers.end()) {
    c.unsupported("NonZero of ", dtype_name(dtype));
  }
  const Shape& shape = c.input(0).shape;
  const Dim rank = shape.has_rank() ? Dim(std::max(1, shape.rank())) : c.symbols().fresh();
  c.set(0, DType::kI64, {rank, c.symbols().fresh()});
}

void run_nonzero(RunContext& c) {
  const ConstView x = c.input(0);
  const std::vector<int64_t> positions = nonzero_positions(x);
  const auto count = static_cast<int64_t>(positions.size());
  const View y = c.allocate_output(0, DType::kI64, {std::max(1, x.rank()), count});
  if (x.rank() == 0) std::fill_n(y.as<int64_t>(), count, int64_t{0});
  const Strides strides = strides_of(x.extents);
  for (int d = 0; d < x.rank(); ++d) {
    for (int64_t i = 0; i < count; ++i) {
      y.as<int64_t>()[d * count + i] =
          positions[static_cast<size_t>(i)] / strides[static_cast<size_t>(d)] % x.extents[d];
    }
  }
}

struct CompressAttrs {
  std::optional<int64_t> axis;
  bool operator==(const CompressAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &CompressAttrs::axis)}; }
};

void infer_compress(InferContext& c) {
  c.require_dtype(1, {DType::kBool});
  c.require_rank(1, 1, 1);
  const Fact& x = c.input(0);
  const auto& axis = c.attrs<CompressAttrs>().axis;
  if (x.dtype != DType::kString && dtype_bits(x.dtype) < 8) c.unsupported("Compress of ", dtype_name(x.dtype));
  if (!axis) return c.set(0, x.dtype, {c.symbols().fresh()});
  c.require_rank(0, 1);
  if (!x.shape.has_rank()) return c.set(0, x.dtype, Shape());
  Shape shape = x.shape;
  shape[c.axis(*axis, x.rank())] = c.symbols().fresh();
  c.set(0, x.dtype, std::move(shape));
}

void run_compress(RunContext& c) {
  const ConstView x = c.input(0);
  const auto& wanted = c.attrs<CompressAttrs>().axis;
  const int axis = !wanted ? 0 : static_cast<int>(*wanted < 0 ? *wanted + x.rank() : *wanted);
  const int64_t n = wanted ? x.extents[axis] : x.count();
  std::vector<int64_t> chosen = nonzero_positions(c.input(1));
  std::erase_if(chosen, [&](int64_t i) { return i >= n; });
  Extents extents = x.extents;
  if (wanted) {
    extents[axis] = static_cast<int64_t>(chosen.size());
  } else {
    extents = {static_cast<int64_t>(chosen.size())};
  }
  const View y = c.allocate_output(0, x.dtype, extents);
  const int64_t inner = wanted ? x.extents.product(axis + 1, x.rank()) : 1;
  const int64_t outer = wanted ? x.extents.product(0, axis) : 1;
  for_width(x.dtype, [&]<class T>() {
    T* to = y.as<T>();
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i : chosen) to = std::copy_n(x.as<T>() + (o * n + i) * inner, inner, to);
    }
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Compress",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<CompressAttrs>,
     .infer = infer_compress,
     .run = run_compress,
     .traits = {.data_dependent = true},
     .since = 9},
    {.domain = "",
     .name = "NonZero",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_nonzero,
     .run = run_nonzero,
     .traits = {.data_dependent = true},
     .since = 9},
};

}  // namespace

std::span<const Op> nonzero_family() { return kFamily; }

}  // namespace sdx::ops
