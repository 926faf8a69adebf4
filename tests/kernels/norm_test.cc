// Tests of softmax.h and norm.h against double twins, at odd widths and with special values.
#include "kernels/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/softmax.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const int64_t kWidths[] = {1, 2, 7, 8, 15, 16, 17, 33, 64, 100, 384, 1000};

std::vector<double> softmax_twin(const std::vector<double>& x) {
  double max = -kInf, sum = 0;
  for (double v : x) max = std::max(max, v);
  std::vector<double> y;
  for (double v : x) y.push_back(std::exp(v - max));
  for (double v : y) sum += v;
  for (double& v : y) v /= sum;
  return y;
}

/// The bound of softmax.h: subtracting the maximum rounds the argument of the exponential.
double tolerance(double expected) { return (6 - std::log(expected)) * 1e-7 * expected + 1e-37; }

TEST(Softmax, RowsOfEveryWidth) {
  for_each_isa([&] {
    for (int64_t cols : kWidths) {
      const std::vector<float> x = random_floats(3 * cols, 1, -30.0f, 30.0f);
      std::vector<float> y(x.size()), logs(x.size()), in_place = x;
      softmax_rows(x.data(), y.data(), cols, 0, 3);
      log_softmax_rows(x.data(), logs.data(), cols, 0, 3);
      softmax_rows(in_place.data(), in_place.data(), cols, 0, 1);
      softmax_rows(in_place.data(), in_place.data(), cols, 1, 3);
      EXPECT_EQ(in_place, y);
      for (int64_t r = 0; r < 3; ++r) {
        const auto expected = softmax_twin({x.begin() + r * cols, x.begin() + (r + 1) * cols});
        for (int64_t c = 0; c < cols; ++c) {
          EXPECT_NEAR(y[r * cols + c], expected[c], tolerance(expected[c])) << cols;
          const double log_expected = std::log(expected[c]);
          EXPECT_NEAR(logs[r * cols + c], log_expected, 1e-6 * std::max(1.0, std::fabs(log_expected)));
        }
      }
    }
  });
}

TEST(Softmax, MasksOfEveryBroadcast) {
  const int64_t b = 2, h = 3, q = 4, k = 19;
  const std::vector<float> x = random_floats(b * h * q * k, 1, -8.0f, 8.0f);
  std::vector<float> mask = random_floats(b * q * k, 2, -1.0f, 1.0f);
  for (size_t i = 0; i < mask.size(); i += 3) mask[i] = -kInf;
  for (size_t i = 1; i < mask.size(); i += 5) mask[i] = std::numeric_limits<float>::lowest();
  const struct {
    MaskRows rows;
    int64_t b_stride, q_stride;
  } list[] = {{{mask.data(), h * q, k}, k, 0},
              {{mask.data(), h * q, q * k, q, k}, q * k, k},
              {{mask.data(), 1, 0, q, k}, 0, k}};
  for_each_isa([&] {
    for (const auto& c : list) {
      std::vector<float> y(x.size());
      softmax_masked_rows(x.data(), y.data(), k, 0.125f, c.rows, 0, 5);
      softmax_masked_rows(x.data(), y.data(), k, 0.125f, c.rows, 5, b * h * q);
      for (int64_t r = 0; r < b * h * q; ++r) {
        std::vector<double> row;
        for (int64_t i = 0; i < k; ++i) {
          row.push_back(0.125 * x[r * k + i] + mask[r / (h * q) * c.b_stride + r % q * c.q_stride + i]);
        }
        const auto expected = softmax_twin(row);
        for (int64_t i = 0; i < k; ++i)
          EXPECT_NEAR(y[r * k + i], expected[i], expected[i] > 0 ? tolerance(expected[i]) : 0);
      }
    }
  });
}

