// cast: direct loops between the native types; all others go through blocks of double, int64 or uint64.
#include "kernels/cast.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/packed.h"
#include "kernels/convert.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kBlock = 256;

template <class To, class From>
To truncated(From x) {
  if constexpr (std::is_same_v<To, uint64_t>) {
    if (x >= static_cast<From>(9223372036854775808.0)) {
      if (!(x < static_cast<From>(18446744073709551616.0))) return uint64_t{1} << 63;
      return static_cast<uint64_t>(x - static_cast<From>(9223372036854775808.0)) + (uint64_t{1} << 63);
    }
  }
  using Wide = std::conditional_t<(sizeof(To) < 4 || std::is_same_v<To, int32_t>), int32_t, int64_t>;
  constexpr From kLimit = static_cast<From>(static_cast<uint64_t>(1) << (sizeof(Wide) * 8 - 1));
  // Below the limit by less than one still truncates into the range; only double can tell for 32 bits.
  const bool fits = x < kLimit && (x >= -kLimit || std::trunc(x) == -kLimit);
  return static_cast<To>(fits ? static_cast<Wide>(x) : std::numeric_limits<Wide>::min());
}

/// The float nearest to an integer that double cannot hold, through a double whose last bit is sticky.
template <class From>
double sticky_double(From x) {
  if constexpr (sizeof(From) == 8) {
    const bool negative = x < From(0);
    const uint64_t magnitude = negative ? uint64_t{0} - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    const uint64_t low = magnitude & 0xFFF;
    const uint64_t odd = (magnitude >> 53) != 0 && low != 0 ? (magnitude & ~uint64_t{0xFFF}) | 0x1000 : magnitude;
    const double y = static_cast<double>(odd);
    return negative ? -y : y;
  } else {
    return static_cast<double>(x);
  }
}

template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return truncated<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void convert_native(const From* x, To* y, int64_t n) {
  if constexpr (std::is_same_v<From, bool>) {
    // Bytes, because those of a bool tensor may hold anything.
    const auto* bytes = reinterpret_cast<const uint8_t*>(x);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(bytes[i] != 0);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = converted<To>(x[i]);
  }
}

/// Calls f with a null pointer of the native type; false where the type is not native.
template <class F>
bool with_native(Element type, const F& f) {
  switch (type) {
    case Element::kFloat: return f(static_cast<float*>(nullptr)), true;
    case Element::kDouble: return f(static_cast<double*>(nullptr)), true;
    case Element::kInt8: return f(static_cast<int8_t*>(nullptr)), true;
    case Element::kInt16: return f(static_cast<int16_t*>(nullptr)), true;
    case Element::kInt32: return f(static_cast<int32_t*>(nullptr)), true;
    case Element::kInt64: return f(static_cast<int64_t*>(nullptr)), true;
    case Element::kUint8: return f(static_cast<uint8_t*>(nullptr)), true;
    case Element::kUint16: return f(static_cast<uint16_t*>(nullptr)), true;
    case Element::kUint32: return f(static_cast<uint32_t*>(nullptr)), true;
    case Element::kUint64: return f(static_cast<uint64_t*>(nullptr)), true;
    case Element::kBool: return f(static_cast<bool*>(nullptr)), true;
    default: return false;
  }
}

struct Range {
  const void* x;
  void* y;
  int64_t begin, end;
};

bool cast_native(Element from, Element to, const Range& r) {
  bool done = false;
  with_native(from, [&](auto* source) {
    using From = std::remove_pointer_t<decltype(source)>;
    done = with_native(to, [&](auto* target) {
      using To = std::remove_pointer_t<decltype(target)>;
      convert_native(static_cast<const From*>(r.x) + r.begin, static_cast<To*>(r.y) + r.begin, r.end - r.begin);
    });
  });
  return done;
}

