// HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix: the constants of spectral features.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/half.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct SpectralAttrs {
  DType output_datatype = DType::kF32;
  bool periodic = true;
  bool operator==(const SpectralAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("output_datatype", &SpectralAttrs::output_datatype),
                      field("periodic", &SpectralAttrs::periodic)};
  }
};

constexpr int64_t kMaxSize = int64_t{1} << 31;

DType output_type(InferContext& c) {
  const DType type = c.attrs<SpectralAttrs>().output_datatype;
  if (std::ranges::find(kNumbers, type) == kNumbers.end()) c.unsupported("output_datatype ", dtype_name(type));
  return type;
}

/// The integer of a scalar input, or a fresh symbol; at least 0.
Dim size_of(InferContext& c, int input) {
  c.require_dtype(input, {DType::kI64, DType::kI32});
  auto values = c.values(input);
  if (values && values->size() != 1) c.invalid("input ", input, " has ", values->size(), " elements but must have 1");
  const Dim size = values ? (*values)[0] : c.symbols().fresh();
  c.require_at_most(0, size, "0 and a size");
  c.require_at_most(size, kMaxSize, "a size and the most that is supported");
  return size;
}

void put(const View& y, int64_t i, double v) {
  switch (y.dtype) {
    case DType::kF32: y.as<float>()[i] = static_cast<float>(v); break;
    case DType::kF64: y.as<double>()[i] = v; break;
    case DType::kF16: y.as<Half>()[i] = to_half(static_cast<float>(v)); break;
    case DType::kBF16: y.as<BFloat16>()[i] = to_bfloat16(static_cast<float>(v)); break;
    case DType::kI64:
    case DType::kU64: y.as<int64_t>()[i] = static_cast<int64_t>(v); break;
    case DType::kI32:
    case DType::kU32: y.as<int32_t>()[i] = static_cast<int32_t>(v); break;
    case DType::kI16:
    case DType::kU16: y.as<int16_t>()[i] = static_cast<int16_t>(v); break;
    default: y.as<int8_t>()[i] = static_cast<int8_t>(v);
  }
}

void infer_window(InferContext& c) { c.set(0, output_type(c), Shape({size_of(c, 0)})); }

/// a - b cos(2 pi i / n) + d cos(4 pi i / n), for i = 0, 1, …
void fill_window(RunContext& c, double a, double b, double d) {
  const View y = c.output(0);
  const int64_t count = y.count(), n = c.attrs<SpectralAttrs>().periodic ? count : count - 1;
  for (int64_t i = 0; i < count; ++i) {
    const double angle = n == 0 ? 0 : 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
    put(y, i, a - b * std::cos(angle) + d * std::cos(2 * angle));
  }
}

void run_hann(RunContext& c) { fill_window(c, 0.5, 0.5, 0); }
void run_hamming(RunContext& c) { fill_window(c, 25.0 / 46, 21.0 / 46, 0); }
void run_blackman(RunContext& c) { fill_window(c, 0.42, 0.5, 0.08); }

constexpr int kBins = 0, kLength = 1, kRate = 2, kLower = 3, kUpper = 4;

void infer_mel(InferContext& c) {
  const Dim bins = size_of(c, kBins), length = size_of(c, kLength);
  c.require_at_most(1, size_of(c, kRate), "1 and the sample rate");
  for (int i : {kLower, kUpper}) {
    c.require_dtype(i, kFloats);
    if (c.input(i).shape.has_rank())
      c.require_equal(c.input(i).shape.count(), 1, "the elements of an edge frequency and 1");
  }
  c.set(0, output_type(c), Shape({floor_div(length, 2) + 1, bins}));
}

double number(const ConstView& v) {
  switch (v.dtype) {
    case DType::kF64: return *v.as<double>();
    case DType::kF32: return static_cast<double>(*v.as<float>());
    case DType::kF16: return static_cast<double>(to_float(*v.as<Half>()));
    case DType::kBF16: return static_cast<double>(to_float(*v.as<BFloat16>()));
    case DType::kI32: return *v.as<int32_t>();
    default: return static_cast<double>(*v.as<int64_t>());
  }
}

/// Triangles whose corners are equally far apart in mel (operator MelWeightMatrix, and its reference for the rounding).
void run_mel(RunContext& c) {
  const View y = c.output(0);
  const int64_t rows = y.extents[0], bins = y.extents[1];
  const double length = number(c.input(kLength)), rate = number(c.input(kRate));
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(number(c.input(kLower))), high = mel(number(c.input(kUpper)));
  auto corner = [&](int64_t i) {
    const double at = low + static_cast<double>(i) * (high - low) / static_cast<double>(bins + 2);
    const double hertz = 700 * (std::pow(10.0, at / 2595) - 1);
    const double bin = std::floor((length + 1) * hertz / rate);
    return bin >= 0 && bin < static_cast<double>(rows) ? static_cast<int64_t>(bin) : bin < 0 ? int64_t{-1} : rows;
  };
  for (int64_t i = 0; i < y.count(); ++i) put(y, i, 0);
  auto set = [&](int64_t row, int64_t bin, int64_t over, int64_t under) {
    if (row >= 0 && row < rows) put(y, row * bins + bin, static_cast<double>(over) / static_cast<double>(under));
  };
  for (int64_t bin = 0; bin < bins; ++bin) {
    const int64_t first = corner(bin), centre = corner(bin + 1), last = corner(bin + 2);
    if (first == centre) set(centre, bin, 1, 1);
    for (int64_t row = first; first < centre && row <= centre; ++row) set(row, bin, row - first, centre - first);
    for (int64_t row = centre; row < last; ++row) set(row, bin, last - row, last - centre);
  }
}

constexpr Op window(std::string_view name, void (*run)(RunContext&)) {
  return {.domain = "",
          .name = name,
          .inputs = {1, 1},
          .outputs = {1, 1},
          .parse = Attrs::parse<SpectralAttrs>,
          .infer = infer_window,
          .run = run,
          .traits = {.shape_only = 1},
          .accuracy = Accuracy::kFunction,
          .since = 17};
}

const Op kFamily[] = {
    window("HannWindow", run_hann),
    window("HammingWindow", run_hamming),
    window("BlackmanWindow", run_blackman),
    {.domain = "",
     .name = "MelWeightMatrix",
     .inputs = {5, 5},
     .outputs = {1, 1},
     .parse = Attrs::parse<SpectralAttrs>,
     .infer = infer_mel,
     .run = run_mel,
     .accuracy = Accuracy::kFunction,
     .since = 17},
};

}  // namespace

std::span<const Op> spectral_family() { return kFamily; }

}  // namespace sdx::ops
