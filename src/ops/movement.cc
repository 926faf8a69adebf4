// Copying boxes of elements, packed types, and the values of moved elements.
#include "ops/movement.h"

#include <numeric>

#include "base/packed.h"
#include "ir/evaluate.h"
#include "kernels/copy.h"

namespace sdx::ops {
namespace {

kernels::StridedLoop<2> loop_of(const Box& box) {
  const auto rank = static_cast<size_t>(box.sizes.rank());
  return kernels::make_loop<2>(box.sizes.span(), {std::span(box.to.data(), rank), std::span(box.from.data(), rank)});
}

/// Elements [begin, end) of the loop.
void copy_loop(DType dtype, const kernels::StridedLoop<2>& loop, const std::byte* from, std::byte* to, int64_t begin,
               int64_t end) {
  if (dtype != DType::kString) {
    return kernels::strided_copy(loop, to, from, static_cast<int>(element_bytes(dtype)), begin, end);
  }
  const auto* source = reinterpret_cast<const std::string*>(from);
  auto* target = reinterpret_cast<std::string*>(to);
  kernels::for_runs(loop, begin, end, [&](int64_t, const std::array<int64_t, 2>& offset, int64_t count) {
    for (int64_t i = 0; i < count; ++i) target[offset[0] + i * loop.inner(0)] = source[offset[1] + i * loop.inner(1)];
  });
}

bool is_packed(DType dtype) { return dtype != DType::kString && dtype_bits(dtype) > 0 && dtype_bits(dtype) < 8; }

}  // namespace

Strides strides_of(const Extents& extents) {
  Strides out = {};
  int64_t stride = 1;
  for (int i = extents.rank() - 1; i >= 0; --i) {
    out[static_cast<size_t>(i)] = stride;
    stride *= extents[i];
  }
  return out;
}

void copy_box(const Parallel& parallel, DType dtype, const std::byte* from, std::byte* to, const Box& box) {
  const auto loop = loop_of(box);
  // Copying a string may throw, which a thread must not.
  const Parallel& threads = dtype == DType::kString ? Parallel() : parallel;
  threads.run(box.sizes.count(), kernels::copy_grain(loop, kCopyGrain),
              [&](int64_t begin, int64_t end, int) { copy_loop(dtype, loop, from, to, begin, end); });
}

void copy_box(DType dtype, const std::byte* from, std::byte* to, const Box& box, int64_t begin, int64_t end) {
  copy_loop(dtype, loop_of(box), from, to, begin, end);
}

bool unpacked(RunContext& c, void (*run)(RunContext&)) {
  if (!c.has_input(0) || !is_packed(c.input(0).dtype)) return false;
  const DType dtype = c.input(0).dtype;
  const int bits = dtype_bits(dtype);
  std::vector<ir::Slot> slots(static_cast<size_t>(c.input_count() + c.output_count()));
  std::vector<ir::Slot*> inputs, outputs;
  for (int i = 0; i < c.input_count(); ++i) {
    ir::Slot& slot = slots[static_cast<size_t>(i)];
    inputs.push_back(c.has_input(i) ? &slot : nullptr);
    if (!c.has_input(i)) continue;
    const ConstView x = c.input(i);
    slot.present = true;
    slot.view = View{const_cast<std::byte*>(x.data), x.dtype, x.extents};
    if (x.dtype != dtype) continue;
    auto* bytes = c.scratch<uint8_t>(x.count());
    for (int64_t k = 0; k < x.count(); ++k) bytes[k] = packed_get(x.as<uint8_t>(), k, bits);
    slot.view = View{reinterpret_cast<std::byte*>(bytes), DType::kU8, x.extents};
  }
  for (int i = 0; i < c.output_count(); ++i) {
    ir::Slot& slot = slots[static_cast<size_t>(c.input_count() + i)];
    outputs.push_back(c.wants(i) ? &slot : nullptr);
    if (!c.wants(i)) continue;
    slot.view = c.output(i);
    if (slot.view.dtype == dtype) {
      slot.view =
          View{reinterpret_cast<std::byte*>(c.scratch<uint8_t>(slot.view.count())), DType::kU8, slot.view.extents};
    }
  }
  RunContext bytewise = c.with_slots(inputs, outputs);
  run(bytewise);
  for (int i = 0; i < c.output_count(); ++i) {
    if (!c.wants(i) || c.output(i).dtype != dtype) continue;
    const auto* bytes = outputs[static_cast<size_t>(i)]->view.as<uint8_t>();
    std::fill_n(c.output(i).data, c.output(i).bytes(), std::byte{0});
    for (int64_t k = 0; k < c.output(i).count(); ++k) packed_set(c.output(i).as<uint8_t>(), k, bits, bytes[k]);
  }
  return true;
}

std::span<const int64_t> read_ints(const RunContext& c, int input) {
  if (!c.has_input(input)) return {};
  const ConstView view = c.input(input);
  const auto count = static_cast<size_t>(view.count());
  if (view.dtype == DType::kI64) return {view.as<int64_t>(), count};
  auto* wide = c.scratch<int64_t>(view.count());
  std::copy_n(view.as<int32_t>(), count, wide);
  return {wide, count};
}

void move_values(InferContext& c, uint32_t data, void (*run)(RunContext&)) {
  auto is_data = [&](int i) { return i >= 32 || (data >> i & 1); };
  std::vector<Dim> pool = {0};
  std::vector<ir::Slot> slots(static_cast<size_t>(c.input_count() + c.output_count()));
  std::vector<ir::Slot*> inputs, outputs;
  bool all_constant = true;
  for (int i = 0; i < c.input_count(); ++i) {
    ir::Slot& slot = slots[static_cast<size_t>(i)];
    inputs.push_back(c.has(i) ? &slot : nullptr);
    if (!c.has(i)) continue;
    const Fact& fact = c.input(i);
    all_constant &= fact.is_constant();
    if (!is_data(i)) {
      if (!fact.is_constant() || !is_aligned(fact.constant.view())) return;
      ir::fill(slot, fact.constant);
      continue;
    }
    auto extents = fact.shape.extents();
    if (!fact.values || !extents) return;
    std::vector<int64_t> positions(fact.values->size());
    std::iota(positions.begin(), positions.end(), static_cast<int64_t>(pool.size()));
    pool.insert(pool.end(), fact.values->begin(), fact.values->end());
    ir::fill(slot, Tensor::from<int64_t>(*extents, positions));
  }
  if (all_constant) return;
  for (int i = 0; i < c.output_count(); ++i) {
    auto extents = c.outputs()[static_cast<size_t>(i)].shape.extents();
    if (!extents || extents->count() > ir::kMaxKnownValues) return;
    outputs.push_back(&slots[static_cast<size_t>(c.input_count() + i)]);
    ir::fill(*outputs.back(), Tensor(DType::kI64, *extents));
  }
  Attrs attrs = c.attributes();
  ir::PlainHost host;
  RunContext positions(host, attrs, Parallel(), inputs, outputs);
  run(positions);
  for (int i = 0; i < c.output_count(); ++i) {
    Fact& fact = c.outputs()[static_cast<size_t>(i)];
    std::vector<Dim> values;
    const View view = outputs[static_cast<size_t>(i)]->view;
    for (int64_t k = 0; k < view.count(); ++k) values.push_back(pool[static_cast<size_t>(view.as<int64_t>()[k])]);
    fact = Fact::known(fact.dtype, fact.shape, std::move(values));
  }
}

void set_view(InferContext& c, Shape shape) {
  const Fact& x = c.input(0);
  Fact out = Fact::tensor(x.dtype, std::move(shape));
  auto extents = out.shape.extents();
  if (x.is_constant() && extents) out.constant = x.constant.reshaped(*extents);
  if (extents) out.values = x.values;
  c.set(0, std::move(out));
}

void run_view(RunContext& c) { ir::copy_elements(c.input(0), c.output(0)); }

}  // namespace sdx::ops