/// The vectorised pairs.
bool cast_vectors(Element from, Element to, const Range& r) {
  const int64_t n = r.end - r.begin;
  const auto run = [&](const auto* x, auto* y) {
    if constexpr (std::is_same_v<std::remove_const_t<std::remove_pointer_t<decltype(x)>>, float>) {
      from_floats(x + r.begin, y + r.begin, n);
    } else {
      to_floats(x + r.begin, y + r.begin, n);
    }
    return true;
  };
  if (to == Element::kFloat) {
    if (from == Element::kHalf) return run(static_cast<const Half*>(r.x), static_cast<float*>(r.y));
    if (from == Element::kBFloat16) return run(static_cast<const BFloat16*>(r.x), static_cast<float*>(r.y));
  }
  if (from == Element::kFloat) {
    if (to == Element::kHalf) return run(static_cast<const float*>(r.x), static_cast<Half*>(r.y));
    if (to == Element::kBFloat16) return run(static_cast<const float*>(r.x), static_cast<BFloat16*>(r.y));
    if (to == Element::kBool)
      return to_bools(static_cast<const float*>(r.x) + r.begin, static_cast<bool*>(r.y) + r.begin, n), true;
  }
  return false;
}

/// What the elements of a type widen to without loss.
enum class Carrier : uint8_t { kDouble, kInt, kUint };

Carrier carrier_of(Element type) {
  switch (type) {
    case Element::kUint64: return Carrier::kUint;
    case Element::kBool:
    case Element::kInt8:
    case Element::kInt16:
    case Element::kInt32:
    case Element::kInt64:
    case Element::kUint8:
    case Element::kUint16:
    case Element::kUint32:
    case Element::kUint2:
    case Element::kInt2:
    case Element::kUint4:
    case Element::kInt4: return Carrier::kInt;
    default: return Carrier::kDouble;
  }
}

double float_value(Element type, const void* x, int64_t i) {
  const uint8_t* bytes = static_cast<const uint8_t*>(x);
  switch (type) {
    case Element::kHalf: return to_float(static_cast<const Half*>(x)[i]);
    case Element::kBFloat16: return to_float(static_cast<const BFloat16*>(x)[i]);
    case Element::kFloat8E4M3FN: return to_float(Float8E4M3FN{bytes[i]});
    case Element::kFloat8E4M3FNUZ: return to_float(Float8E4M3FNUZ{bytes[i]});
    case Element::kFloat8E5M2: return to_float(Float8E5M2{bytes[i]});
    case Element::kFloat8E5M2FNUZ: return to_float(Float8E5M2FNUZ{bytes[i]});
    case Element::kFloat8E8M0: return to_float(Float8E8M0{bytes[i]});
    default: return float4_value(packed_get(bytes, i, 4));
  }
}

int64_t integer_value(Element type, const void* x, int64_t i) {
  const uint8_t* bytes = static_cast<const uint8_t*>(x);
  switch (type) {
    case Element::kUint2: return packed_get(bytes, i, 2);
    case Element::kInt2: return sign_extend(packed_get(bytes, i, 2), 2);
    case Element::kUint4: return packed_get(bytes, i, 4);
    default: return sign_extend(packed_get(bytes, i, 4), 4);
  }
}

template <class T>
void load_carriers(Element type, const void* x, int64_t begin, int64_t n, T* out) {
  const bool native = with_native(type, [&](auto* source) {
    using From = std::remove_pointer_t<decltype(source)>;
    const From* from = static_cast<const From*>(x) + begin;
    convert_native(from, out, n);
  });
  if (native) return;
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, double>) {
      out[i] = float_value(type, x, begin + i);
    } else {
      out[i] = static_cast<T>(integer_value(type, x, begin + i));
    }
  }
}