TEST(Softmax, ColumnsAgreeWithRows) {
  for_each_isa([&] {
    for (int64_t inner : {1, 3, 8, 16, 37}) {
      const int64_t outer = 2, reduce = 11;
      const std::vector<float> x = random_floats(outer * reduce * inner, 3, -9.0f, 9.0f);
      std::vector<float> y(x.size()), logs(x.size());
      for (int64_t i = 0; i < outer * inner; i += 5) {
        softmax_columns(x.data(), y.data(), reduce, inner, i, std::min(outer * inner, i + 5));
        log_softmax_columns(x.data(), logs.data(), reduce, inner, i, std::min(outer * inner, i + 5));
      }
      for (int64_t i = 0; i < outer * inner; ++i) {
        std::vector<double> line;
        for (int64_t k = 0; k < reduce; ++k) line.push_back(x[(i / inner * reduce + k) * inner + i % inner]);
        const auto expected = softmax_twin(line);
        for (int64_t k = 0; k < reduce; ++k) {
          EXPECT_NEAR(y[(i / inner * reduce + k) * inner + i % inner], expected[k], tolerance(expected[k]));
          EXPECT_NEAR(logs[(i / inner * reduce + k) * inner + i % inner], std::log(expected[k]), 2e-5);
        }
      }
    }
  });
}

TEST(Softmax, SpecialValues) {
  for_each_isa([&] {
    std::vector<float> x(20, 1.0f), y(20);
    x[3] = -kInf;
    softmax_rows(x.data(), y.data(), 20, 0, 1);
    EXPECT_EQ(y[3], 0.0f);
    EXPECT_NEAR(y[0], 1.0 / 19, 1e-8);
    x[17] = std::numeric_limits<float>::quiet_NaN();
    softmax_rows(x.data(), y.data(), 20, 0, 1);
    EXPECT_TRUE(std::isnan(y[0]));
    std::fill(x.begin(), x.end(), -kInf);
    softmax_rows(x.data(), y.data(), 20, 0, 1);
    EXPECT_TRUE(std::isnan(y[19]));
    std::fill(x.begin(), x.end(), 3e38f);
    softmax_rows(x.data(), y.data(), 20, 0, 1);
    EXPECT_NEAR(y[5], 0.05, 1e-8);
  });
}

struct Twin {
  std::vector<double> y;
  double mean, inverse;
};

Twin norm_twin(const std::vector<double>& x, double epsilon, bool centered) {
  double mean = 0, square = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  if (!centered) mean = 0;
  for (double v : x) square += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Twin t{{}, mean, 1 / std::sqrt(square + epsilon)};
  for (double v : x) t.y.push_back((v - mean) * t.inverse);
  return t;
}

TEST(Norm, RowsWithEveryOptionalOperand) {
  for_each_isa([&] {
    for (int64_t cols : kWidths) {
      const std::vector<float> x = random_floats(2 * cols, 1), residual = random_floats(2 * cols, 2);
      const std::vector<float> scale = random_floats(cols, 3), shift = random_floats(cols, 4),
                               bias = random_floats(cols, 5);
      for (int mask = 0; mask < 32; ++mask) {
        for (bool centered : {true, false}) {
          std::vector<float> y(x.size()), sum(x.size()), mean(2), inverse(2);
          NormRows norm;
          norm.scale = mask & 1 ? scale.data() : nullptr;
          norm.shift = mask & 2 ? shift.data() : nullptr;
          norm.residual = mask & 4 ? residual.data() : nullptr;
          norm.bias = mask & 8 ? bias.data() : nullptr;
          norm.sum = mask & 16 ? sum.data() : nullptr;
          norm.mean = centered ? mean.data() : nullptr;
          norm.inverse = inverse.data();
          (centered ? layer_norm_rows : rms_norm_rows)(x.data(), y.data(), cols, norm, 0, 1);
          (centered ? layer_norm_rows : rms_norm_rows)(x.data(), y.data(), cols, norm, 1, 2);
          for (int64_t r = 0; r < 2; ++r) {
            std::vector<double> row;
            for (int64_t c = 0; c < cols; ++c) {
              float v = x[r * cols + c];
              if (mask & 4) v += residual[r * cols + c];
              if (mask & 8) v += bias[c];
              row.push_back(v);
              if (mask & 16) {
                EXPECT_EQ(sum[r * cols + c], v);
              }
            }
            const Twin t = norm_twin(row, norm.epsilon, centered);
            EXPECT_NEAR(inverse[r], t.inverse, 1e-6 * t.inverse);
            if (centered) {
              EXPECT_NEAR(mean[r], t.mean, 1e-7);
            }
            for (int64_t c = 0; c < cols; ++c) {
              const double expected = t.y[c] * (mask & 1 ? scale[c] : 1) + (mask & 2 ? shift[c] : 0);
              EXPECT_NEAR(y[r * cols + c], expected, 3e-6) << cols << " " << mask;
            }
          }
        }
      }
    }
  });
}

