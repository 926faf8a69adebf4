// Cast: conversion between every pair of element types.
#pragma once

#include <cstdint>

#include "base/element.h"
#include "base/float8.h"

namespace sdx::kernels {

/// The attributes of Cast: what happens beyond the range of an 8-bit float, and how float8e8m0 rounds.
struct CastMode {
  Overflow overflow = Overflow::kSaturate;
  PowerRounding power = PowerRounding::kUp;
};

/// Converts elements [begin, end) of x to y; both pointers are to element 0, and types narrower than a byte are packed.
/// Where `to` is packed, `begin` is a multiple of the elements in a byte, and so is `end` or it is the last element of
/// y: the unused bits of the last byte become 0. No alias, except that y may be x where both types have the same width
/// of at least a byte.
///
/// Floats round once, to nearest even. Floats become integers by truncation; what does not fit (NaN included) becomes
/// INT32_MIN for types below 32 bits and int32, INT64_MIN for wider ones and uint32, and then the low bits of that, as
/// x86 does it. Integers keep their low bits. bool is x != 0. float4e2m1 always saturates.
void cast(Element from, const void* x, Element to, void* y, int64_t begin, int64_t end, CastMode mode = {});

}  // namespace sdx::kernels