uint8_t float8_code(Element type, float x, CastMode mode) {
  switch (type) {
    case Element::kFloat8E4M3FN: return to_float8_e4m3fn(x, mode.overflow).bits;
    case Element::kFloat8E4M3FNUZ: return to_float8_e4m3fnuz(x, mode.overflow).bits;
    case Element::kFloat8E5M2: return to_float8_e5m2(x, mode.overflow).bits;
    case Element::kFloat8E5M2FNUZ: return to_float8_e5m2fnuz(x, mode.overflow).bits;
    default: return to_float8_e8m0(x, mode.power, mode.overflow).bits;
  }
}

/// Stores `n` (a multiple of the elements in a byte, or the last) codes from element `begin` on.
template <class Code>
void store_packed(uint8_t* y, int64_t begin, int64_t n, int bits, const Code& code) {
  std::memset(y + begin * bits / 8, 0, static_cast<size_t>(packed_bytes(n, bits)));
  for (int64_t i = 0; i < n; ++i) packed_set(y, begin + i, bits, code(i));
}

template <class T>
void store_carriers(Element type, const T* in, int64_t n, int64_t begin, void* y, CastMode mode) {
  const bool native = with_native(type, [&](auto* target) {
    using To = std::remove_pointer_t<decltype(target)>;
    convert_native(in, static_cast<To*>(y) + begin, n);
  });
  if (native) return;
  const auto narrow = [&](int64_t i) {
    if constexpr (std::is_same_v<T, double>) {
      return to_float_odd(in[i]);
    } else {
      return to_float_odd(sticky_double(in[i]));
    }
  };
  const auto integer = [&](int64_t i) { return static_cast<uint8_t>(converted<int32_t>(in[i])); };
  uint8_t* bytes = static_cast<uint8_t*>(y);
  switch (type) {
    case Element::kHalf:
      for (int64_t i = 0; i < n; ++i) static_cast<Half*>(y)[begin + i] = to_half(narrow(i));
      return;
    case Element::kBFloat16:
      for (int64_t i = 0; i < n; ++i) static_cast<BFloat16*>(y)[begin + i] = to_bfloat16(narrow(i));
      return;
    case Element::kUint2:
    case Element::kInt2: return store_packed(bytes, begin, n, 2, integer);
    case Element::kUint4:
    case Element::kInt4: return store_packed(bytes, begin, n, 4, integer);
    case Element::kFloat4E2M1:
      return store_packed(bytes, begin, n, 4, [&](int64_t i) { return float4_code(narrow(i)); });
    default:
      for (int64_t i = 0; i < n; ++i) bytes[begin + i] = float8_code(type, narrow(i), mode);
  }
}

template <class T>
void cast_carried(Element from, Element to, const Range& r, CastMode mode) {
  T block[kBlock];
  for (int64_t i = r.begin; i < r.end; i += kBlock) {
    const int64_t n = std::min(kBlock, r.end - i);
    load_carriers(from, r.x, i, n, block);
    store_carriers(to, block, n, i, r.y, mode);
  }
}

bool copy_same(Element type, const Range& r) {
  const int bits = element_bits(type);
  const int64_t first = r.begin * bits / 8, last = packed_bytes(r.end, bits);
  if (r.x != r.y) {
    std::memcpy(static_cast<char*>(r.y) + first, static_cast<const char*>(r.x) + first,
                static_cast<size_t>(last - first));
  }
  return true;
}

}  // namespace

void cast(Element from, const void* x, Element to, void* y, int64_t begin, int64_t end, CastMode mode) {
  if (begin >= end) return;
  const Range r{x, y, begin, end};
  if (from == to) {
    copy_same(from, r);
    return;
  }
  if (cast_vectors(from, to, r) || cast_native(from, to, r)) return;
  switch (carrier_of(from)) {
    case Carrier::kDouble: return cast_carried<double>(from, to, r, mode);
    case Carrier::kInt: return cast_carried<int64_t>(from, to, r, mode);
    case Carrier::kUint: return cast_carried<uint64_t>(from, to, r, mode);
  }
}

}  // namespace sdx::kernels
