// Rows of a padded copy of an input, split by the phases of a step.
#include "kernels/conv_routes.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What is written beyond a row, the next one overwrites.
void pad_rows(const PadRows& rows) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t y = 0; y < rows.count; ++y) {
    float* const to = rows.to + y * rows.row_step;
    for (int64_t phase = 0; phase < rows.phases; ++phase) {
      for (int64_t x = 0; x < rows.pitch; x += lanes) hn::StoreU(hn::Zero(d), d, to + phase * rows.phase_step + x);
    }
    if (y < rows.first || y >= rows.end) continue;
    const float* const from = rows.from + (y - rows.first) * rows.stride;
    if (rows.phases == 1) {
      copy_run(from, rows.width, to + rows.left);
    } else {
      // Column x goes to x + left, whose phase is the other one where left is odd.
      const int64_t first = rows.left % 2, half = rows.left / 2;
      split_run(from, rows.width, to + first * rows.phase_step + half,
                to + (1 - first) * rows.phase_step + half + first);
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(pad_rows);
}  // namespace

void conv_pad_rows(const PadRows& rows) { HWY_DYNAMIC_DISPATCH(pad_rows)(rows); }

}  // namespace sdx::kernels
#endif
