// HostileCase: an operator call bent out of shape: sizes, axes and attributes as a broken or malicious file has them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "random_case.h"
#include "tensor/shape.h"

namespace sdx::ops {

/// What the committed cases of one operator look like: the calls, and every attribute that it is given anywhere.
struct OpCases {
  std::vector<Case> cases;
  std::map<std::string, std::vector<ir::AttrValue>> attributes;
};

/// The readable calls of every operator without bodies, by "domain::Name".
const std::map<std::string, OpCases>& cases_by_operator();

/// One of the operator's calls after one to four seeded changes: hostile integers, floats and texts in attributes and
/// operands, lists of other lengths, axes added, dropped and resized, other types, operands and outputs more or fewer.
Case hostile_case(const OpCases& known, Random& random);

/// Sizes up to the largest integer, symbols, or no rank at all: what a file may declare for an input.
Shape hostile_shape(const Extents& extents, SymbolTable& symbols, Random& random);

/// The call with the first elements of its operands, as one reads it in a report.
std::string describe(const Case& c);

}  // namespace sdx::ops
