// Constant and ConstantOfShape: tensors that the model itself holds.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct ConstantAttrs {
  Tensor value;
  Tensor sparse_value;  ///< made dense by whoever reads the file
  std::optional<float> value_float;
  std::optional<int64_t> value_int;
  std::optional<std::string> value_string;
  std::optional<std::vector<float>> value_floats;
  std::optional<std::vector<int64_t>> value_ints;
  std::optional<std::vector<std::string>> value_strings;
  bool operator==(const ConstantAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("value", &ConstantAttrs::value),
                      field("sparse_value", &ConstantAttrs::sparse_value),
                      field("value_float", &ConstantAttrs::value_float),
                      field("value_int", &ConstantAttrs::value_int),
                      field("value_string", &ConstantAttrs::value_string),
                      field("value_floats", &ConstantAttrs::value_floats),
                      field("value_ints", &ConstantAttrs::value_ints),
                      field("value_strings", &ConstantAttrs::value_strings)};
  }
};

Tensor strings(const Extents& extents, std::span<const std::string> values) {
  Tensor t(DType::kString, extents);
  std::ranges::copy(values, t.mutable_view().as<std::string>());
  return t;
}

/// The tensor that the one given attribute describes; undefined where none is given.
Tensor tensor_of(const ConstantAttrs& a) {
  if (a.value.defined()) return a.value;
  if (a.sparse_value.defined()) return a.sparse_value;
  if (a.value_float) return Tensor::scalar(*a.value_float);
  if (a.value_int) return Tensor::scalar(*a.value_int);
  if (a.value_string) return strings({}, std::span(&*a.value_string, 1));
  if (a.value_floats) {
    return Tensor::from<float>({static_cast<int64_t>(a.value_floats->size())}, *a.value_floats);
  }
  if (a.value_ints) return Tensor::ints(*a.value_ints);
  if (a.value_strings) return strings({static_cast<int64_t>(a.value_strings->size())}, *a.value_strings);
  return {};
}

void infer_constant(InferContext& c) {
  const auto& a = c.attrs<ConstantAttrs>();
  const int given = a.value.defined() + a.sparse_value.defined() + a.value_float.has_value() + a.value_int.has_value() +
                    a.value_string.has_value() + a.value_floats.has_value() + a.value_ints.has_value() +
                    a.value_strings.has_value();
  if (given != 1) c.invalid("a Constant has ", given, " values but must have one");
  c.set(0, Fact::of(tensor_of(a)));
}

void run_constant(RunContext& c) { ir::copy_elements(tensor_of(c.attrs<ConstantAttrs>()).view(), c.output(0)); }

struct FillAttrs {
  Tensor value;
  bool operator==(const FillAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("value", &FillAttrs::value)}; }
};

void infer_fill(InferContext& c) {
  c.require_dtype(0, {DType::kI64});
  c.require_rank(0, 1, 1);
  const Tensor& value = c.attrs<FillAttrs>().value;
  const DType dtype = value.defined() ? value.dtype() : DType::kF32;
  if (value.defined() && value.extents().count() != 1) {
    c.invalid("attribute 'value' has ", value.extents().count(), " elements but must have one");
  }
  if (dtype != DType::kString && dtype_bits(dtype) < 8) c.unsupported("ConstantOfShape of ", dtype_name(dtype));
  auto sizes = c.values(0);
  if (!sizes) {
    const Shape& s = c.input(0).shape;
    const bool known = s.has_rank() && s[0].known() && s[0].value() <= kMaxRank;
    return c.set(0, dtype, known ? c.fresh_shape(static_cast<int>(s[0].value())) : Shape());
  }
  for (const Dim& d : *sizes) {
    if (d.known() && d.value() < 0) c.invalid("the shape has a size of ", d.value(), "; sizes must be >= 0");
  }
  Fact out = Fact::tensor(dtype, Shape(*sizes));
  auto extents = out.shape.extents();
  if (auto element = value.defined() ? Fact::of(value).values : std::nullopt;
      element && extents && extents->count() <= ir::kMaxKnownValues) {
    out = Fact::known(dtype, out.shape, std::vector<Dim>(static_cast<size_t>(extents->count()), element->front()));
  }
  c.set(0, std::move(out));
}

void run_fill(RunContext& c) {
  const Tensor& value = c.attrs<FillAttrs>().value;
  const View y = c.output(0);
  for_width(y.dtype, [&]<class T>() {
    const T element = value.defined() ? *value.as<T>() : T();
    c.parallel().run(y.count(), grain_for(1),
                     [&](int64_t begin, int64_t end, int) { std::fill(y.as<T>() + begin, y.as<T>() + end, element); });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Constant",
     .inputs = {0, 0},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConstantAttrs>,
     .infer = infer_constant,
     .run = run_constant},
    {.domain = "",
     .name = "ConstantOfShape",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<FillAttrs>,
     .infer = infer_fill,
     .run = run_fill,
     .traits = {.shape_only = 1},
     .since = 9},
};

}  // namespace

std::span<const Op> constant_family() { return kFamily; }

}  // namespace sdx::ops
