// Comparing results with what is expected.
#include "compare.h"

#include <cmath>

#include "elements.h"

namespace sdx::ops {
namespace {

double largest_magnitude(const ConstView& t) {
  double largest = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    const double x = std::abs(load_element(t, i).value_or(0));
    if (std::isfinite(x)) largest = std::max(largest, x);
  }
  return largest;
}

/// The admissible distance from `expected` in type `type`.
double allowed(DType type, double expected, double largest, const Tolerance& t, bool narrowed) {
  const bool wide = type == DType::kF64;
  const double last_place = narrowed ? ulp(type, expected) : 0;
  if (t.absolute) return *t.absolute + last_place;
  switch (t.accuracy) {
    case ir::Accuracy::kExact: return last_place;
    case ir::Accuracy::kRounded: return narrowed ? last_place : 4 * ulp(type, expected);
    case ir::Accuracy::kFunction: {
      const double bound = wide ? 1e-12 : 1e-6;
      return std::max(bound, bound * std::abs(expected)) + (is_half(type) ? ulp(type, expected) : 0);
    }
    case ir::Accuracy::kAccumulated: return (wide ? 1e-12 : 1e-5) * largest + (is_half(type) ? ulp(type, expected) : 0);
  }
  return 0;
}

bool same_string(const ConstView& a, const ConstView& b, int64_t i) {
  return a.as<std::string>()[i] == b.as<std::string>()[i];
}

std::optional<std::string> difference(const Tensor& result, const Tensor& expected, const Tolerance& tolerance) {
  const bool narrowed = expected.dtype() == DType::kF32 && is_half(result.dtype());
  if (result.dtype() != expected.dtype() && !narrowed) {
    return cat("type ", dtype_name(result.dtype()), " instead of ", dtype_name(expected.dtype()));
  }
  if (!(result.extents() == expected.extents())) {
    return cat("shape ", result.extents().text(), " instead of ", expected.extents().text());
  }
  const ConstView a = result.view(), b = expected.view();
  const bool floats = is_float(b.dtype);
  const double largest = floats ? largest_magnitude(b) : 0;
  for (int64_t i = 0; i < b.count(); ++i) {
    bool good;
    if (b.dtype == DType::kString) {
      good = same_string(a, b, i);
    } else if (floats && dtype_bits(b.dtype) <= 8) {
      good = element_code(a, i) == element_code(b, i) ||
             (std::isnan(*load_element(a, i)) && std::isnan(*load_element(b, i)));
    } else if (floats) {
      const double x = *load_element(a, i), y = *load_element(b, i);
      good = x == y || (std::isnan(x) && std::isnan(y)) ||
             std::abs(x - y) <= allowed(a.dtype, y, largest, tolerance, narrowed) ||
             (narrowed && std::isinf(x) && std::abs(y) > 65000);
    } else if (tolerance.absolute) {
      good = std::abs(*load_element(a, i) - *load_element(b, i)) <= *tolerance.absolute;
    } else {
      good = element_code(a, i) == element_code(b, i);
    }
    if (!good) return cat("element ", i, " is ", element_text(a, i), " instead of ", element_text(b, i));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> difference(const Value& result, const Value& expected, const Tolerance& tolerance) {
  if (result.index() != expected.index()) return "another kind of value than expected";
  if (expected.is_tensor()) return difference(result.tensor(), expected.tensor(), tolerance);
  if (!expected.is_sequence()) return std::nullopt;
  const auto &a = result.sequence().items, &b = expected.sequence().items;
  if (a.size() != b.size()) return cat("a sequence of ", a.size(), " instead of ", b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto d = difference(a[i], b[i], tolerance)) return cat("item ", i, ": ", *d);
  }
  return std::nullopt;
}

bool same_bits(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (a.is_tensor()) return a.tensor() == b.tensor();
  if (a.is_sequence()) return a.sequence().items == b.sequence().items;
  return true;
}

}  // namespace sdx::ops
