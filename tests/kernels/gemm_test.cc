// Tests of kernels/gemm.h against a naive product in double precision, on every instruction set.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "kernels/gemm_tiles.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  bool packed = true;
  bool transpose_a = false;
  bool transpose_b = false;
  WeightType type = WeightType::kF32;
  Activation activation = Activation::kNone;
  enum Terms { kNone, kColumns, kAll } terms = kNone;  // kColumns: alpha, column bias and residual; kAll: the rest too
  int threads = 2;
};

double activate(double x, Activation activation) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kGeluErf: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kSilu: return x / (1 + std::exp(-x));
    case Activation::kSigmoid: return 1 / (1 + std::exp(-x));
    case Activation::kTanh: return std::tanh(x);
    case Activation::kQuickGelu: return x / (1 + std::exp(-1.702 * x));
  }
  return x;
}

float through_type(float value, WeightType type) {
  if (type == WeightType::kF32 || type == WeightType::kSplit) return value;
  return type == WeightType::kF16 ? to_float(to_half(value)) : to_float(to_bfloat16(value));
}

// Runs every tile in an order that differs from the storage order, in ranges of `grain`.
std::vector<float> run(Gemm gemm, int threads, int64_t grain, std::vector<float> c) {
  gemm.c = c.data();
  if (gemm.epilogue.addend != nullptr && gemm.epilogue.addend_stride == gemm.c_stride) gemm.epilogue.addend = gemm.c;
  std::vector<float> split;
  if (gemm.packed_b != nullptr && is_split(gemm.packed_type)) {
    split.assign(gemm_split_bytes(gemm.m, gemm.k) / sizeof(float), std::nanf(""));
    for (int64_t group = gemm_split_groups(gemm.m) - 1; group >= 0; --group)
      gemm_split_a(gemm, group, group + 1, split.data());
    gemm.split_a = split.data();
  }
  const GemmPlan plan = gemm_plan(gemm, threads);
  std::vector<float> rows;
  // With threads, rows of A are packed before; groups in an order of their own.
  if (const int64_t groups = gemm_row_groups(gemm, plan, threads); threads > 1 && groups > 0 && split.empty()) {
    rows.assign(static_cast<size_t>(gemm_row_floats(gemm, plan)), std::nanf(""));
    for (int64_t group = groups - 1; group >= 0; --group) gemm_pack_rows(gemm, plan, group, group + 1, rows.data());
    gemm.packed_a = rows.data();
  }
  std::vector<float> scratch(plan.scratch_bytes / sizeof(float) + 16, std::nanf(""));
  if (threads > 1 && gemm.packed_b != nullptr && gemm.packed_a == nullptr && split.empty()) {
    gemm.keep_rows = true;
    gemm_begin(scratch.data());
  }
  const int64_t ranges = (plan.tiles() + grain - 1) / grain;
  for (int64_t range = ranges - 1; range >= 0; --range) {
    gemm_run(gemm, plan, range * grain, std::min(plan.tiles(), (range + 1) * grain), scratch.data());
  }
  return c;
}

// The same in shares, the last first, each in three pieces of which the second comes last.
std::vector<float> run_shares(Gemm gemm, const Shares& shares, std::vector<float> c) {
  gemm.c = c.data();
  if (gemm.epilogue.addend != nullptr && gemm.epilogue.addend_stride == gemm.c_stride) gemm.epilogue.addend = gemm.c;
  gemm.keep_rows = true;
  std::vector<float> scratch(gemm_share_bytes(gemm) / sizeof(float), std::nanf(""));
  gemm_begin(scratch.data());
  for (int share = shares.workers() - 1; share >= 0; --share) {
    for (int64_t piece : {0, 2, 1}) gemm_run_share(gemm, gemm_share(gemm, shares, share), piece, 3, scratch.data());
  }
  return c;
}

