// Case: one operator call with its expected results, read from the text files under cases/.
//
// A case is a header line, input lines and output lines; '#' starts a comment, an indented line continues the one
// above:
//
//   Softmax{axis=-1}@13                  [domain.]Name, attributes where there are any, opset version where it is not
//                                        the newest
//   in float32[2,3]: 1 2 3 4 5 6         an input that only a run knows
//   const int64[2]: -1 3                 an input that is known at load
//   none                                 an absent optional input
//   out float32[6]: 1 2 nan 4*3          a result; `out none`: not wanted; `out float32[6]: any`: values do not matter
//   error: substring                     instead of results: the message of the Error
//   tolerance: 1e-4                      absolute, instead of what the operator's Accuracy says
//   skip: half symbolic                  lanes that make no sense for the case
//
// Values are numbers, nan, inf, true, false or "strings"; `v*n` repeats a value, a final `...` repeats all of them
// until the tensor is full, `ramp(start,step)` fills it. Attribute values are 1 (int), 1.0 (float), "string", lists of
// those in
// [], a type's name (its number) or a tensor float32[2]{1 2}. Sequences are sequence(float32): [2] 1 2; [1] 3. An
// optional without a value is `in empty`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ir/attrs.h"

namespace sdx::ops {

struct CaseInput {
  bool absent = false;
  bool constant = false;
  Value value;
};

struct CaseOutput {
  bool wanted = true;
  bool any = false;  ///< only type and shape matter
  Value value;
};

struct Case {
  std::string file;  ///< the family
  int line = 0;
  std::string domain, name;
  int version = 0;
  ir::AttrMap attrs;
  std::vector<CaseInput> inputs;
  std::vector<CaseOutput> outputs;
  std::optional<std::string> error;
  std::optional<double> tolerance;
  bool half = true;      ///< repeat float32 cases in float16 and bfloat16
  bool symbolic = true;  ///< infer with symbols
};

/// Reads a case file. Throws Error with the line in the trail.
std::vector<Case> read_cases(const std::filesystem::path& path);

}  // namespace sdx::ops
