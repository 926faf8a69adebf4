// The greatest elements of blocks of a row.
#include "kernels/maxima.h"

#include <algorithm>
#include <limits>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// The greater of the two; `most` where x is not a number.
HWY_INLINE VF greater(VF x, VF most) { return hn::IfThenElse(hn::Gt(x, most), x, most); }

void block_maxima(const float* x, int64_t n, float* y, int64_t begin, int64_t end) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const VF least = constant(-std::numeric_limits<float>::infinity());
  for (int64_t block = begin; block < end; ++block) {
    const int64_t last = std::min(n, (block + 1) * kMaximaBlock);
    VF most = least;
    int64_t i = block * kMaximaBlock;
    for (; i + lanes <= last; i += lanes) most = greater(hn::LoadU(d, x + i), most);
    if (i < last) {
      const auto rest = static_cast<size_t>(last - i);
      most = greater(hn::IfThenElse(hn::FirstN(d, rest), load_partial(d, x + i, rest), least), most);
    }
    y[block] = hn::GetLane(hn::MaxOfLanes(d, most));
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(block_maxima);
void block_maxima(const float* x, int64_t n, float* y, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(block_maxima)(x, n, y, begin, end);
}
}  // namespace sdx::kernels
#endif
