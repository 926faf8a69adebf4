// Tests of kernels/attention.h against unfused attention in double precision, on every instruction set.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lanes.h"

namespace sdx::kernels {
namespace {

enum class Mask { kNone, kPerKey, kFull, kPerQuery };

struct Case {
  int64_t sq, skv, d, dv;
  Mask mask = Mask::kNone;
  Mask bias = Mask::kNone;
  Mask allowed = Mask::kNone;
  bool causal = false;
  int64_t causal_offset = 0;
  bool transposed_k = false;
  bool transposed_v = false;
  float softcap = 0;
  float masked_value = -10000.0f;  // what an excluded key has in the mask
  bool zero_masked_rows = false;
};

struct Terms {
  std::vector<float> values;
  ScoreTerm<float> term;
};

// A mask of small values, with about a quarter of the entries at `masked`, and every entry of query row 1 as well.
Terms make_terms(Mask kind, const Case& at, uint32_t seed, float masked) {
  Terms terms;
  if (kind == Mask::kNone) return terms;
  terms.values = random_floats(at.sq * at.skv + 7, seed);
  for (float& value : terms.values) {
    if (value > 0.5f) value = masked;
  }
  const int64_t row = kind == Mask::kFull ? at.skv : kind == Mask::kPerQuery ? 1 : 0;
  if (kind == Mask::kFull && at.sq > 1) std::fill_n(terms.values.begin() + at.skv, at.skv, masked);
  terms.term = {terms.values.data(), row, kind == Mask::kPerQuery ? 0 : 1};
  return terms;
}

double score_of(const Case& at, const AttentionShape& shape, const AttentionHead& head, int64_t i, int64_t j) {
  double dot = 0;
  for (int64_t p = 0; p < at.d; ++p) {
    dot += static_cast<double>(head.q.data[i * head.q.row_stride + p * head.q.column_stride]) *
           head.k.data[j * head.k.row_stride + p * head.k.column_stride];
  }
  double score = dot * shape.scale;
  if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
  // The sum with the masks is rounded as the unfused graph rounds it.
  float rounded = static_cast<float>(score);
  if (head.mask.data) rounded += head.mask.data[i * head.mask.row_stride + j * head.mask.column_stride];
  if (head.bias.data) rounded += head.bias.data[i * head.bias.row_stride + j * head.bias.column_stride];
  const ScoreTerm<uint8_t>& allowed = head.allowed;
  if (allowed.data && allowed.data[i * allowed.row_stride + j * allowed.column_stride] == 0) return -HUGE_VAL;
  if (shape.causal && j > i + shape.causal_offset) return -HUGE_VAL;
  return rounded;
}

std::vector<double> expected_row(const Case& at, const AttentionShape& shape, const AttentionHead& head, int64_t i) {
  std::vector<double> scores(static_cast<size_t>(at.skv));
  double largest = -HUGE_VAL;
  for (int64_t j = 0; j < at.skv; ++j) {
    scores[j] = score_of(at, shape, head, i, j);
    largest = std::max(largest, scores[j]);
  }
  std::vector<double> out(static_cast<size_t>(at.dv), 0.0);
  if (largest == -HUGE_VAL && (at.zero_masked_rows || at.skv == 0)) return out;
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (int64_t c = 0; c < at.dv; ++c) {
    for (int64_t j = 0; j < at.skv; ++j) {
      out[c] += scores[j] / sum * head.v.data[j * head.v.row_stride + c * head.v.column_stride];
    }
  }
  return out;
}

void check(const Case& at) {
  SCOPED_TRACE(testing::Message() << "sq=" << at.sq << " skv=" << at.skv << " d=" << at.d << " dv=" << at.dv
                                  << " mask=" << static_cast<int>(at.mask) << " bias=" << static_cast<int>(at.bias)
                                  << " allowed=" << static_cast<int>(at.allowed) << " causal=" << at.causal
                                  << " transposed=" << at.transposed_k << at.transposed_v);
  AttentionShape shape;
  shape.sq = at.sq;
  shape.skv = at.skv;
  shape.d = at.d;
  shape.dv = at.dv;
  shape.scale = 0.3f;
  shape.softcap = at.softcap;
  shape.causal = at.causal;
  shape.causal_offset = at.causal_offset;
  shape.zero_masked_rows = at.zero_masked_rows;
  const int64_t pad = 3;
  const std::vector<float> q = random_floats(at.sq * (at.d + pad), 1);
  const std::vector<float> k = random_floats((at.skv + pad) * (at.d + pad), 2);
  const std::vector<float> v = random_floats((at.skv + pad) * (at.dv + pad), 3);
  const Terms mask = make_terms(at.mask, at, 4, at.masked_value);
  const Terms bias = make_terms(at.bias, at, 5, 0.25f);
  std::vector<uint8_t> allowed(static_cast<size_t>(at.sq * at.skv));
  for (size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 5 != 0;
  AttentionHead head;
  head.q = {q.data(), at.d + pad, 1};
  head.k = at.transposed_k ? MatrixView{k.data(), 1, at.skv + pad} : MatrixView{k.data(), at.d + pad, 1};
  head.v = at.transposed_v ? MatrixView{v.data(), 1, at.skv + pad} : MatrixView{v.data(), at.dv + pad, 1};
  head.mask = mask.term;
  head.bias = bias.term;
  if (at.allowed != Mask::kNone) head.allowed = {allowed.data(), at.allowed == Mask::kFull ? at.skv : 0, 1};
  const int64_t out_stride = at.dv + 2;
  std::vector<float> out(static_cast<size_t>(at.sq * out_stride), 77.0f);
  head.out = out.data();
  head.out_stride = out_stride;
  std::vector<float> scratch(attention_scratch_bytes(shape) / sizeof(float) + 16, std::nanf(""));
  const int64_t block = attention_row_block(shape);
  for (int64_t row = 0; row < at.sq; row += block) {
    attention_run(shape, head, row, std::min(at.sq, row + block), scratch.data());
  }
  for (int64_t i = 0; i < at.sq; ++i) {
    const std::vector<double> expected = expected_row(at, shape, head, i);
    for (int64_t c = 0; c < at.dv; ++c) {
      const float got = out[i * out_stride + c];
      if (std::isnan(expected[c])) {
        ASSERT_TRUE(std::isnan(got)) << i << "," << c << " is " << got;
      } else {
        ASSERT_NEAR(got, expected[c], 3e-6) << "query " << i << " column " << c;
      }
    }
    for (int64_t c = at.dv; c < out_stride; ++c) ASSERT_EQ(out[i * out_stride + c], 77.0f) << "wrote past row " << i;
  }
}

TEST(Attention, OddShapesAndLayouts) {
  for_each_isa([] {
    for (const Case& shape :
         {Case{1, 1, 1, 1}, Case{1, 77, 64, 64}, Case{3, 300, 40, 80}, Case{9, 5, 3, 7}, Case{6, 101, 70, 81},
          Case{24, 33, 64, 64}, Case{25, 33, 64, 64}, Case{40, 40, 64, 64}, Case{33, 530, 17, 19},
          Case{70, 530, 50, 90}, Case{300, 70, 8, 33}, Case{12, 64, 160, 5}}) {
      for (bool tk : {false, true}) {
        for (bool tv : {false, true}) {
          Case at = shape;
          at.transposed_k = tk;
          at.transposed_v = tv;
          check(at);
        }
      }
    }
  });
}

TEST(Attention, MasksOfEveryKind) {
  for_each_isa([] {
    for (const Case& shape : {Case{2, 90, 16, 16}, Case{37, 300, 16, 20}, Case{37, 300, 64, 40}}) {
      for (Mask mask : {Mask::kPerKey, Mask::kFull, Mask::kPerQuery}) {
        for (float value : {-10000.0f, -3.4028235e38f, -HUGE_VALF}) {
          for (Mask bias : {Mask::kNone, Mask::kFull}) {
            Case at = shape;
            at.mask = mask;
            at.bias = bias;
            at.masked_value = value;
            check(at);
            at.zero_masked_rows = true;
            check(at);
          }
        }
      }
      for (Mask allowed : {Mask::kPerKey, Mask::kFull}) {
        Case at = shape;
        at.allowed = allowed;
        check(at);
        at.mask = Mask::kFull;
        check(at);
      }
    }
  });
}

TEST(Attention, Causal) {
  for_each_isa([] {
    for (int64_t offset : {0, 5, 300, -3}) {
      for (const Case& shape : {Case{3, 8, 16, 16}, Case{64, 64, 16, 16}, Case{290, 300, 16, 16}, Case{40, 340, 8, 8},
                                Case{290, 300, 48, 64}}) {
        Case at = shape;
        at.causal = true;
        at.causal_offset = offset;
        check(at);
        at.mask = Mask::kFull;
        check(at);
      }
    }
  });
}

TEST(Attention, Softcap) {
  for_each_isa([] {
    for (int64_t sq : {1, 40}) {
      Case at = {sq, 100, 16, 16};
      at.softcap = 2.0f;
      check(at);
    }
  });
}

TEST(Attention, NoKeysGiveZeros) {
  for_each_isa([] {
    check({1, 0, 8, 8});
    check({20, 0, 8, 8});
  });
}

}  // namespace
}  // namespace sdx::kernels
