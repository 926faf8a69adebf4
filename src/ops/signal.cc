// DFT and STFT.
#include <algorithm>

#include "ops/family.h"
#include "ops/fourier.h"

namespace sdx::ops {
namespace {

using Complex = std::complex<double>;

struct SignalAttrs {
  bool inverse = false, onesided = false;
  bool operator==(const SignalAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("inverse", &SignalAttrs::inverse), field("onesided", &SignalAttrs::onesided)};
  }
};

constexpr int64_t kMaxLength = int64_t{1} << 26;

void upgrade_dft(Call& c) {
  if (c.version >= 20) return;
  c.default_attr("axis", int64_t{1});
  c.ints_to_input("axis", 2);
  // The axis is a scalar.
  if (c.inputs.size() > 2 && c.inputs[2] != ir::kNone) {
    c.inputs[2] = c.graph.add_constant("", c.graph.fact(c.inputs[2]).constant.reshaped({}));
  }
}

void upgrade_stft(Call& c) { c.default_attr("onesided", int64_t{1}); }

/// The last axis holds a real number or a real and an imaginary part.
void check_parts(InferContext& c, const Shape& x) {
  if (x.has_rank()) c.require_at_most(1, x[x.rank() - 1], "1 and the parts of a complex number");
  if (x.has_rank()) c.require_at_most(x[x.rank() - 1], 2, "the parts of a complex number and 2");
}

/// The integer of a scalar input: a number, or an expression.
std::optional<Dim> integer(InferContext& c, int input) {
  if (!c.has(input)) return std::nullopt;
  c.require_dtype(input, {DType::kI64, DType::kI32});
  auto values = c.values(input);
  if (values && values->size() != 1) c.invalid("input ", input, " has ", values->size(), " elements but must have 1");
  return values ? std::optional((*values)[0]) : std::nullopt;
}

void infer_dft(InferContext& c) {
  const auto& a = c.attrs<SignalAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF64, DType::kF16, DType::kBF16});
  c.require_rank(0, 2);
  Shape out = c.input(0).shape;
  check_parts(c, out);
  const auto length = integer(c, 1), given_axis = integer(c, 2);
  if (!out.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  const bool to_real = a.inverse && a.onesided;
  if (to_real) c.require_equal(out[out.rank() - 1], 2, "the parts of a complex number and 2");
  out[out.rank() - 1] = to_real ? 1 : 2;
  if (c.has(2) && (!given_axis || !given_axis->known())) {
    return c.set(0, c.input(0).dtype, c.fresh_shape(out.rank()));
  }
  const int axis = c.axis(given_axis ? given_axis->value() : -2, out.rank());
  if (axis == out.rank() - 1) c.invalid("the axis of a DFT must not be the last, which holds real and imaginary parts");
  const Dim natural = to_real ? (out[axis] - 1) * 2 : out[axis];
  const Dim size = c.has(1) ? length.value_or(c.symbols().fresh()) : natural;
  c.require_at_most(1, size, "1 and the length of a DFT");
  c.require_at_most(size, kMaxLength, "the length of a DFT and the most that is supported");
  out[axis] = a.onesided && !to_real ? floor_div(size, 2) + 1 : size;
  c.set(0, c.input(0).dtype, std::move(out));
}

double real_at(const ConstView& x, int64_t i) {
  return x.dtype == DType::kF64 ? x.as<double>()[i] : static_cast<double>(x.as<float>()[i]);
}
void put(const View& y, int64_t i, double v) {
  if (y.dtype == DType::kF64)
    y.as<double>()[i] = v;
  else
    y.as<float>()[i] = static_cast<float>(v);
}

int64_t integer_at(const RunContext& c, int input) {
  const ConstView v = c.input(input);
  return v.dtype == DType::kI64 ? *v.as<int64_t>() : *v.as<int32_t>();
}

