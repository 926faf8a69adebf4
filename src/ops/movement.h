// Movement: what the operators share that move elements without looking at them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ops/family.h"

namespace sdx::ops {

/// An element of 16 bytes.
struct Bits128 {
  uint64_t low, high;
};

/// Calls body.operator()<T>() with the type that moves elements of `dtype`: an unsigned integer of its width, or
/// std::string. Not for types below 8 bits.
template <class Body>
void for_width(DType dtype, const Body& body) {
  if (dtype == DType::kString) return body.template operator()<std::string>();
  switch (dtype_bits(dtype)) {
    case 8: return body.template operator()<uint8_t>();
    case 16: return body.template operator()<uint16_t>();
    case 32: return body.template operator()<uint32_t>();
    case 64: return body.template operator()<uint64_t>();
    case 128: return body.template operator()<Bits128>();
    default: fail(ErrorKind::kInternal, "elements of ", dtype_name(dtype), " cannot be moved one by one");
  }
}

/// Bytes between neighbouring elements; not for types below 8 bits.
inline int64_t element_bytes(DType dtype) { return dtype_bytes(dtype, 1); }

/// Runs `run` with one byte for each element where input 0 is of a type below 8 bits, and packs output 0 again. Use as
/// `if (unpacked(c, run)) return;` at the top of run.
bool unpacked(RunContext& c, void (*run)(RunContext&));

using Strides = std::array<int64_t, kMaxRank>;

/// Strides in elements of a contiguous tensor.
Strides strides_of(const Extents& extents);

/// A block of elements, with the strides in elements by which it is read and written.
struct Box {
  Extents sizes;
  Strides from = {};
  Strides to = {};
};

/// Copies a box whose first element is at `from` and goes to `to`. The two must not overlap. Splits over threads.
void copy_box(const Parallel& parallel, DType dtype, const std::byte* from, std::byte* to, const Box& box);

/// The same for the elements [begin, end) of the box in row-major order, on the calling thread.
void copy_box(DType dtype, const std::byte* from, std::byte* to, const Box& box, int64_t begin, int64_t end);

/// Elements that a thread copies at a time.
inline constexpr int64_t kCopyGrain = 32768;

/// Elements of an input of integers (int64, int32) at run time, valid as long as scratch memory; none where it is
/// absent.
std::span<const int64_t> read_ints(const RunContext& c, int input);

/// The values of small integer outputs: runs `run` over the positions of the elements instead of the elements. Inputs
/// in the mask `data` are moved; the others must be constant, or nothing is stated. Elements that `run` makes itself
/// must be 0. Call it last in infer.
void move_values(InferContext& c, uint32_t data, void (*run)(RunContext&));

/// States that output 0 is input 0 under another shape: values and constants stay.
void set_view(InferContext& c, Shape shape);

/// run of operators with the trait view_of = 0, where a copy is asked for after all.
void run_view(RunContext& c);

}  // namespace sdx::ops
