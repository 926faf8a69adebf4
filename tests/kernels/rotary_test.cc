// Tests of rotary.h against pairs rotated one by one.
#include "kernels/rotary.h"

#include <gtest/gtest.h>

#include "lanes.h"

namespace sdx::kernels {
namespace {

TEST(Rotary, EveryLayout) {
  const int64_t n = 5;
  for_each_isa([&] {
    for (auto [width, rotary] : {std::pair<int64_t, int64_t>{64, 64}, {80, 32}, {6, 6}, {7, 2}, {128, 126}}) {
      for (bool interleaved : {false, true}) {
        for (bool shared : {false, true}) {
          const int64_t half = rotary / 2;
          const RotaryRows rows{width, rotary, interleaved, width + 3, width + 1, shared ? 0 : half};
          const std::vector<float> x = random_floats(n * rows.x_stride, 1);
          const std::vector<float> c = random_floats(n * half, 2), s = random_floats(n * half, 3);
          std::vector<float> y(n * rows.y_stride), in_place = x;
          rotate_rows(rows, x.data(), y.data(), c.data(), s.data(), 0, 2);
          rotate_rows(rows, x.data(), y.data(), c.data(), s.data(), 2, n);
          RotaryRows same = rows;
          same.y_stride = rows.x_stride;
          rotate_rows(same, in_place.data(), in_place.data(), c.data(), s.data(), 0, n);
          for (int64_t r = 0; r < n; ++r) {
            const float* from = &x[r * rows.x_stride];
            std::vector<double> expected(from, from + width);
            for (int64_t j = 0; j < half; ++j) {
              const int64_t a = interleaved ? 2 * j : j, b = interleaved ? 2 * j + 1 : j + half;
              const double cosine = c[r * rows.angle_stride + j], sine = s[r * rows.angle_stride + j];
              expected[a] = from[a] * cosine - from[b] * sine;
              expected[b] = from[a] * sine + from[b] * cosine;
            }
            for (int64_t i = 0; i < width; ++i) {
              EXPECT_NEAR(y[r * rows.y_stride + i], expected[i], 2e-7);
              EXPECT_NEAR(in_place[r * rows.x_stride + i], expected[i], 2e-7);
            }
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
