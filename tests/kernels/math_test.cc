// Tests of math-inl.h through unary_f32: the stated error bounds on a dense walk over all floats, on every lane.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/unary.h"
#include "lanes.h"

// Distance between the bit patterns that are tried; 1 walks every float.
#ifndef SDX_MATH_STEP
#define SDX_MATH_STEP 12289
#endif

namespace sdx::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Spacing of floats at `x`, the true result.
double ulp(double x) {
  const double magnitude = std::fabs(x);
  if (magnitude < 0x1p-126) return 0x1p-149;
  if (magnitude > std::numeric_limits<float>::max()) return 0x1p104;
  return std::ldexp(1.0, std::ilogb(magnitude) - 23);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct MathCase {
  const char* name;
  UnaryOp op;
  UnaryParams params;
  std::function<double(double)> exact;
  double ulps;                             ///< allowed error in ulp, plus
  std::function<double(double)> absolute;  ///< this, as a function of x
};

const auto none = [](double) { return 0.0; };
const auto tiny = [](double) { return 1.2e-38; };

const std::vector<MathCase>& cases() {
  static const std::vector<MathCase> list = {
      {"exp", UnaryOp::kExp, {}, [](double x) { return std::exp(x); }, 1.5, none},
      {"log", UnaryOp::kLog, {}, [](double x) { return std::log(x); }, 1.5, none},
      {"erf", UnaryOp::kErf, {}, [](double x) { return std::erf(x); }, 6, none},
      {"tanh", UnaryOp::kTanh, {}, [](double x) { return std::tanh(x); }, 7, none},
      {"sigmoid", UnaryOp::kSigmoid, {}, sigmoid, 3, tiny},
      {"silu",
       UnaryOp::kSilu,
       {},
       [](double x) { return x < -1000 ? 0 : x * sigmoid(x); },
       4,
       [](double x) { return x < -88 ? 1e-36 : 0; }},
      // The rounding of 1.702 x moves the argument of the sigmoid by up to half an ulp.
      {"quick-gelu",
       UnaryOp::kSwish,
       {1.702f},
       [](double x) { return x < -1000 ? 0 : x * sigmoid(1.702f * x); },
       4,
       [](double x) { return x < -51 ? 1e-36 : std::max(0.0, 6e-8 * 1.702 * x * x * sigmoid(1.702 * x)); }},
      {"gelu",
       UnaryOp::kGelu,
       {},
       [](double x) { return x < -1000 ? 0 : 0.5 * x * std::erfc(-x * M_SQRT1_2); },
       0,
       [](double x) { return 2.5e-7 * std::max(1.0, std::fabs(x)); }},
      {"gelu-tanh",
       UnaryOp::kGeluTanh,
       {},
       [](double x) { return x < -1000 ? 0 : x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); },
       0,
       [](double x) { return 2.5e-7 * std::max(1.0, std::fabs(x)); }},
      {"softplus",
       UnaryOp::kSoftplus,
       {},
       [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); },
       4,
       tiny},
      {"elu", UnaryOp::kElu, {1.0}, [](double x) { return x > 0 ? x : std::expm1(x); }, 3, none},
      {"mish",
       UnaryOp::kMish,
       {},
       [](double x) { return x < -1000 ? 0 : x * std::tanh(std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)))); },
       5,
       [](double x) { return x < -87 ? 2e-36 : 0; }},
      {"sin", UnaryOp::kSin, {}, [](double x) { return std::sin(x); }, 1.5, [](double) { return 6e-8; }},
      {"cos", UnaryOp::kCos, {}, [](double x) { return std::cos(x); }, 1.5, [](double) { return 6e-8; }},
  };
  return list;
}

/// Checks one block of inputs; returns the worst error as a multiple of the bound.
double worst_error(const MathCase& c, const std::vector<float>& x, std::vector<float>& y) {
  y.resize(x.size());
  unary_f32(c.op, c.params, x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = c.exact(x[i]);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(y[i])) << c.name << "(" << x[i] << ")";
      continue;
    }
    if (static_cast<double>(y[i]) == exact || static_cast<float>(exact) == y[i]) continue;
    const double bound = c.ulps * ulp(exact) + c.absolute(x[i]);
    const double ratio = std::fabs(y[i] - exact) / bound;
    if (!(ratio <= worst)) worst = ratio;
    if (!(ratio <= 1)) {
      ADD_FAILURE() << c.name << "(" << std::hexfloat << x[i] << std::defaultfloat << " = " << x[i] << ") is " << y[i]
                    << ", not " << exact << ": " << ratio << " bounds";
      return ratio;
    }
  }
  return worst;
}

TEST(Math, BoundsHoldOnAWalkOverTheFloats) {
  for_each_isa([&] {
    for (const MathCase& c : cases()) {
      std::vector<float> x, y;
      double worst = 0;
      for (uint64_t bits = 0; bits < 0x100000000; bits += SDX_MATH_STEP) {
        x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
        if (x.size() == 65536 || bits + SDX_MATH_STEP >= 0x100000000) {
          worst = std::max(worst, worst_error(c, x, y));
          if (worst > 1) break;
          x.clear();
        }
      }
      RecordProperty(c.name, std::to_string(worst));
      if (SDX_MATH_STEP == 1) std::printf("%-12s %.3f of its bound\n", c.name, worst);
    }
  });
}

/// Where a coarse walk sees too little: the arguments of networks.
TEST(Math, BoundsHoldOnTheUsualArguments) {
  std::vector<float> x = {0.0f,    -0.0f,  kInf,    -kInf,   std::numeric_limits<float>::quiet_NaN(),
                          88.72f,  88.73f, -87.33f, -87.34f, -103.9f,
                          -104.1f, 88.37f, 88.38f,  -88.37f, -88.38f,
                          3.93f,   9.02f,  1.0f,    -1.0f,   6000.0f,
                          6001.0f, -30.0f, 30.0f,   1e-40f,  -1e-40f,
                          3e38f,   -3e38f, 20.0f,   20.1f};
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) * 5.1e-4f);
  for_each_isa([&] {
    for (const MathCase& c : cases()) {
      std::vector<float> y;
      worst_error(c, x, y);
    }
  });
}

TEST(Math, ResultsDoNotDependOnThePositionInTheRow) {
  const std::vector<float> x = random_floats(67, 5, -8.0f, 8.0f);
  for_each_isa([&] {
    for (const MathCase& c : cases()) {
      std::vector<float> whole(x.size());
      unary_f32(c.op, c.params, x.data(), whole.data(), static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        float one;
        unary_f32(c.op, c.params, &x[i], &one, 1);
        EXPECT_EQ(std::bit_cast<uint32_t>(one), std::bit_cast<uint32_t>(whole[i])) << c.name << "(" << x[i] << ")";
      }
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
