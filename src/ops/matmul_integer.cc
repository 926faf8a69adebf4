// MatMulInteger and QLinearMatMul: products of bytes, exact in 32 bits.
#include <algorithm>
#include <cmath>

#include "ops/broadcast_copy.h"
#include "ops/family.h"
#include "ops/int8_product.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

constexpr std::array kBytes = {DType::kU8, DType::kI8};

/// The shape of a product of a [..., m, k] and b [..., k, n], vectors included, as in MatMul.
Shape product_shape(InferContext& c, const Shape& a, const Shape& b) {
  if (!a.has_rank() || !b.has_rank()) return Shape();
  if (a.rank() == 0 || b.rank() == 0) c.invalid("shapes ", a.text(), " and ", b.text(), " have no matrix product");
  const Dim inner = b.rank() == 1 ? b[0] : b[b.rank() - 2];
  c.require_equal(a[a.rank() - 1], inner, "the inner sizes of a matrix product");
  auto batch = [](const Shape& s) {
    return Shape(std::vector<Dim>(s.dims().begin(), s.dims().end() - std::min(2, s.rank())));
  };
  Shape out = c.broadcast(batch(a), batch(b));
  if (a.rank() > 1) out.push_back(a[a.rank() - 2]);
  if (b.rank() > 1) out.push_back(b[b.rank() - 1]);
  return out;
}

/// A zero point or scale: one, or one for each row of a, or each column of b.
void check_parameter(InferContext& c, int input, int matrix, bool rows) {
  if (!c.has(input)) return;
  const Shape &p = c.input(input).shape, &m = c.input(matrix).shape;
  c.require_rank(input, 0, 1);
  c.require_rank(matrix, 1);
  if (!p.has_rank() || p.rank() == 0 || !m.has_rank()) return;
  const Dim size = m.rank() == 1 ? Dim(1) : m[m.rank() - (rows ? 2 : 1)];
  require_broadcasts_to(c, p, Shape({size}), "a zero point or scale of a product");
}

void infer_integer(InferContext& c) {
  c.require_dtype(0, kBytes);
  c.require_dtype(1, kBytes);
  if (c.has(2)) c.require_same_dtype(0, 2);
  if (c.has(3)) c.require_same_dtype(1, 3);
  check_parameter(c, 2, 0, true);
  check_parameter(c, 3, 1, false);
  c.set(0, DType::kI32, product_shape(c, c.input(0).shape, c.input(1).shape));
}

kernels::ZeroPoints zero_points(const RunContext& c, int input) {
  if (!c.has_input(input)) return {};
  return {c.input(input).data, c.input(input).count() == 1 ? 0 : 1};
}

/// All products of a batch into `y` [batch, m, n].
void multiply(RunContext& c, int a_input, int b_input, int a_zero, int b_zero, int32_t* y) {
  const ConstView a = c.input(a_input), b = c.input(b_input);
  ByteProduct p;
  p.m = a.rank() == 1 ? 1 : a.extents[a.rank() - 2];
  p.k = a.extents.back();
  p.n = b.rank() == 1 ? 1 : b.extents.back();
  p.a_signed = a.dtype == DType::kI8;
  p.b_signed = b.dtype == DType::kI8;
  p.a_zero = zero_points(c, a_zero);
  p.b_zero = zero_points(c, b_zero);
  auto batch = [](const ConstView& v, int64_t size) {
    Operand o;
    for (int i = 0; i + 2 < v.rank(); ++i) {
      o.batch.push_back(v.extents[i]);
      o.batch_strides.push_back(v.extents.product(i + 1, v.rank() - 2) * size);
    }
    return o;
  };
  const Operand left = batch(a, p.m * p.k), right = batch(b, p.k * p.n);
  std::vector<int64_t> full = left.batch.size() >= right.batch.size() ? left.batch : right.batch;
  const auto& other = left.batch.size() >= right.batch.size() ? right.batch : left.batch;
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t& size = full[full.size() - other.size() + i];
    if (size == 1) size = other[i];
  }
  int64_t count = 1;
  for (int64_t size : full) count *= size;
  if (right.has_one_matrix() && p.a_zero.stride == 0) {
    p.m *= count;
    count = std::min<int64_t>(count, 1);
  }
  for (int64_t i = 0; i < count; ++i) {
    p.a = a.data + left.offset(i, full);
    p.b = b.data + right.offset(i, full);
    p.c = y + i * p.m * p.n;
    run_byte_product(c, p);
  }
}

void run_integer(RunContext& c) {
  if (c.output(0).count() > 0) multiply(c, 0, 1, 2, 3, c.output(0).as<int32_t>());
}

// Inputs of QLinearMatMul.
constexpr int kA = 0, kAScale = 1, kAZero = 2, kB = 3, kBScale = 4, kBZero = 5, kYScale = 6, kYZero = 7;

void infer_linear(InferContext& c) {
  c.require_dtype(kA, kBytes);
  c.require_dtype(kB, kBytes);
  c.require_dtype(kYZero, kBytes);
  c.require_same_dtype(kA, kAZero);
  c.require_same_dtype(kB, kBZero);
  for (int i : {kAScale, kBScale, kYScale}) c.require_dtype(i, {DType::kF32, DType::kF16, DType::kBF16});
  for (int i : {kAScale, kAZero}) check_parameter(c, i, kA, true);
  for (int i : {kBScale, kBZero}) check_parameter(c, i, kB, false);
  for (int i : {kYScale, kYZero}) {
    if (c.input(i).shape.has_rank())
      c.require_equal(c.input(i).shape.count(), 1, "the elements of the output's scale or zero point and 1");
  }
  c.set(0, c.input(kYZero).dtype, product_shape(c, c.input(kA).shape, c.input(kB).shape));
}

template <class T>
void requantize(RunContext& c, const int32_t* sums) {
  const View y = c.output(0);
  const ConstView a_scale = c.input(kAScale), b_scale = c.input(kBScale);
  const int64_t n = c.input(kB).rank() == 1 ? 1 : c.input(kB).extents.back();
  const int64_t m = c.input(kA).rank() == 1 ? 1 : c.input(kA).extents[c.input(kA).rank() - 2];
  const float y_scale = *c.input(kYScale).as<float>();
  const auto zero = static_cast<float>(*c.input(kYZero).as<T>());
  c.parallel().run(y.count(), 4096, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float left = a_scale.as<float>()[a_scale.count() == 1 ? 0 : i / n % m];
      const float right = b_scale.as<float>()[b_scale.count() == 1 ? 0 : i % n];
      const float v = std::nearbyint(static_cast<float>(sums[i]) * (left * right / y_scale)) + zero;
      y.as<T>()[i] = static_cast<T>(std::clamp(v, static_cast<float>(std::numeric_limits<T>::lowest()),
                                               static_cast<float>(std::numeric_limits<T>::max())));
    }
  });
}

void run_linear(RunContext& c) {
  if (widened(c, run_linear)) return;
  if (c.output(0).count() == 0) return;
  auto* sums = c.scratch<int32_t>(c.output(0).count());
  multiply(c, kA, kB, kAZero, kBZero, sums);
  c.output(0).dtype == DType::kI8 ? requantize<int8_t>(c, sums) : requantize<uint8_t>(c, sums);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "MatMulInteger",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_integer,
     .run = run_integer,
     .since = 10},
    {.domain = "",
     .name = "QLinearMatMul",
     .inputs = {8, 8},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_linear,
     .run = run_linear,
     .since = 10},
};

}  // namespace

std::span<const Op> matmul_integer_family() { return kFamily; }

}  // namespace sdx::ops
