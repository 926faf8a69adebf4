// Fact: what is known about a value before the program runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tensor/shape.h"
#include "tensor/tensor.h"

namespace sdx::ir {

enum class Kind : uint8_t { kTensor, kSequence, kOptional };

/// Largest number of elements whose values are tracked symbolically.
inline constexpr int64_t kMaxKnownValues = 256;

/// Type, symbolic shape, and the value itself where it is known. For a sequence, dtype and shape describe its elements;
/// an optional holds a tensor, or a sequence where `optional_sequence`.
struct Fact {
  Kind kind = Kind::kTensor;
  bool optional_sequence = false;
  DType dtype = DType::kUndefined;
  Shape shape;
  /// The value itself, or undefined.
  Tensor constant;
  /// Elements of a small int64, int32 or bool tensor of known size as expressions, row-major (bool: 0 and 1).
  std::optional<std::vector<Dim>> values;

  static Fact tensor(DType dtype, Shape shape) { return {Kind::kTensor, false, dtype, std::move(shape), {}, {}}; }
  /// The fact of a constant; small integers also get `values`.
  static Fact of(Tensor constant);
  /// The fact of a 1-D (or, with `scalar`, 0-D) int64 tensor with those elements.
  static Fact known(std::vector<Dim> values, bool scalar = false);

  /// The fact of a tensor of that type with those elements, as many as the known sizes in `shape` make: `values`, and
  /// the constant where all are numbers. More than kMaxKnownValues elements, or a type that is not int64, int32 or
  /// bool, leave only type and shape.
  static Fact known(DType dtype, Shape shape, std::vector<Dim> values);

  bool is_constant() const { return constant.defined(); }
  int rank() const { return shape.rank(); }
  /// "float32[batch,seq,768]", "sequence(int64[...])".
  std::string text() const;
};

/// What holds for a value that is one or the other: unequal sizes become fresh symbols. Throws InvalidModel where the
/// kinds or types differ.
Fact join(const Fact& a, const Fact& b, SymbolTable& symbols);

}  // namespace sdx::ir
