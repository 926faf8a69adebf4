// Copying boxes of elements, packed types, and the values of moved elements.
#include "ops/movement.h"

#include <numeric>

#include "base/packed.h"
#include "ir/evaluate.h"
#include "kernels/transpose.h"

namespace sdx::ops {
namespace {

/// The box with axes of size 1 dropped and axes merged that both sides walk as one.
Box merged(const Box& box) {
  Box out;
  for (int i = 0; i < box.sizes.rank(); ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t size = box.sizes[i];
    if (size == 1) continue;
    const int last = out.sizes.rank() - 1;
    const auto l = static_cast<size_t>(std::max(last, 0));
    if (last >= 0 && out.from[l] == size * box.from[at] && out.to[l] == size * box.to[at]) {
      out.sizes[last] *= size;
      out.from[l] = box.from[at];
      out.to[l] = box.to[at];
    } else {
      out.from[l + (last >= 0)] = box.from[at];
      out.to[l + (last >= 0)] = box.to[at];
      out.sizes.push_back(size);
    }
  }
  if (out.sizes.rank() == 0) {
    out.sizes.push_back(1);
    out.from[0] = out.to[0] = 1;
  }
  return out;
}

template <class T>
void copy_line(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t count) {
  if (x_stride == 1 && y_stride == 1) {
    std::copy_n(x, count, y);
  } else if (x_stride == 0 && y_stride == 1) {
    std::fill_n(y, count, *x);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i * y_stride] = x[i * x_stride];
  }
}

/// Calls line(from, to) with the offsets of lines [begin, end) of the axes before `axes`.
template <class Line>
void walk(const Box& box, int axes, int64_t begin, int64_t end, const Line& line) {
  Strides index = {};
  int64_t from = 0, to = 0, rest = begin;
  for (int d = axes - 1; d >= 0; --d) {
    const auto at = static_cast<size_t>(d);
    index[at] = rest % box.sizes[d];
    rest /= box.sizes[d];
    from += index[at] * box.from[at];
    to += index[at] * box.to[at];
  }
  for (int64_t i = begin; i < end; ++i) {
    line(from, to);
    for (int d = axes - 1; d >= 0; --d) {
      const auto at = static_cast<size_t>(d);
      from += box.from[at];
      to += box.to[at];
      if (++index[at] < box.sizes[d]) break;
      from -= box.sizes[d] * box.from[at];
      to -= box.sizes[d] * box.to[at];
      index[at] = 0;
    }
  }
}

constexpr int64_t kTile = 16;

/// y[p * y_stride + q] = x[p + q * x_stride] for a tile of a transposition.
template <class T>
void transpose_tile(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t rows, int64_t columns) {
  if constexpr (std::is_trivially_copyable_v<T>) {
    return kernels::transpose_block(y, y_stride, x, x_stride, {rows, columns}, sizeof(T));
  }
  for (int64_t q0 = 0; q0 < columns; q0 += kTile) {
    const int64_t q1 = std::min(columns, q0 + kTile);
    for (int64_t p = 0; p < rows; ++p) {
      for (int64_t q = q0; q < q1; ++q) y[p * y_stride + q] = x[p + q * x_stride];
    }
  }
}

/// Moves the axis that is contiguous on the reading side next to the last one, if there is one.
bool make_transposition(Box& box) {
  const int last = box.sizes.rank() - 1;
  const auto l = static_cast<size_t>(last);
  if (last < 1 || box.to[l] != 1 || box.from[l] == 1 || box.from[l] == 0) return false;
  for (int d = 0; d < last; ++d) {
    if (box.from[static_cast<size_t>(d)] != 1) continue;
    for (int k = d; k + 1 < last; ++k) {
      const auto at = static_cast<size_t>(k);
      std::swap(box.sizes[k], box.sizes[k + 1]);
      std::swap(box.from[at], box.from[at + 1]);
      std::swap(box.to[at], box.to[at + 1]);
    }
    return true;
  }
  return false;
}

template <class T>
void copy_typed(const Parallel& parallel, const T* x, T* y, Box box) {
  const int last = box.sizes.rank() - 1;
  const auto l = static_cast<size_t>(last);
  const int64_t n = box.sizes[last];
  if (make_transposition(box)) {
    const int64_t rows = box.sizes[last - 1], tiles = (rows + kTile - 1) / kTile;
    parallel.run(box.sizes.product(0, last - 1) * tiles, grain_for(kTile * n), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p = i % tiles * kTile;
        walk(box, last - 1, i / tiles, i / tiles + 1, [&](int64_t from, int64_t to) {
          transpose_tile(x + from + p, box.from[l], y + to + p * box.to[l - 1], box.to[l - 1], std::min(kTile, rows - p), n);
        });
      }
    });
    return;
  }
  if (last == 0) {
    parallel.run(n, grain_for(1), [&](int64_t begin, int64_t end, int) {
      copy_line(x + begin * box.from[0], box.from[0], y + begin * box.to[0], box.to[0], end - begin);
    });
    return;
  }
  parallel.run(box.sizes.product(0, last), grain_for(n), [&](int64_t begin, int64_t end, int) {
    walk(box, last, begin, end, [&](int64_t from, int64_t to) { copy_line(x + from, box.from[l], y + to, box.to[l], n); });
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
  if (box.sizes.count() == 0) return;
  const Box simple = merged(box);
  for_width(dtype, [&]<class T>() {
    copy_typed(parallel, reinterpret_cast<const T*>(from), reinterpret_cast<T*>(to), simple);
  });
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
      slot.view = View{reinterpret_cast<std::byte*>(c.scratch<uint8_t>(slot.view.count())), DType::kU8, slot.view.extents};
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

std::vector<int64_t> read_ints(const ConstView& view) {
  const int64_t count = view.count();
  if (view.dtype == DType::kI64) return {view.as<int64_t>(), view.as<int64_t>() + count};
  return {view.as<int32_t>(), view.as<int32_t>() + count};
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
