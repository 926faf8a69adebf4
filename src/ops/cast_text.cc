// Elements as text and back.
#include "ops/cast_text.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "base/element.h"
#include "kernels/cast.h"
#include "ops/dispatch.h"

namespace sdx::ops {
namespace {

template <class T>
std::string number_text(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
    const double magnitude = std::abs(static_cast<double>(value));
    const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, value,
                                   plain ? std::chars_format::fixed : std::chars_format::scientific);
    return std::string(text, end.ptr);
  } else {
    return std::to_string(value);
  }
}

double parse_float(const std::string& text) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (begin == end || stop != end || error == std::errc::invalid_argument) {
    fail(ErrorKind::kInvalidInput, "the string '", text, "' is cast to a number but is none");
  }
  if (error == std::errc::result_out_of_range) return std::strtod(text.c_str(), nullptr);
  return value;
}

template <class T>
T parse_integer(const std::string& text) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  if (end - begin > 1 && *begin == '+') ++begin;
  T value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error == std::errc() && stop == end) return value;
  return static_cast<T>(static_cast<int64_t>(parse_float(text)));
}

}  // namespace

void format_elements(const ConstView& from, std::string* to) {
  const int64_t n = from.count();
  if (with_integer(from.dtype, [&](auto* tag) {
        for (int64_t i = 0; i < n; ++i) to[i] = number_text(from.as<Pointee<decltype(tag)>>()[i]);
      })) {
    return;
  }
  if (from.dtype == DType::kF64) {
    for (int64_t i = 0; i < n; ++i) to[i] = number_text(from.as<double>()[i]);
    return;
  }
  std::vector<float> values(static_cast<size_t>(n));
  kernels::cast(static_cast<Element>(from.dtype), from.data, Element::kFloat, values.data(), 0, n);
  for (int64_t i = 0; i < n; ++i) to[i] = number_text(values[static_cast<size_t>(i)]);
}

void parse_elements(const ConstView& from, const View& to) {
  const auto* text = from.as<std::string>();
  const int64_t n = from.count();
  if (with_integer(to.dtype, [&](auto* tag) {
        using T = Pointee<decltype(tag)>;
        for (int64_t i = 0; i < n; ++i) to.as<T>()[i] = parse_integer<T>(text[i]);
      })) {
    return;
  }
  std::vector<double> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] = parse_float(text[i]);
  kernels::cast(Element::kDouble, values.data(), static_cast<Element>(to.dtype), to.data, 0, n);
}

}  // namespace sdx::ops
