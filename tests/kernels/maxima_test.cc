// The greatest elements of blocks against a plain loop.
#include "kernels/maxima.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lanes.h"

namespace sdx::kernels {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

TEST(BlockMaxima, AreThoseOfAPlainLoop) {
  for_each_isa([] {
    for (int64_t n : {1, 3, 15, 16, 63, 64, 65, 127, 200, 1000}) {
      auto x = random_floats(n, static_cast<uint32_t>(n), -5, -1);
      x[static_cast<size_t>(n / 2)] = std::nanf("");
      if (n > 70) x[70] = kNone;
      const int64_t blocks = (n + kMaximaBlock - 1) / kMaximaBlock;
      std::vector<float> y(static_cast<size_t>(blocks), 7);
      block_maxima(x.data(), n, y.data(), 0, blocks);
      for (int64_t b = 0; b < blocks; ++b) {
        float wanted = kNone;
        for (int64_t i = b * kMaximaBlock; i < std::min(n, (b + 1) * kMaximaBlock); ++i) {
          if (x[static_cast<size_t>(i)] > wanted) wanted = x[static_cast<size_t>(i)];
        }
        EXPECT_EQ(y[static_cast<size_t>(b)], wanted) << "block " << b << " of " << n << " elements";
      }
    }
  });
}

TEST(BlockMaxima, WriteNoBlockButTheirOwn) {
  const auto x = random_floats(300, 1);
  std::vector<float> y(5, 7);
  block_maxima(x.data(), 300, y.data(), 1, 3);
  EXPECT_EQ(y[0], 7);
  EXPECT_LT(y[1], 7);
  EXPECT_EQ(y[3], 7);
}

}  // namespace
}  // namespace sdx::kernels
