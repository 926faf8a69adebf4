// Identity, and Dropout as it is at inference: the input itself.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

void infer_identity(InferContext& c) { c.set(0, c.input(0)); }

struct DropoutAttrs {
  int64_t seed = 0;
  bool wide_mask = false;  ///< below opset 10: the mask has the type of the data
  bool operator==(const DropoutAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("seed", &DropoutAttrs::seed), field("wide_mask", &DropoutAttrs::wide_mask)};
  }
};

void upgrade_dropout(Call& c) {
  if (c.version >= 12) return;
  for (const char* name : {"ratio", "is_test", "consumed_inputs"}) c.drop(name);
  if (c.version < 10) c.attrs["wide_mask"] = int64_t{1};
}

void infer_dropout(InferContext& c) {
  c.require_dtype(0, kFloats);
  if (c.has(2)) {
    auto training = c.values(2);
    const bool inference = training && training->size() == 1 && training->front().is(0);
    if (!inference && c.scalar(1).value_or(0.5) != 0) {
      c.unsupported("Dropout in training mode; set the input 'training_mode' to a constant false");
    }
  }
  const Fact& x = c.input(0);
  c.set(0, x);
  if (c.output_count() > 1) c.set(1, c.attrs<DropoutAttrs>().wide_mask ? x.dtype : DType::kBool, x.shape);
}

void fill_ones(const View& mask) {
  const int64_t count = mask.count();
  switch (mask.dtype) {
    case DType::kF32: std::fill_n(mask.as<float>(), count, 1.0f); break;
    case DType::kF64: std::fill_n(mask.as<double>(), count, 1.0); break;
    case DType::kF16: std::fill_n(mask.as<uint16_t>(), count, uint16_t{0x3C00}); break;
    case DType::kBF16: std::fill_n(mask.as<uint16_t>(), count, uint16_t{0x3F80}); break;
    default: std::fill_n(mask.as<uint8_t>(), count, uint8_t{1});
  }
}

void run_dropout(RunContext& c) {
  if (c.wants(0)) ir::copy_elements(c.input(0), c.output(0));
  if (c.wants(1)) fill_ones(c.output(1));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Identity",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_identity,
     .run = run_view,
     .traits = {.view_of = 0, .misaligned = 1}},
    {.domain = "",
     .name = "Dropout",
     .inputs = {1, 3},
     .outputs = {1, 2},
     .parse = Attrs::parse<DropoutAttrs>,
     .infer = infer_dropout,
     .run = run_dropout,
     .traits = {.in_place = 1, .shape_only = 0b110},
     .upgrade = upgrade_dropout},
};

}  // namespace

std::span<const Op> identity_family() { return kFamily; }

}  // namespace sdx::ops
