// SplitToSequence and ConcatFromSequence: tensors to sequences and back.
#include <algorithm>
#include <cstring>

#include "ops/family.h"
#include "ops/stacked.h"

namespace sdx::ops {
namespace {

struct SplitAttrs {
  int64_t axis = 0;
  bool keepdims = true;
  bool operator==(const SplitAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &SplitAttrs::axis), field("keepdims", &SplitAttrs::keepdims)};
  }
};

struct ConcatAttrs {
  int64_t axis = 0;
  bool new_axis = false;
  bool operator==(const ConcatAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("axis", &ConcatAttrs::axis), field("new_axis", &ConcatAttrs::new_axis)};
  }
};

void infer_split(InferContext& c) {
  const auto& a = c.attrs<SplitAttrs>();
  c.require_rank(0, 1);
  Fact out = Fact::tensor(c.input(0).dtype, c.input(0).shape);
  out.kind = ir::Kind::kSequence;
  if (c.has(1)) {
    c.require_dtype(1, {DType::kI64, DType::kI32});
    c.require_rank(1, 0, 1);
    out.shape = Shape();
    if (auto sizes = c.ints(1)) {
      for (int64_t size : *sizes) {
        if (size < 0) c.invalid("split has the size ", size, " but sizes must be >= 0");
      }
    }
  } else if (out.shape.has_rank()) {
    const int axis = c.axis(a.axis, out.rank());
    std::vector<Dim> dims = out.shape.dims();
    if (a.keepdims)
      dims[static_cast<size_t>(axis)] = 1;
    else
      dims.erase(dims.begin() + axis);
    out.shape = Shape(std::move(dims));
  }
  c.set(0, std::move(out));
}

/// `count` elements of a tensor along an axis.
Tensor part_of(const Tensor& t, int axis, int64_t first, int64_t count) {
  Extents extents = t.extents();
  extents[axis] = count;
  Tensor out(t.dtype(), extents);
  const int64_t inner = extents.product(axis + 1, extents.rank()), outer = extents.product(0, axis);
  const int64_t size = t.extents()[axis];
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t from = (o * size + first) * inner, to = o * count * inner;
    if (t.dtype() == DType::kString) {
      std::copy_n(t.as<std::string>() + from, count * inner, out.mutable_view().as<std::string>() + to);
    } else if (const int64_t bytes = dtype_bytes(t.dtype(), count * inner); bytes > 0) {
      std::memcpy(out.mutable_view().data + dtype_bytes(t.dtype(), to), t.view().data + dtype_bytes(t.dtype(), from),
                  static_cast<size_t>(bytes));
    }
  }
  return out;
}

/// Axes of empty tensors may be of any size.
constexpr int64_t kMaxParts = int64_t{1} << 24;

/// The sizes of the parts of an axis of `size` elements.
std::vector<int64_t> part_sizes(RunContext& c, int64_t size) {
  if (size > kMaxParts) fail(ErrorKind::kResource, "a tensor would be split into more than ", kMaxParts, " parts");
  if (!c.has_input(1)) return std::vector<int64_t>(static_cast<size_t>(size), 1);
  const ConstView split = c.input(1);
  auto element = [&](int64_t i) {
    return split.dtype == DType::kI64 ? split.as<int64_t>()[i] : split.as<int32_t>()[i];
  };
  std::vector<int64_t> out;
  if (split.rank() == 0) {
    const int64_t step = element(0);
    if (step < 1) fail(ErrorKind::kInvalidInput, "split is ", step, " but must be at least 1");
    for (int64_t rest = size; rest > 0; rest -= out.back()) out.push_back(std::min(step, rest));
    return out;
  }
  int64_t rest = size;
  for (int64_t i = 0; i < split.count(); ++i) {
    out.push_back(element(i));
    if (out.back() < 0 || out.back() > rest) rest = -1;
    if (rest < 0) break;
    rest -= out.back();
  }
  if (rest != 0) fail(ErrorKind::kInvalidInput, "the sizes of split must be >= 0 and sum to ", size);
  return out;
}

