// Adapters that operators share.
#include "ops/family.h"

#include <algorithm>
#include <vector>

#include "base/half.h"

namespace sdx::ops {
namespace {

constexpr int64_t kBlock = 4096;

void widen(const ConstView& from, float* to, const Parallel& parallel) {
  parallel.run(from.count(), kBlock, [&](int64_t begin, int64_t end, int) {
    if (from.dtype == DType::kF16) {
      std::transform(from.as<Half>() + begin, from.as<Half>() + end, to + begin, [](Half h) { return to_float(h); });
    } else {
      std::transform(from.as<BFloat16>() + begin, from.as<BFloat16>() + end, to + begin,
                     [](BFloat16 h) { return to_float(h); });
    }
  });
}

void narrow(const float* from, const View& to, const Parallel& parallel) {
  parallel.run(to.count(), kBlock, [&](int64_t begin, int64_t end, int) {
    if (to.dtype == DType::kF16) {
      std::transform(from + begin, from + end, to.as<Half>() + begin, [](float x) { return to_half(x); });
    } else {
      std::transform(from + begin, from + end, to.as<BFloat16>() + begin, [](float x) { return to_bfloat16(x); });
    }
  });
}

}  // namespace

void infer_same_as_input(InferContext& c) { c.set(0, c.input(0).dtype, c.input(0).shape); }

bool widened(RunContext& c, void (*run)(RunContext&)) {
  auto narrow_input = [&](int i) { return c.has_input(i) && is_half(c.input(i).dtype); };
  bool any = false;
  for (int i = 0; i < c.input_count(); ++i) any |= narrow_input(i);
  if (!any) return false;

  std::vector<ir::Slot> slots(static_cast<size_t>(c.input_count() + c.output_count()));
  std::vector<ir::Slot*> inputs, outputs;
  auto f32 = [&](ir::Slot& slot, const Extents& extents) {
    auto* memory = reinterpret_cast<std::byte*>(c.scratch<float>(extents.count()));
    slot.view = View{memory, DType::kF32, extents};
  };
  for (int i = 0; i < c.input_count(); ++i) {
    ir::Slot& slot = slots[static_cast<size_t>(i)];
    inputs.push_back(c.has_input(i) ? &slot : nullptr);
    if (!c.has_input(i)) continue;
    slot.present = true;
    const ConstView view = c.input(i);
    if (narrow_input(i)) {
      f32(slot, view.extents);
      widen(view, slot.view.as<float>(), c.parallel());
    } else {
      slot.view = View{const_cast<std::byte*>(view.data), view.dtype, view.extents};
    }
  }
  for (int i = 0; i < c.output_count(); ++i) {
    ir::Slot& slot = slots[static_cast<size_t>(c.input_count() + i)];
    outputs.push_back(c.wants(i) ? &slot : nullptr);
    if (!c.wants(i)) continue;
    slot.view = c.output(i);
    if (is_half(c.output(i).dtype)) f32(slot, c.output(i).extents);
  }
  RunContext wide = c.with_slots(inputs, outputs);
  run(wide);
  for (int i = 0; i < c.output_count(); ++i) {
    if (c.wants(i) && is_half(c.output(i).dtype))
      narrow(outputs[static_cast<size_t>(i)]->view.as<float>(), c.output(i), c.parallel());
  }
  return true;
}

}  // namespace sdx::ops
