// Iterating over the encoded numbers of a tensor's typed fields, whose encoding the reader has checked.
#pragma once

#include <protozero/varint.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "onnx/model_view.h"

namespace sdx::onnx {

/// Calls take(bits) for each number of `runs`, which hold numbers of the width of `Fixed`.
template <class Fixed, class Take>
void for_each_fixed(std::span<const NumberRun> runs, Take take) {
  for (const NumberRun& run : runs) {
    const char* at = run.bytes.data();
    const char* end = at + run.bytes.size();
    while (at != end) {
      if (run.tagged) protozero::skip_varint(&at, end);
      Fixed value;
      std::memcpy(&value, at, sizeof value);
      at += sizeof value;
      take(value);
    }
  }
}

/// Calls take(value) for each varint of `runs`.
template <class Take>
void for_each_varint(std::span<const NumberRun> runs, Take take) {
  for (const NumberRun& run : runs) {
    const char* at = run.bytes.data();
    const char* end = at + run.bytes.size();
    while (at != end) {
      if (run.tagged) protozero::skip_varint(&at, end);
      take(protozero::decode_varint(&at, end));
    }
  }
}

}  // namespace sdx::onnx
