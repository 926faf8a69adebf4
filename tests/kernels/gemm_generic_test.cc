// Tests of kernels/gemm_generic.h against a triple loop.
#include "kernels/gemm_generic.h"

#include <gtest/gtest.h>

#include <random>
#include <type_traits>
#include <vector>

namespace sdx::kernels {
namespace {

template <class T>
void check(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  std::mt19937_64 generator(7);
  const auto draw = [&] {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(generator());
    return static_cast<T>(static_cast<int64_t>(generator()) >> 40);
  };
  std::vector<T> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(k * n)), c(static_cast<size_t>(m * n), T(9));
  for (T& x : a) x = draw();
  for (T& x : b) x = draw();
  const GenericGemm<T> gemm = {m,        n,          k,          a.data(), ta ? 1 : k, ta ? m : 1,
                               b.data(), tb ? 1 : n, tb ? k : 1, c.data(), n};
  gemm_rows(gemm, 0, m / 2);
  gemm_rows(gemm, m / 2, m);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      uint64_t sum = 0;  // exact modulo 2^64; the doubles are integers small enough for it
      for (int64_t p = 0; p < k; ++p) {
        const T x = a[ta ? p * m + i : i * k + p];
        const T y = b[tb ? j * k + p : p * n + j];
        sum += static_cast<uint64_t>(static_cast<int64_t>(x)) * static_cast<uint64_t>(static_cast<int64_t>(y));
      }
      const T expected = std::is_integral_v<T> ? static_cast<T>(sum) : static_cast<T>(static_cast<int64_t>(sum));
      ASSERT_EQ(c[i * n + j], expected);
    }
  }
}

template <class T>
class GemmGeneric : public testing::Test {};
using Types = testing::Types<double, int32_t, int64_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(GemmGeneric, Types);

TYPED_TEST(GemmGeneric, MatchesTheTripleLoop) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      check<TypeParam>(1, 1, 1, ta, tb);
      check<TypeParam>(5, 131, 67, ta, tb);
      check<TypeParam>(3, 4, 0, ta, tb);
    }
  }
}

}  // namespace
}  // namespace sdx::kernels
