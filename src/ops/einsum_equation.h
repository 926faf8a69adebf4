// EinsumEquation: the equation of an Einsum with every axis of every operand given a label.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace sdx::ops {

/// Labels are small numbers: the letters a…z and A…Z, then the axes of the ellipsis, which are aligned at the right.
struct EinsumEquation {
  std::vector<std::vector<int>> operands;
  std::vector<int> output;
};

/// Letters and the axes that an ellipsis can stand for.
inline constexpr int kEinsumLabels = 52 + 16;

/// Reads "ij,jk->ik", "...ij,...jk" for operands of those ranks. Without "->" the result has the axes of the ellipsis
/// and then the letters that occur once, in alphabetical order. Throws InvalidModel where the equation is malformed or
/// does not fit the ranks.
EinsumEquation parse_einsum(std::string_view equation, std::span<const int> ranks);

}  // namespace sdx::ops