void check(const Case& at) {
  SCOPED_TRACE(testing::Message() << "m=" << at.m << " n=" << at.n << " k=" << at.k << " packed=" << at.packed
                                  << " ta=" << at.transpose_a << " tb=" << at.transpose_b
                                  << " type=" << static_cast<int>(at.type) << " terms=" << at.terms);
  const int64_t lda = (at.transpose_a ? at.m : at.k) + 3;
  const int64_t ldb = (at.transpose_b ? at.k : at.n) + 5;
  const int64_t ldc = at.n + 2;
  const std::vector<float> a = random_floats((at.transpose_a ? at.k : at.m) * lda, 1);
  std::vector<float> b = random_floats((at.transpose_b ? at.n : at.k) * ldb, 2);
  for (float& value : b) value = through_type(value, at.type);
  const std::vector<float> bias = random_floats(at.n, 3);
  const std::vector<float> row_bias = random_floats(at.m, 4);
  const std::vector<float> residual = random_floats(at.m * ldc, 5);
  const std::vector<float> before = random_floats(at.m * ldc, 6);

  Gemm gemm;
  gemm.m = at.m;
  gemm.n = at.n;
  gemm.k = at.k;
  gemm.a = {a.data(), at.transpose_a ? 1 : lda, at.transpose_a ? lda : 1};
  gemm.b = {b.data(), at.transpose_b ? 1 : ldb, at.transpose_b ? ldb : 1};
  gemm.c_stride = ldc;
  gemm.epilogue.activation = at.activation;
  if (at.terms) {
    gemm.epilogue.alpha = 0.5f;
    gemm.epilogue.column_bias = bias.data();
    gemm.epilogue.residual = residual.data();
    gemm.epilogue.residual_stride = ldc;
  }
  if (at.terms == Case::kAll) {
    gemm.epilogue.row_bias = row_bias.data();
    gemm.epilogue.addend = before.data();
    gemm.epilogue.addend_stride = ldc;
    gemm.epilogue.addend_scale = -2.0f;
  }
  std::vector<float> packed(gemm_packed_bytes(at.k, at.n, at.type) / sizeof(float) + 16);
  std::vector<unsigned char> unaligned(b.size() * sizeof(float) + 1);
  if (at.packed) {
    std::copy_n(reinterpret_cast<const unsigned char*>(b.data()), b.size() * sizeof(float), unaligned.begin() + 1);
    const WeightView weight = {unaligned.data() + 1, WeightType::kF32, gemm.b.row_stride, gemm.b.column_stride};
    gemm_pack_b(weight, at.k, at.n, at.type, 0, gemm_panels(at.n, at.type), packed.data());
    gemm.packed_b = packed.data();
    gemm.packed_type = at.type;
    gemm.b = {};
  }
  const std::vector<float> c = run(gemm, at.threads, 1, before);
  const std::vector<float> alone = run(gemm, 1, 1 << 20, before);
  ASSERT_EQ(std::memcmp(c.data(), alone.data(), c.size() * sizeof(float)), 0) << "depends on the number of threads";

  for (const std::vector<float>& speeds : {std::vector<float>{1}, {1, 0.9f}, {0.3f, 2, 1}}) {
    if (!at.packed || is_split(at.type)) break;
    const std::vector<float> shared = run_shares(gemm, Shares(speeds), before);
    ASSERT_EQ(std::memcmp(c.data(), shared.data(), c.size() * sizeof(float)), 0) << speeds.size() << " shares differ";
  }

  for (int64_t i = 0; i < at.m; ++i) {
    for (int64_t j = 0; j < at.n; ++j) {
      double sum = 0;
      double magnitude = 0;
      for (int64_t p = 0; p < at.k; ++p) {
        const double product = static_cast<double>(at.transpose_a ? a[p * lda + i] : a[i * lda + p]) *
                               (at.transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
        sum += product;
        magnitude += std::abs(product);
      }
      const int64_t at_c = i * ldc + j;
      double expected = sum;
      if (at.terms) expected = 0.5 * sum + bias[j];
      if (at.terms == Case::kAll) expected += row_bias[i] - 2.0 * before[at_c];
      expected = activate(expected, at.activation);
      if (at.terms) expected += residual[at_c];
      // Operands are uniform in [-1, 1): errors add up like a random walk.
      const double split = at.type == WeightType::kSplit ? kSplitError * std::sqrt(static_cast<double>(at.k)) : 0;
      const double bound = 6e-8 * (magnitude * (2 + std::sqrt(static_cast<double>(at.k))) + 8) + split;
      ASSERT_NEAR(c[at_c], expected, bound) << "row " << i << " column " << j;
    }
    for (int64_t j = at.n; j < ldc; ++j) ASSERT_EQ(c[i * ldc + j], before[i * ldc + j]) << "wrote past row " << i;
  }
}

TEST(Gemm, EveryHeight) {
  for_each_isa([] {
    for (int64_t m = 1; m <= 2 * gemm_tiles().rows + 1; ++m) check({m, 71, 19});
  });
}

TEST(Gemm, OddShapes) {
  for_each_isa([] {
    for (bool packed : {true, false}) {
      for (bool ta : {false, true}) {
        for (bool tb : {false, true}) {
          for (const Case& shape :
               {Case{1, 1, 1}, Case{1, 300, 70}, Case{3, 130, 259}, Case{7, 33, 300}, Case{8, 64, 64}, Case{17, 95, 33},
                Case{5, 5, 600}, Case{130, 70, 521}, Case{33, 1, 64}}) {
            Case at = shape;
            at.packed = packed;
            at.transpose_a = ta;
            at.transpose_b = tb;
            check(at);
          }
        }
      }
    }
  });
}

TEST(Gemm, EpilogueTerms) {
  for_each_isa([] {
    for (const Case& shape : {Case{5, 37, 16}, Case{19, 64, 300}, Case{1, 9, 700}}) {
      for (int activation = 0; activation <= static_cast<int>(Activation::kQuickGelu); ++activation) {
        Case at = shape;
        at.terms = Case::kAll;
        at.activation = static_cast<Activation>(activation);
        check(at);
      }
    }
  });
}

TEST(Gemm, HalfWeights) {
  for_each_isa([] {
    for (WeightType type : {WeightType::kF16, WeightType::kBf16}) {
      for (bool tb : {false, true}) {
        for (int64_t m : {1, 2, 4, 9, 30}) {
          Case at = {m, 75, 290};
          at.type = type;
          at.transpose_b = tb;
          check(at);
        }
      }
    }
  });
}

// Runs the body on the instruction sets that multiply split weights.
template <class Body>
void for_each_splitting_isa(const Body& body) {
  if (!gemm_splits()) GTEST_SKIP() << "this machine does not multiply bytes";
  for_each_isa([&] {
    if (gemm_splits()) body();
  });
}

TEST(Gemm, SplitWeights) {
  for_each_splitting_isa([] {
    for (const Case& shape :
         {Case{1, 1, 1}, Case{1, 300, 70}, Case{2, 64, 32}, Case{5, 300, 700}, Case{8, 130, 259}, Case{15, 33, 65},
          Case{16, 130, 259}, Case{17, 95, 33}, Case{31, 32, 64}, Case{33, 70, 100}, Case{40, 97, 300},
          Case{130, 70, 521}, Case{300, 200, 64}, Case{513, 40, 31}, Case{49, 70, 1000}, Case{257, 97, 1600},
          Case{15888, 3, 780}, Case{100, 700, 130}}) {
      for (bool tb : {false, true}) {
        Case at = shape;
        at.type = WeightType::kSplit;
        at.transpose_b = tb;
        check(at);
      }
      for (Case::Terms terms : {Case::kColumns, Case::kAll}) {
        for (Activation activation : {Activation::kNone, Activation::kGeluErf}) {
          Case at = shape;
          at.type = WeightType::kSplit;
          at.terms = terms;
          at.activation = activation;
          check(at);
        }
      }
    }
    for (int64_t m = 1; m <= 70; ++m) {
      Case at = {m, 71, m < 20 ? 200 : 40};
      at.type = WeightType::kSplit;
      check(at);
    }
  });
}

std::vector<float> packed_split(const std::vector<float>& b, int64_t k, int64_t n,
                                WeightType type = WeightType::kSplit) {
  std::vector<float> packed(gemm_packed_bytes(k, n, type) / sizeof(float));
  gemm_pack_b({b.data(), WeightType::kF32, n, 1}, k, n, type, 0, gemm_panels(n, type), packed.data());
  return packed;
}

Gemm split_gemm(int64_t m, int64_t n, int64_t k, const std::vector<float>& a, const std::vector<float>& packed) {
  Gemm gemm{.m = m, .n = n, .k = k, .a = {a.data(), k, 1}, .packed_b = packed.data()};
  gemm.packed_type = WeightType::kSplit;
  gemm.c_stride = n;
  return gemm;
}

// Rows of A one by one give the same bits as together.
void check_rows_alone(int64_t m, int64_t n, int64_t k) {
  const std::vector<float> a = random_floats(m * k, 1), b = random_floats(k * n, 2);
  const std::vector<float> packed = packed_split(b, k, n);
  Gemm gemm = split_gemm(m, n, k, a, packed);
  const std::vector<float> together = run(gemm, 2, 1, std::vector<float>(m * n));
  for (int64_t row = 0; row < m; ++row) {
    gemm.m = 1;
    gemm.a.data = a.data() + row * k;
    const std::vector<float> alone = run(gemm, 1, 1, std::vector<float>(n));
    ASSERT_EQ(std::memcmp(alone.data(), together.data() + row * n, n * sizeof(float)), 0) << "row " << row;
  }
}

TEST(Gemm, SplitRowsDoNotDependOnTheirNeighbours) {
  for_each_splitting_isa([] {
    check_rows_alone(37, 75, 150);
    check_rows_alone(70, 200, 1700);
  });
}

void check_infinities(int64_t m, int64_t n, int64_t k) {
  std::vector<float> a = random_floats(m * k, 1, 0.5f, 1.0f), b = random_floats(k * n, 2, 0.5f, 1.0f);
  a[3 * k + 5] = HUGE_VALF;
  a[4 * k + 6] = -HUGE_VALF;
  a[5 * k + 7] = std::nanf("");
  a[6 * k + 69] = 3.4028235e38f;
  std::fill_n(a.data() + 7 * k, k, 0.0f);
  b[9 * n + 17] = -HUGE_VALF;
  b[10 * n + 18] = 3.4028235e38f;
  const std::vector<float> packed = packed_split(b, k, n);
  Gemm gemm = split_gemm(m, n, k, a, packed);
  const std::vector<float> c = run(gemm, 1, 1, std::vector<float>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += a[i * k + p] * b[p * n + j];
      // Beside the largest float the rest of a column has no digits left.
      if (j == 18 && i >= 3 && i <= 6) continue;
      if (j == 17 || std::isnan(sum)) {
        ASSERT_TRUE(std::isnan(c[i * n + j])) << i << "," << j;
      } else if (std::isinf(sum)) {
        ASSERT_EQ(c[i * n + j], sum) << i << "," << j;
      } else {
        ASSERT_NEAR(c[i * n + j], sum, std::abs(sum) * 1e-5f) << i << "," << j;
      }
    }
  }
}

