// Products: splitting batches of matrix products over threads.
#include "ops/product.h"

#include <algorithm>

namespace sdx::ops {

using kernels::Gemm;
using kernels::GemmPlan;

int64_t Operand::offset(int64_t index, const std::vector<int64_t>& full) const {
  int64_t at = 0;
  const size_t shift = full.size() - batch.size();
  for (size_t axis = full.size(); axis-- > shift;) {
    const int64_t i = index % full[axis];
    index /= full[axis];
    if (batch[axis - shift] != 1) at += i * batch_strides[axis - shift];
  }
  return at;
}

bool Operand::has_one_matrix() const {
  return std::ranges::all_of(batch, [](int64_t size) { return size == 1; });
}

void run_products(const ir::RunContext& c, const Gemm& gemm, int64_t batch, PlaceProduct place) {
  const Parallel& parallel = c.parallel();
  const GemmPlan plan = kernels::gemm_plan(gemm, batch >= 4 * parallel.threads() ? 1 : parallel.threads());
  const int64_t tiles = plan.tiles();
  if (tiles == 0 || batch == 0) return;
  const auto stride = static_cast<int64_t>((plan.scratch_bytes + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(stride * parallel.threads());
  const bool keeps = gemm.packed_b != nullptr && gemm.packed_a == nullptr && gemm.split_a == nullptr;
  for (int worker = 0; keeps && worker < parallel.threads(); ++worker) kernels::gemm_begin(scratch + worker * stride);
  const int64_t cost = gemm.m * gemm.n * std::max<int64_t>(gemm.k, 1) / tiles;
  parallel.run(batch * tiles, grain_of_tiles(batch * tiles, cost), [&](int64_t begin, int64_t end, int worker) {
    for (int64_t at = begin; at < end;) {
      const int64_t index = at / tiles, first = at % tiles;
      const int64_t last = std::min(tiles, first + end - at);
      Gemm one = gemm;
      one.keep_rows = keeps;
      place(index, one);
      kernels::gemm_run(one, plan, first, last, scratch + worker * stride);
      at += last - first;
    }
  });
}

namespace {

// Pieces that a worker's share of a product is cut into, so that others can help one that is held up.
constexpr int kPieces = 3;

// Whether products that read the same A are worth cutting by the speeds of workers.
bool worth_sharing(const Gemm& gemm, int64_t count, const GemmPlan& plan, int threads) {
  constexpr int64_t kFewestRows = 8, kWork = int64_t{1} << 20;
  return threads > 1 && gemm.packed_b != nullptr && !kernels::is_split(gemm.packed_type) && gemm.m >= kFewestRows &&
         gemm.m * gemm.n * gemm.k * count >= kWork * threads && kernels::gemm_row_groups(gemm, plan, threads) == 0;
}

void run_shares(const ir::RunContext& c, const Gemm& gemm, int64_t count, PlaceProduct place) {
  const Parallel& parallel = c.parallel();
  const Shares shares = parallel.shares();
  const auto stride = static_cast<int64_t>((kernels::gemm_share_bytes(gemm) + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(stride * parallel.threads());
  for (int worker = 0; worker < parallel.threads(); ++worker) kernels::gemm_begin(scratch + worker * stride);
  parallel.run_shares(shares, static_cast<int>(count) * kPieces, [&](int share, int piece, int worker) {
    Gemm one = gemm;
    one.keep_rows = true;
    place(piece / kPieces, one);
    kernels::gemm_run_share(one, kernels::gemm_share(one, shares, share), piece % kPieces, kPieces,
                            scratch + worker * stride);
  });
}

}  // namespace

void split_rows(const ir::RunContext& c, Gemm& gemm) {
  const int64_t groups = kernels::gemm_split_groups(gemm.m);
  if (groups == 0) return;
  auto* split = c.scratch<std::byte>(static_cast<int64_t>(kernels::gemm_split_bytes(gemm.m, gemm.k)));
  c.parallel().run(groups, grain_for(gemm.k * gemm.m / groups),
                   [&](int64_t begin, int64_t end, int) { kernels::gemm_split_a(gemm, begin, end, split); });
  gemm.split_a = split;
}

void run_products_of_one(const ir::RunContext& c, Gemm gemm, int64_t count, PlaceProduct place) {
  if (gemm.packed_b != nullptr && kernels::is_split(gemm.packed_type) && gemm.split_a == nullptr) split_rows(c, gemm);
  GemmPlan plan = kernels::gemm_plan(gemm, c.parallel().threads());
  if (gemm.packed_b == nullptr && plan.row_blocks > 1 && gemm.k > 0) {
    auto* packed = c.scratch<std::byte>(
        static_cast<int64_t>(kernels::gemm_packed_bytes(gemm.k, gemm.n, kernels::WeightType::kF32)));
    const kernels::WeightView view{gemm.b.data, kernels::WeightType::kF32, gemm.b.row_stride, gemm.b.column_stride};
    const int64_t panels = kernels::gemm_panels(gemm.n);
    c.parallel().run(panels, grain_for(gemm.k * gemm.n / panels), [&](int64_t begin, int64_t end, int) {
      kernels::gemm_pack_b(view, gemm.k, gemm.n, kernels::WeightType::kF32, begin, end, packed);
    });
    gemm.packed_b = packed;
    plan = kernels::gemm_plan(gemm, c.parallel().threads());
  }
  if (worth_sharing(gemm, count, plan, c.parallel().threads())) return run_shares(c, gemm, count, place);
  if (const int64_t groups = kernels::gemm_row_groups(gemm, plan, c.parallel().threads());
      groups > 0 && gemm.split_a == nullptr) {
    auto* packed = c.scratch<float>(kernels::gemm_row_floats(gemm, plan));
    c.parallel().run(groups, grain_for(gemm.k * gemm.m / groups),
                     [&](int64_t begin, int64_t end, int) { kernels::gemm_pack_rows(gemm, plan, begin, end, packed); });
    gemm.packed_a = packed;
  }
  run_products(c, gemm, count, place);
}

void run_product(const ir::RunContext& c, Gemm gemm) {
  run_products_of_one(c, gemm, 1, [](int64_t, Gemm&) {});
}

}  // namespace sdx::ops
