// OneHot: an axis on which one position holds another value than the rest.
#include <cmath>
#include <cstring>

#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct OneHotAttrs {
  int64_t axis = -1;
  bool operator==(const OneHotAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &OneHotAttrs::axis)}; }
};

/// The depth where it is known: an integer expression, or a constant of another type.
std::optional<Dim> depth_of(const InferContext& c) {
  if (auto values = c.values(1); values && values->size() == 1) return values->front();
  const Fact& depth = c.input(1);
  if (!depth.is_constant()) return std::nullopt;
  double number = 0;
  if (is_half(depth.dtype)) {
    number = c.scalar(1).value_or(0);
  } else {
    for_number(depth.dtype, [&]<class T>() {
      T element;
      std::memcpy(&element, depth.constant.view().data, sizeof element);
      number = static_cast<double>(element);
    });
  }
  if (!(std::abs(number) <= static_cast<double>(kMaxElements))) c.invalid("the depth is ", number);
  return Dim(static_cast<int64_t>(number));
}

void infer(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_dtype(1, kNumbers);
  if (c.input(1).shape.has_rank()) c.require_equal(c.input(1).shape.count(), 1, "the elements of the depth, and 1,");
  if (dtype_bits(c.input(2).dtype) < 8 && c.input(2).dtype != DType::kString) c.unsupported("OneHot of packed values");
  if (c.input(2).shape.has_rank()) c.require_equal(c.input(2).shape.count(), 2, "the off and on values, and 2,");
  const Shape& indices = c.input(0).shape;
  if (!indices.has_rank()) return c.set(0, c.input(2).dtype, Shape());
  const int axis = c.axis(c.attrs<OneHotAttrs>().axis, indices.rank() + 1);
  const Dim depth = depth_of(c).value_or(c.symbols().fresh());
  if (depth.known() && depth.value() < 0) c.invalid("the depth is ", depth.value(), " but must be >= 0");
  std::vector<Dim> out = indices.dims();
  out.insert(out.begin() + axis, depth);
  c.set(0, c.input(2).dtype, std::move(out));
}

template <class T>
void read_numbers(const T* from, int64_t* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      const bool representable = std::abs(from[i]) < static_cast<T>(kMaxElements);
      to[i] = representable ? static_cast<int64_t>(from[i]) : kMaxElements;
    } else {
      to[i] = static_cast<int64_t>(from[i]);
    }
  }
}

void run(RunContext& c) {
  if (is_half(c.input(0).dtype) && widened(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int64_t wanted = c.attrs<OneHotAttrs>().axis;
  const int axis = static_cast<int>(wanted < 0 ? wanted + y.rank() : wanted);
  const int64_t depth = y.extents[axis], inner = y.extents.product(axis + 1, y.rank());
  int64_t* index = c.scratch<int64_t>(x.count());
  for_number(x.dtype, [&]<class T>() { read_numbers(x.as<T>(), index, x.count()); });
  for_width(y.dtype, [&]<class T>() {
    const T* values = c.input(2).as<T>();
    std::fill_n(y.as<T>(), y.count(), values[0]);
    for (int64_t i = 0; i < x.count(); ++i) {
      const int64_t at = index[i] < 0 ? index[i] + depth : index[i];
      if (at >= 0 && at < depth) y.as<T>()[(i / inner * depth + at) * inner + i % inner] = values[1];
    }
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "OneHot",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<OneHotAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.shape_only = 0b10},
     .since = 9},
};

}  // namespace

std::span<const Op> one_hot_family() { return kFamily; }

}  // namespace sdx::ops