TEST(Gemm, SplitProductsKeepInfinitiesAndNaN) {
  for_each_splitting_isa([] {
    check_infinities(20, 40, 70);
    check_infinities(100, 330, 70);
    check_infinities(70, 100, 1000);
  });
}

// What gemm_run left out of C [m, n], for every other column of every row.
std::vector<float> with_lowest(Gemm gemm, std::vector<float> c) {
  std::vector<float> split(gemm_split_bytes(gemm.m, gemm.k) / sizeof(float));
  gemm_split_a(gemm, 0, gemm_split_groups(gemm.m), split.data());
  gemm.split_a = split.data();
  gemm.c = c.data();
  std::vector<int32_t> columns;
  for (int64_t j = 0; j < gemm.n; j += 2) columns.push_back(static_cast<int32_t>(j));
  for (int64_t i = 0; i < gemm.m; ++i) {
    gemm_add_lowest(gemm, i, columns.data(), static_cast<int64_t>(columns.size()));
  }
  return c;
}

void check_lowest_apart(int64_t m, int64_t n, int64_t k) {
  SCOPED_TRACE(testing::Message() << "m=" << m << " n=" << n << " k=" << k);
  const std::vector<float> a = random_floats(m * k, 1), b = random_floats(k * n, 2), bias = random_floats(n, 3);
  const std::vector<float> whole = packed_split(b, k, n), apart = packed_split(b, k, n, WeightType::kSplitApart);
  Gemm gemm = split_gemm(m, n, k, a, whole);
  gemm.epilogue.alpha = -0.5f;
  gemm.epilogue.column_bias = bias.data();
  const std::vector<float> expected = run(gemm, 1, 1, std::vector<float>(m * n));
  gemm.packed_b = apart.data();
  gemm.packed_type = WeightType::kSplitApart;
  const std::vector<float> higher = run(gemm, 2, 1, std::vector<float>(m * n));
  const std::vector<float> c = with_lowest(gemm, higher);
  for (int64_t i = 0; i < m; ++i) {
    float row = 0;
    for (int64_t p = 0; p < k; ++p) row += std::abs(a[i * k + p]);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = i * n + j;
      if (j % 2 == 0) {
        ASSERT_NEAR(c[at], expected[at], 3e-7f * (1 + std::abs(expected[at]))) << i << "," << j;
      } else {
        ASSERT_EQ(c[at], higher[at]) << i << "," << j;
      }
      ASSERT_NEAR(higher[at], expected[at], 0x1p-16f * row + 3e-7f * (1 + std::abs(expected[at]))) << i << "," << j;
    }
  }
}

