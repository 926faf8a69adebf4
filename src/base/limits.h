// Limits on what a model may ask for before anything is believed.
#pragma once

#include <cstdint>

namespace sdx {

inline constexpr int kMaxGraphDepth = 64;                  ///< nested subgraphs and functions
inline constexpr int64_t kMaxNodes = 10'000'000;           ///< nodes of one model, functions inlined
inline constexpr int64_t kMaxElements = int64_t{1} << 42;  ///< elements of one tensor
inline constexpr int kMaxRank = 8;                         ///< dimensions of one tensor

}  // namespace sdx