void run_dft(RunContext& c) {
  if (widened(c, run_dft)) return;
  const auto& a = c.attrs<SignalAttrs>();
  const ConstView x = c.input(0);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int64_t given = c.has_input(2) ? integer_at(c, 2) : -2;
  const int rank = x.rank(), axis = static_cast<int>(given < 0 ? given + rank : given);
  const int64_t parts = x.extents.back(), have = x.extents[axis], bins = y.extents[axis];
  const bool to_real = a.inverse && a.onesided;
  const int64_t n = c.has_input(1) ? integer_at(c, 1) : to_real ? bins : have;
  const int64_t inner = x.extents.product(axis + 1, rank - 1), outer = x.extents.product(0, axis);
  const Fourier fourier(n, a.inverse);
  const double scale = a.inverse ? 1 / static_cast<double>(n) : 1;
  auto* scratch = c.scratch<Complex>(2 * n * c.parallel().threads());
  c.parallel().run(outer * inner, grain_for(n * 20), [&](int64_t begin, int64_t end, int worker) {
    Complex *in = scratch + worker * 2 * n, *out = in + n;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = ((i / inner * have + j) * inner + i % inner) * parts;
        in[j] = j < have ? Complex(real_at(x, at), parts == 2 ? real_at(x, at + 1) : 0) : Complex();
      }
      for (int64_t j = n / 2 + 1; to_real && j < n; ++j) in[j] = std::conj(in[n - j]);
      fourier.transform(in, out);
      for (int64_t j = 0; j < bins; ++j) {
        const int64_t at = (i / inner * bins + j) * inner + i % inner;
        put(y, to_real ? at : 2 * at, out[j].real() * scale);
        if (!to_real) put(y, 2 * at + 1, out[j].imag() * scale);
      }
    }
  });
}

constexpr int kSignal = 0, kStep = 1, kWindow = 2, kLength = 3;

void infer_stft(InferContext& c) {
  c.require_dtype(kSignal, {DType::kF32, DType::kF64, DType::kF16, DType::kBF16});
  c.require_rank(kSignal, 2, 3);
  const Shape& x = c.input(kSignal).shape;
  if (x.has_rank() && x.rank() == 3) check_parts(c, x);
  const auto step = integer(c, kStep), given = integer(c, kLength);
  Dim length = given.value_or(c.symbols().fresh());
  if (c.has(kWindow)) {
    c.require_same_dtype(kSignal, kWindow);
    c.require_rank(kWindow, 1, 1);
    const Shape& w = c.input(kWindow).shape;
    if (w.has_rank() && given) c.require_equal(w[0], *given, "the lengths of the window and a frame");
    if (w.has_rank()) length = w[0];
  } else if (!c.has(kLength)) {
    c.invalid("STFT needs a window or a frame length");
  }
  if (step) c.require_at_most(1, *step, "1 and the step between frames");
  c.require_at_most(1, length, "1 and the length of a frame");
  c.require_at_most(length, kMaxLength, "the length of a frame and the most that is supported");
  Shape out = c.fresh_shape(4);
  out[3] = 2;
  out[2] = c.attrs<SignalAttrs>().onesided ? floor_div(length, 2) + 1 : length;
  if (x.has_rank()) {
    out[0] = x[0];
    c.require_at_most(length, x[1], "the lengths of a frame and the signal");
    if (step) out[1] = floor_div(x[1] - length, *step) + 1;
  }
  c.set(0, c.input(kSignal).dtype, std::move(out));
}

void run_stft(RunContext& c) {
  if (widened(c, run_stft)) return;
  const ConstView x = c.input(kSignal);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int64_t n = c.has_input(kWindow) ? c.input(kWindow).count() : integer_at(c, kLength),
                step = integer_at(c, kStep);
  const int64_t parts = x.rank() == 3 ? x.extents[2] : 1, frames = y.extents[1], bins = y.extents[2];
  const Fourier fourier(n, false);
  auto* scratch = c.scratch<Complex>(2 * n * c.parallel().threads());
  c.parallel().run(x.extents[0] * frames, grain_for(n * 20), [&](int64_t begin, int64_t end, int worker) {
    Complex *in = scratch + worker * 2 * n, *out = in + n;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / frames * x.extents[1] + i % frames * step;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = (first + j) * parts;
        in[j] = Complex(real_at(x, at), parts == 2 ? real_at(x, at + 1) : 0);
        if (c.has_input(kWindow)) in[j] *= real_at(c.input(kWindow), j);
      }
      fourier.transform(in, out);
      for (int64_t j = 0; j < bins; ++j) {
        put(y, (i * bins + j) * 2, out[j].real());
        put(y, (i * bins + j) * 2 + 1, out[j].imag());
      }
    }
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "DFT",
     .inputs = {1, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<SignalAttrs>,
     .infer = infer_dft,
     .run = run_dft,
     .accuracy = Accuracy::kAccumulated,
     .since = 17,
     .upgrade = upgrade_dft},
    {.domain = "",
     .name = "STFT",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<SignalAttrs>,
     .infer = infer_stft,
     .run = run_stft,
     .accuracy = Accuracy::kAccumulated,
     .since = 17,
     .upgrade = upgrade_stft},
};

}  // namespace

std::span<const Op> signal_family() { return kFamily; }

}  // namespace sdx::ops