TEST(Gemm, LowestBytesApart) {
  for_each_splitting_isa([] {
    for (int64_t m : {1, 2, 3, 4, 5, 6, 8, 9, 16, 17, 40}) check_lowest_apart(m, 75, 150);
    check_lowest_apart(4, 640, 64);
    check_lowest_apart(1, 16, 1000);
    check_lowest_apart(33, 1, 65);
  });
}

TEST(Gemm, RowsWithInfinitiesAreWholeWithoutTheLowestBytes) {
  for_each_splitting_isa([] {
    const int64_t m = 5, n = 40, k = 70;
    std::vector<float> a = random_floats(m * k, 1), b = random_floats(k * n, 2);
    a[k + 5] = HUGE_VALF;
    a[2 * k + 69] = std::nanf("");
    b[5 * n + 7] = 0x1p-20f;  // nothing but a lowest byte
    b[5 * n + 8] = 0;
    const std::vector<float> whole = packed_split(b, k, n), apart = packed_split(b, k, n, WeightType::kSplitApart);
    Gemm gemm = split_gemm(m, n, k, a, whole);
    const std::vector<float> expected = run(gemm, 1, 1, std::vector<float>(m * n));
    gemm.packed_b = apart.data();
    gemm.packed_type = WeightType::kSplitApart;
    const std::vector<float> c = with_lowest(gemm, run(gemm, 1, 1, std::vector<float>(m * n)));
    for (int64_t at = n; at < 3 * n; ++at) {
      ASSERT_TRUE(c[at] == expected[at] || (std::isnan(c[at]) && std::isnan(expected[at]))) << at;
    }
    EXPECT_EQ(c[n + 7], HUGE_VALF);
    EXPECT_TRUE(std::isnan(c[n + 8]));
  });
}

TEST(Gemm, EmptyDepthGivesTheEpilogueOfZero) {
  for_each_isa([] {
    Case at = {3, 40, 0};
    at.terms = Case::kAll;
    check(at);
  });
}

TEST(Gemm, EmptyExtentsHaveNoTiles) {
  Gemm gemm;
  gemm.n = 5;
  gemm.k = 3;
  EXPECT_EQ(gemm_plan(gemm, 2).tiles(), 0);
}

}  // namespace
}  // namespace sdx::kernels
