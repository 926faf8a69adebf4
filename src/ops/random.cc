// The operators that sample: RandomNormal, RandomUniform, their *Like forms, Bernoulli and Multinomial.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct RandomAttrs {
  DType dtype = DType::kUndefined;
  std::optional<float> seed;
  float mean = 0, scale = 1;
  float low = 0, high = 1;
  std::vector<int64_t> shape;
  int64_t sample_size = 1;
  bool operator==(const RandomAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("dtype", &RandomAttrs::dtype), field("seed", &RandomAttrs::seed),
                      field("mean", &RandomAttrs::mean),   field("scale", &RandomAttrs::scale),
                      field("low", &RandomAttrs::low),     field("high", &RandomAttrs::high),
                      field("shape", &RandomAttrs::shape), field("sample_size", &RandomAttrs::sample_size)};
  }
};

DType sampled_type(InferContext& c, DType otherwise) {
  const DType asked = c.attrs<RandomAttrs>().dtype;
  const DType type = asked == DType::kUndefined ? otherwise : asked;
  if (std::ranges::find(kFloats, type) == kFloats.end()) {
    c.unsupported("samples of type ", dtype_name(type), "; float32, float64, float16 and bfloat16 are supported");
  }
  return type;
}

void infer_shape(InferContext& c) {
  std::vector<Dim> shape;
  for (int64_t size : c.attrs<RandomAttrs>().shape) {
    if (size < 0) c.invalid("attribute 'shape' has the size ", size, " but sizes must be >= 0");
    shape.push_back(size);
  }
  c.set(0, sampled_type(c, DType::kF32), std::move(shape));
}

void infer_like(InferContext& c) { c.set(0, sampled_type(c, c.input(0).dtype), c.input(0).shape); }

/// Calls use(generator) with the generator of the run, or with one of its own where the model fixes the seed.
template <class F>
void with_generator(RunContext& c, F use) {
  const auto& seed = c.attrs<RandomAttrs>().seed;
  if (!seed) return use(c.host().random());
  std::mt19937_64 own(std::bit_cast<uint32_t>(*seed));
  use(own);
}

template <class F>
void fill(const View& y, F sample) {
  const int64_t n = y.count();
  switch (y.dtype) {
    case DType::kF64: std::generate_n(y.as<double>(), n, sample); break;
    case DType::kF16: std::generate_n(y.as<Half>(), n, [&] { return to_half(static_cast<float>(sample())); }); break;
    case DType::kBF16:
      std::generate_n(y.as<BFloat16>(), n, [&] { return to_bfloat16(static_cast<float>(sample())); });
      break;
    default: std::generate_n(y.as<float>(), n, [&] { return static_cast<float>(sample()); });
  }
}

void run_normal(RunContext& c) {
  const auto& a = c.attrs<RandomAttrs>();
  with_generator(c, [&](std::mt19937_64& random) {
    std::normal_distribution<double> normal;
    fill(c.output(0), [&] { return static_cast<double>(a.mean) + static_cast<double>(a.scale) * normal(random); });
  });
}

/// In [0, 1), from the upper 53 bits.
double unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

void run_uniform(RunContext& c) {
  const auto& a = c.attrs<RandomAttrs>();
  const auto low = static_cast<double>(a.low), range = static_cast<double>(a.high) - low;
  with_generator(c, [&](std::mt19937_64& random) { fill(c.output(0), [&] { return low + range * unit(random); }); });
}

void infer_bernoulli(InferContext& c) {
  c.require_dtype(0, kFloats);
  const DType asked = c.attrs<RandomAttrs>().dtype;
  const DType type = asked == DType::kUndefined ? c.input(0).dtype : asked;
  if (type != DType::kBool && std::ranges::find(kNumbers, type) == kNumbers.end()) {
    c.unsupported("samples of type ", dtype_name(type), "; numbers and bool are supported");
  }
  c.set(0, type, c.input(0).shape);
}

