// Packed products and convolutions give what the operators that they replace give.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "ir/evaluate.h"
#include "ops/family.h"
#include "ops/op_table.h"

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

/// All outputs of a node.
std::vector<Tensor> run_all(const ir::Op& op, const ir::Attrs& attrs, const std::vector<Tensor>& inputs, int outputs) {
  std::vector<ir::Slot> slots(inputs.size() + static_cast<size_t>(outputs));
  std::vector<ir::Slot*> in, out;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (i >= inputs.size()) {
      out.push_back(&slots[i]);
    } else {
      if (inputs[i].defined()) ir::fill(slots[i], inputs[i]);
      in.push_back(inputs[i].defined() ? &slots[i] : nullptr);
    }
  }
  ir::PlainHost host;
  ir::run_concrete({op, attrs, {}}, in, out, host, Parallel(2));
  std::vector<Tensor> results;
  for (const ir::Slot* slot : out) results.push_back(ir::to_value(*slot).tensor());
  return results;
}

TEST(PackedMatMulGroup, GivesTheBitsOfItsProducts) {
  const auto &pack = get("PackMatrix", kOwnDomain), &packed = get("PackedMatMul", kOwnDomain);
  const auto& group = get("PackedMatMulGroup", kOwnDomain);
  const int64_t k = 70, n = 50;
  for (const bool split : {false, true}) {
    if (split && !has_fast_bytes(true)) continue;
    for (const Extents& shape : {Extents{1, k}, Extents{2, 3, k}, Extents{1, 150, k}, Extents{0, k}}) {
      const ir::AttrMap attrs = {{"k", k}, {"n", n}, {"split", int64_t{split}}, {"alpha", 0.5f}};
      ir::AttrMap of_group = attrs;
      of_group["count"] = int64_t{3};
      const Tensor x = random_tensor(shape, 1);
      std::vector<Tensor> inputs = {x}, expected;
      for (unsigned i = 0; i < 3; ++i) {
        const Tensor w = run(pack, parse(pack, {{"split", int64_t{split}}}), {random_tensor({k, n}, 2 + i)});
        const Tensor bias = i == 1 ? Tensor() : random_tensor({n}, 5 + i);
        inputs.insert(inputs.end(), {w, bias});
        std::vector<Tensor> of_one = {x, w};
        if (bias.defined()) of_one.push_back(bias);
        expected.push_back(run(packed, parse(packed, attrs), of_one));
      }
      EXPECT_EQ(run_all(group, parse(group, of_group), inputs, 3), expected) << shape.text() << " split " << split;
    }
  }
}

TEST(PackedMatMulGroup, RefusesWhatDoesNotFit) {
  const auto& group = get("PackedMatMulGroup", kOwnDomain);
  const Tensor x = random_tensor({2, 4}, 1), w(DType::kU8, {64});
  const ir::AttrMap attrs = {{"k", int64_t{4}}, {"n", int64_t{4}}, {"count", int64_t{2}}};
  EXPECT_THROW(run_all(group, parse(group, attrs), {x, w, {}, w, {}}, 2), Error);     // bytes
  EXPECT_THROW(run_all(group, parse(group, attrs), {x, w, {}}, 2), Error);            // missing weights
  EXPECT_THROW(run_all(group, parse(group, attrs), {x, w, {}, w, {}}, 1), Error);     // outputs
  EXPECT_THROW(run_all(group, parse(group, attrs), {x, w, {}, w, {}, w}, 2), Error);  // inputs
}

/// The greatest difference from `expected` among the `count` largest of each row, and among the others.
std::pair<float, float> differences(const Tensor& y, const Tensor& expected, int64_t count) {
  const int64_t n = expected.extents().back();
  float largest = 0, others = 0;
  for (int64_t row = 0; row < expected.extents().count() / n; ++row) {
    const float *at = y.as<float>() + row * n, *wanted = expected.as<float>() + row * n;
    std::vector<float> order(wanted, wanted + n);
    std::ranges::sort(order, std::greater());
    const float least = order[static_cast<size_t>(std::min(count, n) - 1)];
    for (int64_t i = 0; i < n; ++i) {
      float& difference = wanted[i] >= least ? largest : others;
      difference = std::max(difference, std::abs(at[i] - wanted[i]));
    }
  }
  return {largest, others};
}

