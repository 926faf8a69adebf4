// Cast, CastLike and BitCast: other element types for the same elements or the same bits.
#include "kernels/cast.h"

#include "ops/cast_text.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

struct CastAttrs {
  DType to = DType::kUndefined;
  bool saturate = true;
  std::string round_mode = "up";
  bool operator==(const CastAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("to", &CastAttrs::to), field("saturate", &CastAttrs::saturate),
                      field("round_mode", &CastAttrs::round_mode)};
  }
};

struct CastLikeAttrs {
  bool saturate = true;
  std::string round_mode = "up";
  bool operator==(const CastLikeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("saturate", &CastLikeAttrs::saturate), field("round_mode", &CastLikeAttrs::round_mode)};
  }
};

struct BitCastAttrs {
  DType to = DType::kUndefined;
  bool operator==(const BitCastAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{required("to", &BitCastAttrs::to)}; }
};

/// Below opset 6 the type is a name.
void upgrade_cast(Call& c) {
  const auto it = c.attrs.find("to");
  if (it == c.attrs.end()) return;
  const auto* text = std::get_if<std::string>(&it->second);
  if (!text) return;
  std::string name = *text;
  for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  const auto type = dtype_from_name(name);
  if (!type) fail(ErrorKind::kInvalidModel, "attribute 'to' is '", *text, "', which is not an element type");
  c.attrs["to"] = static_cast<int64_t>(*type);
}

bool is_complex(DType type) { return type == DType::kC64 || type == DType::kC128; }

void require_rounding(InferContext& c, const std::string& mode) {
  if (mode == "up" || mode == "down" || mode == "nearest") return;
  c.invalid("attribute 'round_mode' is '", mode, "' but must be up, down or nearest");
}

void infer_to(InferContext& c, DType to, const std::string& round_mode) {
  const DType from = c.input(0).dtype;
  require_rounding(c, round_mode);
  if (is_complex(from) || is_complex(to)) {
    c.unsupported("a cast from ", dtype_name(from), " to ", dtype_name(to), " has no implementation");
  }
  c.set(0, mapped_fact(c, to, [to, from](const Dim& d) -> std::optional<Dim> {
          if (to == DType::kBool) {
            const auto zero = equal(d, Dim(0));
            return zero ? std::optional(Dim(*zero ? 0 : 1)) : std::nullopt;
          }
          if (to == DType::kI64 || (to == DType::kI32 && from != DType::kI64) || !d.known()) return d;
          return Dim(static_cast<int64_t>(static_cast<int32_t>(d.value())));
        }));
}

void infer_cast(InferContext& c) {
  const auto& a = c.attrs<CastAttrs>();
  infer_to(c, a.to, a.round_mode);
}

void infer_cast_like(InferContext& c) { infer_to(c, c.input(1).dtype, c.attrs<CastLikeAttrs>().round_mode); }

void infer_bit_cast(InferContext& c) {
  const DType from = c.input(0).dtype, to = c.attrs<BitCastAttrs>().to;
  if (from == DType::kString || to == DType::kString) c.invalid("strings have no bits to cast");
  if (dtype_bits(from) != dtype_bits(to)) {
    c.invalid("attribute 'to' is ", dtype_name(to), " of ", dtype_bits(to), " bits, but the input is ",
              dtype_name(from), " of ", dtype_bits(from), " bits; both must be of one size");
  }
  c.set(0, to, c.input(0).shape);
}

void run_to(RunContext& c, bool saturate, const std::string& round_mode) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  if (x.dtype == y.dtype) return ir::copy_elements(x, y);
  if (y.dtype == DType::kString) return format_elements(x, y.as<std::string>());
  if (x.dtype == DType::kString) return parse_elements(x, y);
  kernels::CastMode mode;
  mode.overflow = saturate ? Overflow::kSaturate : Overflow::kSpecial;
  mode.power = round_mode == "up"     ? PowerRounding::kUp
               : round_mode == "down" ? PowerRounding::kDown
                                      : PowerRounding::kNearest;
  const auto from = static_cast<Element>(x.dtype), to = static_cast<Element>(y.dtype);
  c.parallel().run(y.count(), grain_for(1),
                   [&](int64_t begin, int64_t end, int) { kernels::cast(from, x.data, to, y.data, begin, end, mode); });
}

void run_cast(RunContext& c) {
  const auto& a = c.attrs<CastAttrs>();
  run_to(c, a.saturate, a.round_mode);
}

void run_cast_like(RunContext& c) {
  const auto& a = c.attrs<CastLikeAttrs>();
  run_to(c, a.saturate, a.round_mode);
}

void run_bit_cast(RunContext& c) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  ir::copy_elements({x.data, y.dtype, x.extents}, y);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Cast",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<CastAttrs>,
     .infer = infer_cast,
     .run = run_cast,
     .traits = {.elementwise = true, .in_place = 1},
     .upgrade = upgrade_cast},
    {.domain = "",
     .name = "CastLike",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<CastLikeAttrs>,
     .infer = infer_cast_like,
     .run = run_cast_like,
     .traits = {.in_place = 1, .shape_only = 0b10},
     .since = 15},
    {.domain = "",
     .name = "BitCast",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<BitCastAttrs>,
     .infer = infer_bit_cast,
     .run = run_bit_cast,
     .traits = {.elementwise = true, .in_place = 1},
     .since = 26},
};

}  // namespace

std::span<const Op> cast_family() { return kFamily; }

}  // namespace sdx::ops