void run_split(RunContext& c) {
  const auto& a = c.attrs<SplitAttrs>();
  const Tensor x = c.input_value(0).tensor();
  const int rank = x.extents().rank();
  const auto at = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  if (at < 0 || at >= rank)
    fail(ErrorKind::kInvalidInput, "axis ", a.axis, " of a tensor of shape ", x.extents().text());
  Sequence out{x.dtype(), {}};
  int64_t first = 0;
  for (int64_t count : part_sizes(c, x.extents()[at])) {
    if (!c.has_input(1) && !a.keepdims)
      out.items.push_back(slice_at(x, at, first));
    else
      out.items.push_back(part_of(x, at, first, count));
    first += count;
  }
  c.set_output(0, std::move(out));
}

void infer_concat(InferContext& c) {
  const auto& a = c.attrs<ConcatAttrs>();
  if (c.input(0).kind != ir::Kind::kSequence) c.invalid("input 0 is ", c.input(0).text(), " but must be a sequence");
  Shape out = c.input(0).shape;
  if (out.has_rank()) {
    std::vector<Dim> dims = out.dims();
    const int axis = c.axis(a.axis, out.rank() + (a.new_axis ? 1 : 0));
    if (a.new_axis)
      dims.insert(dims.begin() + axis, c.symbols().fresh());
    else
      dims[static_cast<size_t>(axis)] = c.symbols().fresh();
    out = Shape(std::move(dims));
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

/// Joins tensors that agree in all sizes but that along `axis`.
Tensor concatenated(const std::vector<Tensor>& items, int axis) {
  Extents extents = items[0].extents();
  extents[axis] = 0;
  for (const Tensor& t : items) {
    Extents e = t.extents();
    const bool fits = e.rank() == extents.rank();
    if (fits) e[axis] = items[0].extents()[axis];
    if (!fits || !(e == items[0].extents())) {
      fail(ErrorKind::kInvalidInput, "a sequence of tensors of shapes ", items[0].extents().text(), " and ",
           t.extents().text(), " cannot be joined along axis ", axis);
    }
    extents[axis] += t.extents()[axis];
  }
  Tensor out(items[0].dtype(), extents);
  const int64_t outer = extents.product(0, axis), row = extents.product(axis, extents.rank());
  int64_t column = 0;
  for (const Tensor& t : items) {
    const int64_t inner = t.extents().product(axis, extents.rank());
    for (int64_t o = 0; o < outer; ++o) {
      if (t.dtype() == DType::kString) {
        std::copy_n(t.as<std::string>() + o * inner, inner, out.mutable_view().as<std::string>() + o * row + column);
      } else if (const int64_t bytes = dtype_bytes(t.dtype(), inner); bytes > 0) {
        std::memcpy(out.mutable_view().data + dtype_bytes(t.dtype(), o * row + column), t.view().data + o * bytes,
                    static_cast<size_t>(bytes));
      }
    }
    column += inner;
  }
  return out;
}

void run_concat(RunContext& c) {
  const auto& a = c.attrs<ConcatAttrs>();
  std::vector<Tensor> items = c.input_sequence(0).items;
  if (items.empty()) fail(ErrorKind::kInvalidInput, "ConcatFromSequence of an empty sequence");
  const int rank = items[0].extents().rank() + (a.new_axis ? 1 : 0);
  const int64_t at = a.axis < 0 ? a.axis + rank : a.axis;
  if (at < 0 || at >= rank) fail(ErrorKind::kInvalidInput, "axis ", a.axis, " of a tensor of ", rank, " dimensions");
  for (Tensor& t : items) {
    if (!a.new_axis || t.extents().rank() != rank - 1) continue;
    Extents extents;
    for (int i = 0; i < rank; ++i) extents.push_back(i == at ? 1 : t.extents()[i < at ? i : i - 1]);
    t = t.reshaped(extents);
  }
  c.set_output(0, concatenated(items, static_cast<int>(at)));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "SplitToSequence",
     .inputs = {1, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<SplitAttrs>,
     .infer = infer_split,
     .run = run_split,
     .traits = {.returns_values = true},
     .since = 11},
    {.domain = "",
     .name = "ConcatFromSequence",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConcatAttrs>,
     .infer = infer_concat,
     .run = run_concat,
     .traits = {.returns_values = true},
     .since = 11},
};

}  // namespace

std::span<const Op> split_sequence_family() { return kFamily; }

}  // namespace sdx::ops
