// Tests of kernels/gemm_int8.h against exact sums in 64 bits, on every instruction set.
#include "kernels/gemm_int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  bool a_signed, b_signed;
  bool zeros;        // zero points
  bool per_channel;  // of them and of the scales
  bool transpose_b = false;
};

int64_t value(const std::vector<uint8_t>& bytes, int64_t i, bool is_signed) {
  return is_signed ? static_cast<int8_t>(bytes[static_cast<size_t>(i)]) : bytes[static_cast<size_t>(i)];
}

void check(const Case& at) {
  SCOPED_TRACE(testing::Message() << "m=" << at.m << " n=" << at.n << " k=" << at.k << " signed=" << at.a_signed
                                  << at.b_signed << " zeros=" << at.zeros << " per_channel=" << at.per_channel
                                  << " kernel=" << int8_kernel_name());
  std::minstd_rand generator(5);
  const auto bytes = [&](int64_t count) {
    std::vector<uint8_t> result(static_cast<size_t>(count));
    for (uint8_t& byte : result) byte = static_cast<uint8_t>(generator() >> 11);
    return result;
  };
  const int64_t lda = at.k + 3;
  std::vector<uint8_t> a = bytes(at.m * lda), b = bytes(at.k * at.n);
  const std::vector<uint8_t> a_zero = bytes(at.m), b_zero = bytes(at.n);
  // Extremes in one row and one column, where 16-bit sums would saturate.
  std::fill_n(a.begin(), at.k, at.a_signed ? 0x80 : 0xFF);
  for (int64_t p = 0; p < at.k; ++p) b[at.transpose_b ? p : p * at.n] = at.b_signed ? 0x80 : 0xFF;
  Int8Gemm gemm;
  gemm.m = at.m;
  gemm.n = at.n;
  gemm.k = at.k;
  gemm.a = {a.data(), at.a_signed, lda, 1};
  gemm.b_signed = at.b_signed;
  const int64_t stride = at.per_channel ? 1 : 0;
  if (at.zeros) {
    gemm.a_zero = {a_zero.data(), stride};
    gemm.b_zero = {b_zero.data(), stride};
  }
  std::vector<float> packed(int8_packed_bytes(at.k, at.n) / 4);
  int8_pack_b({b.data(), at.b_signed, at.transpose_b ? 1 : at.n, at.transpose_b ? at.k : 1}, at.k, at.n, packed.data());
  gemm.packed_b = packed.data();
  gemm.c_stride = at.n + 1;
  std::vector<int32_t> c(static_cast<size_t>(at.m * gemm.c_stride), 77);
  std::vector<float> y(c.size(), 77.0f);
  const std::vector<float> scale = random_floats(at.n, 3), bias = random_floats(at.n, 4);
  for (int threads : {1, 3}) {
    for (bool to_float : {false, true}) {
      gemm.c = to_float ? nullptr : c.data();
      gemm.y = to_float ? y.data() : nullptr;
      gemm.a_scale = 0.01f;
      gemm.b_scale = scale.data();
      gemm.b_scale_stride = stride;
      gemm.epilogue.column_bias = bias.data();
      gemm.epilogue.activation = Activation::kRelu;
      const GemmPlan plan = int8_plan(gemm, threads);
      std::vector<float> scratch(plan.scratch_bytes / 4);
      for (int64_t tile = plan.tiles() - 1; tile >= 0; --tile) int8_run(gemm, plan, tile, tile + 1, scratch.data());
    }
  }
  for (int64_t i = 0; i < at.m; ++i) {
    for (int64_t j = 0; j < at.n; ++j) {
      const int64_t az = at.zeros ? value(a_zero, i * stride, at.a_signed) : 0;
      const int64_t bz = at.zeros ? value(b_zero, j * stride, at.b_signed) : 0;
      int64_t sum = 0;
      for (int64_t p = 0; p < at.k; ++p) {
        sum += (value(a, i * lda + p, at.a_signed) - az) *
               (value(b, at.transpose_b ? j * at.k + p : p * at.n + j, at.b_signed) - bz);
      }
      ASSERT_EQ(c[i * gemm.c_stride + j], sum) << i << "," << j;
      const double scaled = static_cast<double>(sum) * 0.01 * scale[j * stride] + bias[j];
      ASSERT_NEAR(y[i * gemm.c_stride + j], std::max(0.0, scaled), 3e-7 * (1 + std::abs(scaled))) << i << "," << j;
    }
    ASSERT_EQ(c[i * gemm.c_stride + at.n], 77);
    ASSERT_EQ(y[i * gemm.c_stride + at.n], 77.0f);
  }
}

TEST(GemmInt8, MatchesExactSums) {
  for_each_isa([] {
    for (bool a_signed : {false, true}) {
      for (bool b_signed : {false, true}) {
        for (bool zeros : {false, true}) {
          for (bool per_channel : {false, true}) {
            check({3, 70, 37, a_signed, b_signed, zeros, per_channel});
            check({130, 33, 64, a_signed, b_signed, zeros, per_channel, true});
          }
        }
        check({1, 1, 1, a_signed, b_signed, true, false});
        check({29, 100, 515, a_signed, b_signed, true, true});
      }
    }
  });
}

TEST(GemmInt8, EveryHeight) {
  for_each_isa([] {
    for (int64_t m = 1; m <= 29; ++m) check({m, 40, 10, false, true, true, false});
  });
}

}  // namespace
}  // namespace sdx::kernels