/// Writes 0 or 1 as any number type or bool.
void put_bit(const View& y, int64_t i, bool bit) {
  switch (y.dtype) {
    case DType::kF32: y.as<float>()[i] = bit; break;
    case DType::kF64: y.as<double>()[i] = bit; break;
    case DType::kF16: y.as<Half>()[i] = to_half(bit ? 1.0f : 0.0f); break;
    case DType::kBF16: y.as<BFloat16>()[i] = to_bfloat16(bit ? 1.0f : 0.0f); break;
    case DType::kI64:
    case DType::kU64: y.as<uint64_t>()[i] = bit; break;
    case DType::kI32:
    case DType::kU32: y.as<uint32_t>()[i] = bit; break;
    case DType::kI16:
    case DType::kU16: y.as<uint16_t>()[i] = bit; break;
    default: y.as<uint8_t>()[i] = bit;
  }
}

double element(const ConstView& x, int64_t i) {
  switch (x.dtype) {
    case DType::kF64: return x.as<double>()[i];
    case DType::kF16: return static_cast<double>(to_float(x.as<Half>()[i]));
    case DType::kBF16: return static_cast<double>(to_float(x.as<BFloat16>()[i]));
    default: return static_cast<double>(x.as<float>()[i]);
  }
}

void run_bernoulli(RunContext& c) {
  with_generator(c, [&](std::mt19937_64& random) {
    for (int64_t i = 0; i < c.output(0).count(); ++i) {
      put_bit(c.output(0), i, unit(random) < element(c.input(0), i));
    }
  });
}

void infer_multinomial(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 2, 2);
  const auto& a = c.attrs<RandomAttrs>();
  if (a.sample_size < 1) c.invalid("attribute 'sample_size' is ", a.sample_size, " but must be at least 1");
  const DType type = a.dtype == DType::kUndefined ? DType::kI32 : a.dtype;
  if (type != DType::kI32 && type != DType::kI64) c.invalid("attribute 'dtype' must be int32 or int64");
  const Shape& x = c.input(0).shape;
  if (x.has_rank()) c.require_at_most(1, x[1], "at least one class");
  c.set(0, type, Shape({x.has_rank() ? x[0] : c.symbols().fresh(), a.sample_size}));
}

/// Inverts the cumulative distribution of exp(logits).
void run_multinomial(RunContext& c) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const int64_t classes = x.extents[1], samples = y.extents[1];
  double* cumulative = c.scratch<double>(classes);
  with_generator(c, [&](std::mt19937_64& random) {
    for (int64_t row = 0; row < x.extents[0]; ++row) {
      double largest = -INFINITY, total = 0;
      for (int64_t j = 0; j < classes; ++j) largest = std::max(largest, element(x, row * classes + j));
      for (int64_t j = 0; j < classes; ++j) cumulative[j] = total += std::exp(element(x, row * classes + j) - largest);
      for (int64_t s = 0; s < samples; ++s) {
        const int64_t found = std::upper_bound(cumulative, cumulative + classes, unit(random) * total) - cumulative;
        const int64_t chosen = std::min(found, classes - 1), at = row * samples + s;
        if (y.dtype == DType::kI64)
          y.as<int64_t>()[at] = chosen;
        else
          y.as<int32_t>()[at] = static_cast<int32_t>(chosen);
      }
    }
  });
}

constexpr Traits kSource = {.impure = true};
constexpr Traits kLike = {.impure = true, .shape_only = 1};

const Op kFamily[] = {
    {.domain = "",
     .name = "RandomNormal",
     .inputs = {0, 0},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_shape,
     .run = run_normal,
     .traits = kSource},
    {.domain = "",
     .name = "RandomUniform",
     .inputs = {0, 0},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_shape,
     .run = run_uniform,
     .traits = kSource},
    {.domain = "",
     .name = "RandomNormalLike",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_like,
     .run = run_normal,
     .traits = kLike},
    {.domain = "",
     .name = "RandomUniformLike",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_like,
     .run = run_uniform,
     .traits = kLike},
    {.domain = "",
     .name = "Bernoulli",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_bernoulli,
     .run = run_bernoulli,
     .traits = kSource,
     .since = 15},
    {.domain = "",
     .name = "Multinomial",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<RandomAttrs>,
     .infer = infer_multinomial,
     .run = run_multinomial,
     .traits = kSource,
     .since = 7},
};

}  // namespace

std::span<const Op> random_family() { return kFamily; }

}  // namespace sdx::ops
