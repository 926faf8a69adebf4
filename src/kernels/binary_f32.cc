// binary_f32: float arithmetic of two arguments, each a row or one value.
#include <cmath>

#include "kernels/binary.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

struct Pair {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  float* y;
  int64_t n;
};

/// Both rows.
template <class F>
HWY_INLINE void map_rows(const float* a, const float* b, float* y, int64_t n, const F& f) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const VF first = f(hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    const VF second = f(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
    hn::StoreU(first, d, y + i);
    hn::StoreU(second, d, y + i + lanes);
  }
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  if (i < n) {
    const size_t rest = static_cast<size_t>(n - i);
    store_partial(f(load_partial(d, a + i, rest), load_partial(d, b + i, rest)), d, y + i, rest);
  }
}

/// Gathers a strided operand into a block.
constexpr int64_t kBlock = 256;
HWY_INLINE const float* gathered(const float* x, int64_t stride, int64_t n, float* block) {
  if (stride == 1) return x;
  for (int64_t i = 0; i < n; ++i) block[i] = x[i * stride];
  return block;
}

template <class F>
void map_pair(const Pair& p, const F& f) {
  if (p.a_stride == 1 && p.b_stride == 1) return map_rows(p.a, p.b, p.y, p.n, f);
  if (p.a_stride == 1 && p.b_stride == 0) {
    const VF b = constant(*p.b);
    return map_floats(p.a, p.y, p.n, [&](VF a) { return f(a, b); });
  }
  if (p.a_stride == 0 && p.b_stride == 1) {
    const VF a = constant(*p.a);
    return map_floats(p.b, p.y, p.n, [&](VF b) { return f(a, b); });
  }
  HWY_ALIGN float a_block[kBlock], b_block[kBlock];
  for (int64_t i = 0; i < p.n; i += kBlock) {
    const int64_t count = HWY_MIN(kBlock, p.n - i);
    const float* a = gathered(p.a + i * p.a_stride, p.a_stride, count, a_block);
    const float* b = gathered(p.b + i * p.b_stride, p.b_stride, count, b_block);
    map_rows(a, b, p.y + i, count, f);
  }
}

template <class F>
void map_scalars(const Pair& p, const F& f) {
  for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(p.a[i * p.a_stride], p.b[i * p.b_stride]);
}

/// x^e for the exponents that models use most; false where e is none of them.
bool power_of_constant(const Pair& p, float e) {
  const Pair s{p.a, p.a_stride, p.b, 0, p.y, p.n};
  if (e == 2.0f) return map_pair(s, [](VF x, VF) { return hn::Mul(x, x); }), true;
  if (e == 3.0f) return map_pair(s, [](VF x, VF) { return hn::Mul(hn::Mul(x, x), x); }), true;
  if (e == 1.0f) return map_pair(s, [](VF x, VF) { return x; }), true;
  if (e == -1.0f) return map_pair(s, [](VF x, VF) { return hn::Div(constant(1.0f), x); }), true;
  if (e == 0.5f) {
    // pow(-0, 1/2) is +0 and pow(-infinity, 1/2) is +infinity, unlike the square root.
    return map_pair(s,
                    [](VF x, VF) {
                      const VF root = hn::Sqrt(hn::Add(x, hn::Zero(F32())));
                      return hn::IfThenElse(hn::Eq(x, constant(-HUGE_VALF)), constant(HUGE_VALF), root);
                    }),
           true;
  }
  return false;
}

HWY_INLINE VF either_nan(VF a, VF b, VF y) {
  const VF sum = hn::Add(a, b);
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), sum, y);
}

float modulo(float a, float b) {
  const float r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

void binary_f32(BinaryOp op, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* y, int64_t n) {
  const Pair p{a, a_stride, b, b_stride, y, n};
  switch (op) {
    case BinaryOp::kAdd: return map_pair(p, [](VF u, VF v) { return hn::Add(u, v); });
    case BinaryOp::kSub: return map_pair(p, [](VF u, VF v) { return hn::Sub(u, v); });
    case BinaryOp::kMul: return map_pair(p, [](VF u, VF v) { return hn::Mul(u, v); });
    case BinaryOp::kDiv: return map_pair(p, [](VF u, VF v) { return hn::Div(u, v); });
    case BinaryOp::kMin: return map_pair(p, [](VF u, VF v) { return either_nan(u, v, hn::Min(u, v)); });
    case BinaryOp::kMax: return map_pair(p, [](VF u, VF v) { return either_nan(u, v, hn::Max(u, v)); });
    case BinaryOp::kPRelu:
      return map_pair(p, [](VF u, VF v) { return hn::IfThenElse(hn::Lt(u, hn::Zero(F32())), hn::Mul(u, v), u); });
    case BinaryOp::kSquaredDifference:
      return map_pair(p, [](VF u, VF v) {
        const VF difference = hn::Sub(u, v);
        return hn::Mul(difference, difference);
      });
    case BinaryOp::kMulSigmoid: return map_pair(p, [](VF u, VF v) { return hn::Mul(u, sigmoid(v)); });
    case BinaryOp::kMod: return map_scalars(p, modulo);
    case BinaryOp::kFmod: return map_scalars(p, [](float u, float v) { return std::fmod(u, v); });
    case BinaryOp::kPow:
      if (n > 0 && b_stride == 0 && power_of_constant(p, *b)) return;
      return map_scalars(p, [](float u, float v) { return std::pow(u, v); });
    default: return;
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(binary_f32);
void binary_f32(BinaryOp op, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(binary_f32)(op, a, a_stride, b, b_stride, y, n);
}
}  // namespace sdx::kernels
#endif