TEST(CandidateMatMul, HasTheLargestExactlyAndTheOthersClosely) {
  if (!has_fast_bytes(true)) GTEST_SKIP() << "this machine does not multiply bytes";
  const auto &pack = get("PackMatrix", kOwnDomain), &candidates = get("CandidateMatMul", kOwnDomain);
  const auto& packed = get("PackedMatMul", kOwnDomain);
  const int64_t k = 200, exact = 20;
  const ir::AttrMap whole = {{"split", int64_t{1}}}, apart = {{"split", int64_t{1}}, {"apart", int64_t{1}}};
  for (int64_t n : {1, 30, 1000, 5000}) {
    for (int64_t rows : {1, 3, 4, 50}) {
      SCOPED_TRACE(testing::Message() << "n=" << n << " rows=" << rows);
      const Tensor x = random_tensor({1, rows, k}, 1), w = random_tensor({k, n}, 2), bias = random_tensor({n}, 3);
      const ir::AttrMap sizes = {{"k", k}, {"n", n}, {"alpha", 0.5f}};
      ir::AttrMap of_packed = sizes, of_candidates = sizes;
      of_packed["split"] = int64_t{1};
      of_candidates["exact"] = exact;
      const Tensor expected = run(packed, parse(packed, of_packed), {x, run(pack, parse(pack, whole), {w}), bias});
      const Tensor weights = run(pack, parse(pack, apart), {w});
      const Tensor y = run(candidates, parse(candidates, of_candidates), {x, weights, bias});
      const auto [largest, others] = differences(y, expected, exact);
      EXPECT_LE(largest, 2e-6f);
      EXPECT_LE(others, 1e-3f);
      if (n == 5000) {
        EXPECT_GT(others, 2e-6f) << "nothing was left out";
      }
      EXPECT_EQ(run(candidates, parse(candidates, of_candidates), {x, weights, bias}, 1), y) << "depends on threads";
    }
  }
}

TEST(CandidateMatMul, GivesARowTheSameBitsInAnyBatch) {
  if (!has_fast_bytes(true)) GTEST_SKIP() << "this machine does not multiply bytes";
  const auto &pack = get("PackMatrix", kOwnDomain), &candidates = get("CandidateMatMul", kOwnDomain);
  const int64_t k = 130, n = 3000, rows = 21;
  const Tensor x = random_tensor({rows, k}, 4);
  const Tensor weights =
      run(pack, parse(pack, {{"split", int64_t{1}}, {"apart", int64_t{1}}}), {random_tensor({k, n}, 5)});
  const auto attrs = parse(candidates, {{"k", k}, {"n", n}});
  const Tensor together = run(candidates, attrs, {x, weights});
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<float> values(x.as<float>() + row * k, x.as<float>() + (row + 1) * k);
    const Tensor alone = run(candidates, attrs, {Tensor::from<float>({1, k}, values), weights});
    EXPECT_EQ(std::memcmp(alone.as<float>(), together.as<float>() + row * n, sizeof(float) * n), 0) << row;
  }
}

TEST(CandidateMatMul, LeavesWhatIsNoNumber) {
  if (!has_fast_bytes(true)) GTEST_SKIP() << "this machine does not multiply bytes";
  const auto &pack = get("PackMatrix", kOwnDomain), &candidates = get("CandidateMatMul", kOwnDomain);
  const int64_t k = 64, n = 100;
  Tensor x = random_tensor({2, k}, 6), w = random_tensor({k, n}, 7);
  std::fill_n(x.mutable_view().as<float>(), k, std::nanf(""));
  for (int64_t p = 0; p < k; ++p) w.mutable_view().as<float>()[p * n + 9] = HUGE_VALF;
  const Tensor weights = run(pack, parse(pack, {{"split", int64_t{1}}, {"apart", int64_t{1}}}), {w});
  const Tensor y = run(candidates, parse(candidates, {{"k", k}, {"n", n}}), {x, weights});
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_TRUE(std::isnan(y.as<float>()[i])) << i;
    EXPECT_EQ(std::isnan(y.as<float>()[n + i]), i == 9) << i;
  }
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
