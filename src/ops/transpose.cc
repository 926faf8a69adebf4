// Transpose: axes in another order.
#include <numeric>

#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct TransposeAttrs {
  std::optional<std::vector<int64_t>> perm;
  bool operator==(const TransposeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("perm", &TransposeAttrs::perm)}; }
};

/// The input axis that becomes output axis `i`.
int source(const TransposeAttrs& a, int rank, int i) {
  return a.perm ? static_cast<int>((*a.perm)[static_cast<size_t>(i)]) : rank - 1 - i;
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const Strides from = strides_of(x.extents);
  Box box{y.extents, {}, strides_of(y.extents)};
  for (int i = 0; i < y.rank(); ++i) {
    box.from[static_cast<size_t>(i)] = from[static_cast<size_t>(source(c.attrs<TransposeAttrs>(), y.rank(), i))];
  }
  copy_box(c.parallel(), x.dtype, x.data, y.data, box);
}

void infer(InferContext& c) {
  const auto& perm = c.attrs<TransposeAttrs>().perm;
  const Fact& x = c.input(0);
  const int rank = x.shape.has_rank() ? x.rank() : perm ? static_cast<int>(perm->size()) : -1;
  if (rank < 0) return c.set(0, x.dtype, Shape());
  if (perm) {
    std::vector<int64_t> sorted = *perm;
    std::ranges::sort(sorted);
    std::vector<int64_t> all(static_cast<size_t>(rank));
    std::iota(all.begin(), all.end(), 0);
    if (sorted != all) c.invalid("attribute 'perm' must hold each of the ", rank, " axes once");
  }
  if (!x.shape.has_rank()) return c.set(0, x.dtype, c.fresh_shape(rank));
  std::vector<Dim> out;
  for (int i = 0; i < rank; ++i) out.push_back(x.shape[source(c.attrs<TransposeAttrs>(), rank, i)]);
  c.set(0, x.dtype, std::move(out));
  move_values(c, 1, run);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Transpose",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<TransposeAttrs>,
     .infer = infer,
     .run = run},
};

}  // namespace

std::span<const Op> transpose_family() { return kFamily; }

}  // namespace sdx::ops
