// Int8 tiles by Highway: bytes widened to 16 bits and multiplied in pairs, so that nothing saturates.
#include "kernels/gemm_int8_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using I32 = hn::ScalableTag<int32_t>;
using I16 = hn::RepartitionToNarrow<I32>;
using V32 = hn::Vec<I32>;
using V16 = hn::Vec<I16>;

constexpr int kVectors = 2;

// acc + the products of the two 16-bit halves of each 32-bit lane.
HWY_INLINE V32 multiply_pairs(V16 a, V16 b, V32 acc) {
#if HWY_ARCH_X86
  V32 unused = hn::Zero(I32());
  return hn::ReorderWidenMulAccumulate(I32(), a, b, acc, unused);
#else
  const I32 d;
  const V32 a32 = hn::BitCast(d, a);
  const V32 b32 = hn::BitCast(d, b);
  const V32 high = hn::Mul(hn::ShiftRight<16>(a32), hn::ShiftRight<16>(b32));
  const V32 low = hn::Mul(hn::ShiftRight<16>(hn::ShiftLeft<16>(a32)), hn::ShiftRight<16>(hn::ShiftLeft<16>(b32)));
  return hn::Add(acc, hn::Add(high, low));
#endif
}

template <int kRows>
void tile(const Int8TileArgs& args) {
  const I32 d;
  const I16 d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V32 acc[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) acc[i][j] = hn::Zero(d);
  }
  for (int64_t p = 0; p < args.quads; ++p) {
    V16 even[kVectors];
    V16 odd[kVectors];
    for (int j = 0; j < kVectors; ++j) {
      const auto* from = reinterpret_cast<const int32_t*>(args.b + (p * kVectors + j) * lanes);
      const V16 bytes = hn::BitCast(d16, hn::LoadU(d, from));
      even[j] = hn::ShiftRight<8>(hn::ShiftLeft<8>(bytes));
      odd[j] = hn::ShiftRight<8>(bytes);
    }
    for (int i = 0; i < kRows; ++i) {
      const uint32_t quad = args.a[p * kRows + i];
      const V16 low = hn::BitCast(d16, hn::Set(d, static_cast<int32_t>(quad & 0x00FF00FFu)));
      const V16 high = hn::BitCast(d16, hn::Set(d, static_cast<int32_t>(quad >> 8 & 0x00FF00FFu)));
      for (int j = 0; j < kVectors; ++j) {
        acc[i][j] = multiply_pairs(high, odd[j], multiply_pairs(low, even[j], acc[i][j]));
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) hn::StoreU(acc[i][j], d, args.acc + (i * kVectors + j) * lanes);
  }
}

const Int8Tiles& portable_tiles() {
  static const Int8Tiles tiles = {hwy::TargetName(HWY_TARGET), 4, {nullptr, &tile<1>, &tile<2>, &tile<3>, &tile<4>}};
  return tiles;
}

void correct(const Int8Correction& args) {
  const I32 d;
  const hn::RebindToFloat<I32> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < args.rows; ++i) {
    const V32 a_zero = hn::Set(d, args.a_zero[i]);
    // row_sum - k a_zero, so that one product with b_zero covers both terms.
    const uint32_t shifted =
        static_cast<uint32_t>(args.row_sum[i]) - static_cast<uint32_t>(args.k) * static_cast<uint32_t>(args.a_zero[i]);
    const V32 row = hn::Set(d, static_cast<int32_t>(shifted));
    const int32_t* acc = args.acc + i * args.columns;
    int32_t* out = args.out + i * args.out_stride;
    for (int64_t j = 0; j < args.columns; j += lanes) {
      V32 x = hn::Sub(hn::LoadU(d, acc + j), hn::Mul(a_zero, hn::LoadU(d, args.column_sum + j)));
      if (args.b_zero != nullptr) x = hn::Sub(x, hn::Mul(row, hn::LoadU(d, args.b_zero + j)));
      if (args.scale != nullptr) {
        x = hn::BitCast(d, hn::Mul(hn::ConvertTo(df, x), hn::LoadU(df, args.scale + j)));
      }
      hn::StoreU(x, d, out + j);
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(portable_tiles);
HWY_EXPORT(correct);
}  // namespace

const Int8Tiles& int8_portable_tiles() { return HWY_DYNAMIC_DISPATCH(portable_tiles)(); }
void int8_correct(const Int8Correction& correction) { HWY_DYNAMIC_DISPATCH(correct)(correction); }

}  // namespace sdx::kernels
#endif
