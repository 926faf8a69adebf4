// CandidateMatMul: the head of a language model for a search that chooses among its largest results.
#include <algorithm>
#include <functional>

#include "kernels/maxima.h"
#include "ops/family.h"
#include "ops/op_table.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

using kernels::WeightType;

struct CandidateMatMulAttrs {
  int64_t k = 0, n = 0;
  float alpha = 1;
  int64_t exact = 64;  ///< results of a row that get all bytes of their weights, at least
  bool operator==(const CandidateMatMulAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("k", &CandidateMatMulAttrs::k), required("n", &CandidateMatMulAttrs::n),
                      field("alpha", &CandidateMatMulAttrs::alpha), field("exact", &CandidateMatMulAttrs::exact)};
  }
};

/// y = alpha x W + bias for x [..., k], W [k, n] that PackMatrix made with `split` and `apart`, and bias [n]. From two
/// of the three bytes of each weight; the largest of each row, `exact` or more, from all three.
void infer_candidates(InferContext& c) {
  const auto& a = c.attrs<CandidateMatMulAttrs>();
  c.require_dtype(0, {DType::kF32});
  c.require_dtype(1, {DType::kU8});
  c.require_rank(0, 1);
  if (a.k < 0 || a.n < 0) c.invalid("attributes 'k' and 'n' are ", a.k, " and ", a.n, " but must be >= 0");
  if (a.exact < 1) c.invalid("attribute 'exact' is ", a.exact, " but must be >= 1");
  if (!kernels::gemm_splits()) c.invalid("split weights, but the instruction set in use does not multiply bytes");
  if (c.input(1).shape.has_rank()) {
    const auto bytes = static_cast<int64_t>(kernels::gemm_packed_bytes(a.k, a.n, WeightType::kSplitApart));
    c.require_equal(c.input(1).shape.count(), bytes,
                    "the bytes of the packed weights and those of this instruction set");
  }
  if (c.has(2) && c.input(2).shape.has_rank())
    c.require_equal(c.input(2).shape.count(), a.n, "the sizes of the bias and the product");
  Shape out = c.input(0).shape;
  if (out.has_rank()) {
    c.require_equal(out[out.rank() - 1], a.k, "the inner sizes of a matrix product");
    out[out.rank() - 1] = a.n;
  }
  c.set(0, DType::kF32, std::move(out));
}

/// Memory in which a worker finds the largest elements of a row [n].
struct Finder {
  int64_t n;
  int64_t blocks = (n + kernels::kMaximaBlock - 1) / kernels::kMaximaBlock;
  float *maxima = nullptr, *order = nullptr;  ///< [blocks]
  int32_t* found = nullptr;                   ///< [n]

  int64_t floats() const { return 2 * blocks + n; }
  void place(float* memory) {
    maxima = memory;
    order = maxima + blocks;
    found = reinterpret_cast<int32_t*>(order + blocks);
  }

  /// The columns of the `count` largest and of all that are not less than the count-th largest of the blocks' maxima.
  int64_t find(const float* row, int64_t count) const {
    kernels::block_maxima(row, n, maxima, 0, blocks);
    std::copy_n(maxima, blocks, order);
    const int64_t last = std::min(count, blocks) - 1;
    std::nth_element(order, order + last, order + blocks, std::greater());
    const float least = count <= blocks ? order[last] : -std::numeric_limits<float>::infinity();
    int64_t size = 0;
    for (int64_t block = 0; block < blocks; ++block) {
      if (maxima[block] < least) continue;
      const int64_t end = std::min(n, (block + 1) * kernels::kMaximaBlock);
      for (int64_t i = block * kernels::kMaximaBlock; i < end; ++i) {
        if (row[i] >= least) found[size++] = static_cast<int32_t>(i);
      }
    }
    return size;
  }
};

void run_candidates(RunContext& c) {
  const auto& a = c.attrs<CandidateMatMulAttrs>();
  const ConstView x = c.input(0);
  kernels::Gemm gemm{.m = x.extents.product(0, x.rank() - 1), .n = a.n, .k = a.k};
  if (gemm.m == 0 || gemm.n == 0) return;
  gemm.a = {x.as<float>(), a.k, 1};
  gemm.packed_b = c.input(1).data;
  gemm.packed_type = WeightType::kSplitApart;
  gemm.c = c.output(0).as<float>();
  gemm.c_stride = a.n;
  gemm.epilogue.alpha = a.alpha;
  if (c.has_input(2)) gemm.epilogue.column_bias = c.input(2).as<float>();
  split_rows(c, gemm);
  run_product(c, gemm);
  Finder finder{.n = a.n};
  auto* memory = c.scratch<float>(finder.floats() * c.parallel().threads());
  c.parallel().run(gemm.m, 1, [&](int64_t begin, int64_t end, int worker) {
    Finder mine = finder;
    mine.place(memory + worker * finder.floats());
    for (int64_t row = begin; row < end; ++row) {
      const int64_t count = mine.find(gemm.c + row * gemm.c_stride, a.exact);
      kernels::gemm_add_lowest(gemm, row, mine.found, count);
    }
  });
}

const Op kFamily[] = {
    {.domain = kOwnDomain,
     .name = "CandidateMatMul",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<CandidateMatMulAttrs>,
     .infer = infer_candidates,
     .run = run_candidates,
     .traits = {.row_local = true},
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> candidate_matmul_family() { return kFamily; }

}  // namespace sdx::ops
