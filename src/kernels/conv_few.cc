// Conv of few positions, as behind a pooling: output channels in the lanes of vectors, each input value one number.
#include <algorithm>

#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Groups at once, so that additions need not wait for each other.
template <int kPositions>
inline constexpr int kGroups = kPositions == 1   ? 4
                               : kPositions <= 3 ? 2
                                                 : 1;
static_assert(kGroups<1> == FewColumns::kMostGroups);

// The channels from `first` on of some groups; where there are fewer, the last is computed again.
template <int kPositions, int kCount, class D>
HWY_INLINE void sum_lanes(D d, const FewColumns& args, const FewColumns::Group* groups, int64_t count, int64_t first) {
  constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  HWY_ALIGN float lanes[kLanes] = {};
  hn::Vec<D> sum[kCount][kPositions];
  const float *weights[kCount], *column = args.columns;
  int64_t rows[kCount];
  for (int g = 0; g < kCount; ++g) {
    const FewColumns::Group& group = groups[std::min<int64_t>(g, count - 1)];
    weights[g] = group.weights + first;
    rows[g] = group.rows;
    for (int n = 0; n < kPositions; ++n) {
      for (int64_t r = first; args.accumulate && r < std::min(group.rows, first + kLanes); ++r)
        lanes[r - first] = group.acc[r * args.acc_stride + n];
      sum[g][n] = hn::Load(d, lanes);
    }
  }
  for (int64_t p = 0; p < args.depths; ++p, column += args.column_stride) {
    for (int g = 0; g < kCount; ++g) {
      const auto weight = hn::LoadU(d, weights[g]);
      for (int n = 0; n < kPositions; ++n) sum[g][n] = hn::MulAdd(weight, hn::Set(d, column[n]), sum[g][n]);
      weights[g] += rows[g];
    }
  }
  for (int g = 0; g < std::min<int64_t>(kCount, count); ++g) {
    for (int n = 0; n < kPositions; ++n) {
      hn::Store(sum[g][n], d, lanes);
      for (int64_t r = first; r < std::min(rows[g], first + kLanes); ++r)
        groups[g].acc[r * args.acc_stride + n] = lanes[r - first];
    }
  }
}

template <int kPositions>
void few_columns(const FewColumns& args) {
  const hn::CappedTag<float, 16> d;
  for (int64_t g = 0; g < args.count; g += kGroups<kPositions>) {
    const FewColumns::Group* const groups = args.group + g;
    const int64_t count = args.count - g;
    int64_t rows = 0;
    for (int64_t i = 0; i < std::min<int64_t>(kGroups<kPositions>, count); ++i) rows = std::max(rows, groups[i].rows);
    for (int64_t r = 0; r < rows; r += static_cast<int64_t>(hn::Lanes(d))) {
      if (count == 1) {
        sum_lanes<kPositions, 1>(d, args, groups, count, r);
      } else {
        sum_lanes<kPositions, kGroups<kPositions>>(d, args, groups, count, r);
      }
    }
  }
}

void columns_of(const FewColumns& args) {
  switch (args.positions) {
    case 1: return few_columns<1>(args);
    case 2: return few_columns<2>(args);
    case 3: return few_columns<3>(args);
    case 4: return few_columns<4>(args);
    case 5: return few_columns<5>(args);
    case 6: return few_columns<6>(args);
    case 7: return few_columns<7>(args);
    default: return few_columns<8>(args);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(columns_of);

// Weights of a tile, at least: more threads cost more than they save.
constexpr int64_t kWeights = 64 * 1024;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// From [channels][taps][positions] to [taps][channels][positions].
void put_taps_first(const float* from, const ConvShape& shape, float* to) {
  const int64_t taps = shape.kernel_volume(), channels = shape.in_channels / shape.groups, n = shape.out_plane();
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t t = 0; t < taps; ++t, from += n) std::copy_n(from, n, to + (t * channels + c) * n);
  }
}

}  // namespace

void conv_few_columns(const FewColumns& args) { HWY_DYNAMIC_DISPATCH(columns_of)(args); }

bool conv_few_pays(const ConvShape& shape) { return shape.out_plane() <= FewColumns::kMostPositions; }

// Tiles are groups of output channels, as many as are worth a thread.
ConvPlan conv_few_plan(const ConvShape& shape, int threads) {
  const ChannelGroups groups(shape);
  const int64_t others = shape.batch * shape.groups, depths = shape.depths();
  const int64_t worth = std::min(others * groups.channels * depths / kWeights, int64_t{4} * threads) / others;
  ConvPlan plan;
  plan.columns = ConvColumns::kFew;
  plan.pixel_block = shape.out_plane();
  plan.channel_block = ceil_div(groups.count, std::clamp<int64_t>(worth, 1, groups.count));
  plan.tiles = others * ceil_div(groups.count, plan.channel_block);
  const int64_t sums = plan.channel_block * gemm_tiles().rows;
  plan.scratch_bytes = static_cast<size_t>((2 * depths + sums) * shape.out_plane()) * sizeof(float);
  return plan;
}

void conv_few_run(const Conv& conv, const ConvPlan& plan, bool taps_first, int64_t tile_begin, int64_t tile_end,
                  float* scratch) {
  const ConvShape& shape = conv.shape;
  const ChannelGroups groups(shape);
  const int64_t positions = shape.out_plane(), depths = shape.depths(), channels = shape.in_channels / shape.groups;
  const int64_t blocks = ceil_div(groups.count, plan.channel_block);
  float *const gathered = scratch, *const turned = gathered + depths * positions;
  float* const sums = turned + depths * positions;
  ConvGather gather(shape, positions, 0);
  gather.select(0, positions);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t group = tile / blocks % shape.groups, image = tile / blocks / shape.groups;
    const int64_t first = tile % blocks * plan.channel_block, last = std::min(first + plan.channel_block, groups.count);
    const float* const x = conv.x + (image * shape.in_channels + group * channels) * shape.in_plane();
    const float* const weights = static_cast<const float*>(conv.packed) + group * groups.channels * depths;
    const float* columns = x;
    if (!shape.is_pointwise()) {
      gather.fill(x, 0, depths, gathered);
      if (taps_first) put_taps_first(gathered, shape, turned);
      columns = taps_first ? turned : gathered;
    }
    const int64_t begin = groups.begin(first);
    FewColumns args = {columns, positions, depths, positions, positions, false, {}, 0};
    for (int64_t t = first; t < last; ++t) {
      args.group[args.count++] = {weights + groups.begin(t) * depths, groups.rows(t),
                                  sums + (groups.begin(t) - begin) * positions};
      if (args.count < FewColumns::kMostGroups && t + 1 < last) continue;
      conv_few_columns(args);
      args.count = 0;
    }
    const int64_t rows = groups.begin(last) - begin;
    gemm_finish(conv_output(conv, image, group * groups.channels), {sums, positions, begin, 0, rows, positions});
  }
}

}  // namespace sdx::kernels
#endif
