// LayerNormalization, RMSNormalization and SimplifiedLayerNormalization (the same without bias, by another name).
#include <algorithm>

#include "kernels/norm.h"
#include "ops/broadcast_copy.h"
#include "ops/family.h"
#include "ops/normalise.h"

namespace sdx::ops {
namespace {

struct LayerNormAttrs {
  int64_t axis = -1;
  float epsilon = 1e-5f;
  DType stash_type = DType::kF32;
  bool operator==(const LayerNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &LayerNormAttrs::axis), field("epsilon", &LayerNormAttrs::epsilon),
                      field("stash_type", &LayerNormAttrs::stash_type)};
  }
};

/// Outputs after the first hold one number for each normalised row: the mean (where centred), then 1 / deviation.
void infer(InferContext& c) {
  c.require_dtype(0, kFloats);
  const Shape& x = c.input(0).shape;
  const auto& a = c.attrs<LayerNormAttrs>();
  if (a.stash_type != DType::kF32 && a.stash_type != DType::kF64) {
    c.unsupported("attribute 'stash_type' is ", dtype_name(a.stash_type), " but must be float32 or float64");
  }
  for (int i = 1; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    c.require_dtype(i, kFloats);
    if ((c.input(i).dtype == DType::kF64) != (c.input(0).dtype == DType::kF64)) c.require_same_dtype(0, i);
    require_broadcasts_to(c, c.input(i).shape, x, "the scale or bias");
  }
  Shape rows;
  if (x.has_rank()) {
    c.require_rank(0, 1);
    const int axis = c.axis(a.axis, x.rank());
    rows = x;
    for (int i = axis; i < x.rank(); ++i) rows[i] = 1;
  }
  c.set(0, c.input(1).dtype, x);
  for (int i = 1; i < c.output_count(); ++i) c.set(i, a.stash_type, rows);
}

/// A scale or bias, one row for all or (row_stride n) one for each.
template <class T>
struct RowParameter {
  const T* data = nullptr;
  int64_t row_stride = 0;
  const T* row(int64_t i) const { return data ? data + i * row_stride : nullptr; }
};

template <class T>
RowParameter<T> row_parameter(RunContext& c, int i, const Extents& x, int axis) {
  if (!c.has_input(i)) return {};
  const ConstView view = c.input(i);
  const int64_t n = x.product(axis, x.rank());
  const bool one_row = view.count() == n && (view.rank() <= x.rank() - axis ||
                                             view.extents.product(0, view.rank() - (x.rank() - axis)) == 1);
  if (one_row) return {view.as<T>(), 0};
  T* full = c.scratch<T>(x.count());
  broadcast_copy(view, x, full);
  return {full, n};
}

template <class T, bool kCentred>
void run_typed(RunContext& c) {
  const auto& a = c.attrs<LayerNormAttrs>();
  const ConstView x = c.input(0);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const int64_t rows = x.extents.product(0, axis), n = x.extents.product(axis, x.rank());
  const auto scale = row_parameter<T>(c, 1, x.extents, axis), bias = row_parameter<T>(c, 2, x.extents, axis);
  auto stash = [&](int output, int64_t row, double value) {
    if (!c.wants(output)) return;
    if (c.output(output).dtype == DType::kF64)
      c.output(output).as<double>()[row] = value;
    else
      c.output(output).as<float>()[row] = static_cast<float>(value);
  };
  c.parallel().run(rows, grain_for(n * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const Moments m = moments(x.as<T>() + i * n, n, static_cast<double>(a.epsilon), kCentred);
      scale_row(x.as<T>() + i * n, n, m, scale.row(i), bias.row(i), c.output(0).as<T>() + i * n);
      if (kCentred) stash(1, i, m.mean);
      stash(kCentred ? 2 : 1, i, m.inverse);
    }
  });
}

/// The common case: float32, one row of scales, statistics in float32 where asked for.
template <bool kCentred>
bool run_rows(RunContext& c) {
  const auto& a = c.attrs<LayerNormAttrs>();
  const ConstView x = c.input(0);
  if (x.dtype != DType::kF32) return false;
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const int64_t rows = x.extents.product(0, axis), n = x.extents.product(axis, x.rank());
  for (int i = 1; i < c.output_count(); ++i) {
    if (c.wants(i) && c.output(i).dtype != DType::kF32) return false;
  }
  const auto scale = row_parameter<float>(c, 1, x.extents, axis), shift = row_parameter<float>(c, 2, x.extents, axis);
  if (scale.row_stride != 0 || shift.row_stride != 0) return false;
  kernels::NormRows norm{.scale = scale.data, .shift = shift.data, .epsilon = a.epsilon};
  auto stash = [&](int i) { return c.wants(i) ? c.output(i).as<float>() : nullptr; };
  if (kCentred) norm.mean = stash(1);
  norm.inverse = stash(kCentred ? 2 : 1);
  c.parallel().run(rows, grain_for(n * 4), [&](int64_t begin, int64_t end, int) {
    const auto run = kCentred ? kernels::layer_norm_rows : kernels::rms_norm_rows;
    run(x.as<float>(), c.output(0).as<float>(), n, norm, begin, end);
  });
  return true;
}

template <bool kCentred>
void run(RunContext& c) {
  if (widened(c, run<kCentred>)) return;
  if (c.output(0).count() == 0) return;
  if (run_rows<kCentred>(c)) return;
  if (c.input(0).dtype == DType::kF64) return run_typed<double, kCentred>(c);
  run_typed<float, kCentred>(c);
}

constexpr Traits kTraits = {.row_local = true, .in_place = 1};

constexpr Op simplified(std::string_view domain) {
  return {.domain = domain,
          .name = "SimplifiedLayerNormalization",
          .inputs = {2, 2},
          .outputs = {1, 2},
          .parse = Attrs::parse<LayerNormAttrs>,
          .infer = infer,
          .run = run<false>,
          .traits = kTraits,
          .accuracy = Accuracy::kFunction};
}

const Op kFamily[] = {
    {.domain = "",
     .name = "LayerNormalization",
     .inputs = {2, 3},
     .outputs = {1, 3},
     .parse = Attrs::parse<LayerNormAttrs>,
     .infer = infer,
     .run = run<true>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction},
    {.domain = "",
     .name = "RMSNormalization",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<LayerNormAttrs>,
     .infer = infer,
     .run = run<false>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction,
     .since = 23},
    simplified(""),
    simplified(kMicrosoft),
};

}  // namespace

std::span<const Op> layer_norm_family() { return kFamily; }

}  // namespace sdx::ops
