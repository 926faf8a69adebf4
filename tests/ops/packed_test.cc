// Packed products and convolutions give what the operators that they replace give.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ir/evaluate.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

Tensor random_tensor(const Extents& extents, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Tensor t(DType::kF32, extents);
  std::generate_n(t.mutable_view().as<float>(), extents.count(), [&] { return uniform(random); });
  return t;
}

Tensor run(const ir::Op& op, const ir::Attrs& attrs, const std::vector<Tensor>& inputs, int threads = 2) {
  std::vector<ir::Slot> slots(inputs.size() + 1);
  std::vector<ir::Slot*> in, out{&slots.back()};
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].defined()) ir::fill(slots[i], inputs[i]);
    in.push_back(inputs[i].defined() ? &slots[i] : nullptr);
  }
  ir::PlainHost host;
  ir::run_concrete({op, attrs, {}}, in, out, host, Parallel(threads));
  return ir::to_value(slots.back()).tensor();
}

ir::Attrs parse(const ir::Op& op, ir::AttrMap map) { return op.parse(map); }

void expect_close(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.extents(), b.extents());
  for (int64_t i = 0; i < a.extents().count(); ++i) EXPECT_NEAR(a.as<float>()[i], b.as<float>()[i], 2e-5) << i;
}

/// silu(0.5 x w + bias) + residual, by MatMul and plain loops.
Tensor by_matmul(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual) {
  Tensor y = run(get("MatMul"), ir::Attrs(), {x, w});
  float* out = y.mutable_view().as<float>();
  for (int64_t i = 0; i < y.extents().count(); ++i) {
    const float v = 0.5f * out[i] + bias.as<float>()[i % bias.extents()[0]];
    out[i] = v / (1 + std::exp(-v)) + residual.as<float>()[i];
  }
  return y;
}

TEST(PackedMatMul, EqualsMatMulWithItsEpilogue) {
  const auto &pack = get("PackMatrix", kOwnDomain), &packed = get("PackedMatMul", kOwnDomain);
  const Extents shapes[] = {{1, 1, 5}, {2, 3, 40}, {1, 150, 33}};
  for (const Extents& shape : shapes) {
    for (int64_t n : {1, 7, 70}) {
      const int64_t k = shape[2];
      const Tensor x = random_tensor(shape, 1), bias = random_tensor({n}, 2);
      const Tensor w = random_tensor({k, n}, 3), residual = random_tensor({shape[0], shape[1], n}, 4);
      Tensor transposed(DType::kF32, {n, k});
      for (int64_t i = 0; i < n * k; ++i) {
        transposed.mutable_view().as<float>()[i] = w.as<float>()[i % k * n + i / k];
      }
      const auto attrs = parse(packed, {{"k", k}, {"n", n}, {"alpha", 0.5f}, {"activation", std::string("Silu")}});
      const Tensor expected = by_matmul(x, w, bias, residual);
      const Tensor plain = run(pack, parse(pack, {}), {w});
      expect_close(run(packed, attrs, {x, plain, bias, residual}), expected);
      const Tensor other = run(pack, parse(pack, {{"transposed", int64_t{1}}}), {transposed});
      EXPECT_EQ(other, plain);
    }
  }
}

TEST(PackedMatMul, RefusesWeightsOfOtherSizes) {
  const auto& packed = get("PackedMatMul", kOwnDomain);
  const auto attrs = parse(packed, {{"k", int64_t{4}}, {"n", int64_t{4}}});
  EXPECT_THROW(run(packed, attrs, {random_tensor({2, 4}, 1), Tensor(DType::kU8, {64})}), Error);
}

void expect_packed_conv(ir::AttrMap window, const Extents& image, const Extents& filters, int64_t group) {
  const auto &pack = get("PackConvWeights", kOwnDomain), &packed = get("PackedConv", kOwnDomain);
  const Tensor x = random_tensor(image, 5), w = random_tensor(filters, 6), bias = random_tensor({filters[0]}, 7);
  window["group"] = group;
  const Tensor expected = run(get("Conv"), parse(get("Conv"), window), {x, w, bias});
  window["channels"] = image[1];
  window["filters"] = filters[0];
  window["kernel_shape"] = std::vector<int64_t>(filters.begin() + 2, filters.end());
  const Tensor weights = run(pack, parse(pack, window), {w});
  expect_close(run(packed, parse(packed, window), {x, weights, bias}), expected);
}

TEST(PackedConv, EqualsConv) {
  const std::vector<int64_t> ones{1, 1, 1, 1}, two{2, 2};
  expect_packed_conv({{"pads", ones}}, {2, 3, 9, 8}, {5, 3, 3, 3}, 1);
  expect_packed_conv({{"pads", ones}, {"strides", two}}, {1, 4, 9, 8}, {6, 2, 3, 3}, 2);
  expect_packed_conv({{"pads", ones}, {"dilations", two}}, {1, 4, 9, 8}, {4, 1, 3, 3}, 4);
  expect_packed_conv({}, {2, 8, 5, 5}, {17, 8, 1, 1}, 1);
  expect_packed_conv({{"auto_pad", std::string("SAME_UPPER")}}, {1, 3, 20}, {4, 3, 4}, 1);
}

}  // namespace
}  // namespace sdx::ops
