// ByteProduct: one product of byte matrices over the int8 kernels, packed on the fly.
#pragma once

#include "ir/run_context.h"
#include "kernels/gemm_int8.h"

namespace sdx::ops {

/// c [m, n] = (a [m, k] - a_zero) (b [k, n] - b_zero); all contiguous.
struct ByteProduct {
  int64_t m = 0, n = 0, k = 0;
  const void *a = nullptr, *b = nullptr;
  bool a_signed = false, b_signed = false;
  kernels::ZeroPoints a_zero, b_zero;
  int32_t* c = nullptr;
};

/// Runs the product in parallel over its tiles. Takes scratch memory.
inline void run_byte_product(const ir::RunContext& c, const ByteProduct& p) {
  kernels::Int8Gemm gemm{.m = p.m, .n = p.n, .k = p.k};
  gemm.a = {p.a, p.a_signed, p.k, 1};
  gemm.a_zero = p.a_zero;
  gemm.b_signed = p.b_signed;
  gemm.b_zero = p.b_zero;
  gemm.c = p.c;
  gemm.c_stride = p.n;
  auto* packed = c.scratch<std::byte>(static_cast<int64_t>(kernels::int8_packed_bytes(p.k, p.n)));
  kernels::int8_pack_b({p.b, p.b_signed, p.n, 1}, p.k, p.n, packed);
  gemm.packed_b = packed;
  const kernels::GemmPlan plan = kernels::int8_plan(gemm, c.parallel().threads());
  const auto stride = static_cast<int64_t>((plan.scratch_bytes + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(stride * c.parallel().threads());
  c.parallel().run(plan.tiles(), 1, [&](int64_t begin, int64_t end, int worker) {
    kernels::int8_run(gemm, plan, begin, end, scratch + worker * stride);
  });
}

}  // namespace sdx::ops