TEST(Norm, ALargeMeanCostsNoDigits) {
  for_each_isa([&] {
    std::vector<float> x = random_floats(1000, 7), y(1000);
    for (float& v : x) v += 1000.0f;
    layer_norm_rows(x.data(), y.data(), 1000, {}, 0, 1);
    const Twin t = norm_twin({x.begin(), x.end()}, 1e-5, true);
    for (int i = 0; i < 1000; ++i) EXPECT_NEAR(y[i], t.y[i], 2e-4);
  });
}

TEST(Norm, GroupsAndInstances) {
  for_each_isa([&] {
    for (int64_t plane : {1, 5, 64, 4099}) {
      for (int64_t per_group : {1, 2, 6}) {
        const int64_t batch = 2, channels = 6, size = per_group * plane, groups = channels / per_group;
        const std::vector<float> x = random_floats(batch * channels * plane, 1, 2.0f, 5.0f);
        const std::vector<float> scale = random_floats(channels, 2), shift = random_floats(channels, 3);
        const NormGroups norm{channels, per_group, plane, scale.data(), shift.data(), 1e-3f};
        std::vector<float> y(x.size());
        for (int64_t g = 0; g < batch * groups; ++g) group_norm(x.data(), y.data(), norm, g, g + 1);
        for (int64_t g = 0; g < batch * groups; ++g) {
          const Twin t = norm_twin({x.begin() + g * size, x.begin() + (g + 1) * size}, 1e-3, true);
          for (int64_t i = 0; i < size; ++i) {
            const int64_t c = g % groups * per_group + i / plane;
            EXPECT_NEAR(y[g * size + i], t.y[i] * scale[c] + shift[c], 4e-6);
          }
        }
        NormGroups activated = norm;
        activated.activation = Activation::kSilu;
        std::vector<float> z(x.size());
        group_norm(x.data(), z.data(), activated, 0, batch * groups);
        for (size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(z[i], y[i] / (1 + std::exp(-double{y[i]})), 1e-6);
      }
    }
  });
}

TEST(Norm, BatchNormFolds) {
  const int64_t channels = 5, plane = 9;
  const std::vector<float> x = random_floats(2 * channels * plane, 1), scale = random_floats(channels, 2);
  const std::vector<float> shift = random_floats(channels, 3), mean = random_floats(channels, 4);
  const std::vector<float> variance = random_floats(channels, 5, 0.1f, 2.0f);
  std::vector<float> a(channels), b(channels), y(x.size());
  fold_batch_norm({scale.data(), shift.data(), mean.data(), variance.data(), 1e-5f}, a.data(), b.data(), channels);
  for_each_isa([&] {
    affine_planes(x.data(), y.data(), channels, plane, a.data(), b.data(), 0, 3);
    affine_planes(x.data(), y.data(), channels, plane, a.data(), b.data(), 3, 2 * channels);
    for (int64_t i = 0; i < 2 * channels * plane; ++i) {
      const int64_t c = i / plane % channels;
      const double expected = (x[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * scale[c] + shift[c];
      EXPECT_NEAR(y[i], expected, 1e-6);
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
