// Shape: the symbolic shape of a value, possibly of unknown rank.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/dim.h"
#include "tensor/extents.h"

namespace sdx {

class Shape {
 public:
  /// Unknown rank.
  Shape() = default;
  Shape(std::vector<Dim> dims) : dims_(std::move(dims)) {}  // NOLINT: implicit by design
  Shape(std::initializer_list<Dim> dims) : dims_(std::vector<Dim>(dims)) {}
  explicit Shape(const Extents& extents) : dims_(std::vector<Dim>(extents.begin(), extents.end())) {}

  bool has_rank() const { return dims_.has_value(); }
  /// Only where has_rank().
  int rank() const { return static_cast<int>(dims_->size()); }
  const std::vector<Dim>& dims() const { return *dims_; }
  const Dim& operator[](int axis) const { return (*dims_)[static_cast<size_t>(axis)]; }
  Dim& operator[](int axis) { return (*dims_)[static_cast<size_t>(axis)]; }
  void push_back(const Dim& d) { dims_->push_back(d); }

  /// Product of all dimensions.
  Dim count() const {
    Dim total = 1;
    for (const Dim& d : *dims_) total = total * d;
    return total;
  }

  /// The sizes where every one is a number.
  std::optional<Extents> extents() const {
    if (!dims_) return std::nullopt;
    Extents out;
    for (const Dim& d : *dims_) {
      if (!d.known()) return std::nullopt;
      out.push_back(d.value());
    }
    return out;
  }

  /// The sizes under `bindings`; nothing where the rank is unknown or a symbol unbound. Throws InvalidInput where a
  /// size comes out negative.
  std::optional<Extents> evaluate(std::span<const int64_t> bindings) const {
    if (!dims_) return std::nullopt;
    Extents out;
    for (const Dim& d : *dims_) {
      auto size = d.evaluate(bindings);
      if (!size) return std::nullopt;
      if (*size < 0) {
        fail(ErrorKind::kInvalidInput, "the size ", d.text(), " of a tensor is ", *size,
             " for these inputs; it must be >= 0");
      }
      out.push_back(*size);
    }
    return out;
  }

  /// "[batch,seq,768]"; "[...]" where the rank is unknown.
  std::string text() const {
    if (!dims_) return "[...]";
    std::string out = "[";
    for (size_t i = 0; i < dims_->size(); ++i) out += (i ? "," : "") + (*dims_)[i].text();
    return out + "]";
  }

  bool operator==(const Shape& other) const = default;

 private:
  std::optional<std::vector<Dim>> dims_;
};

}  // namespace sdx
