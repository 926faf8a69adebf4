// Cost: the arithmetic and the memory traffic that an operator cannot do without.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/model.h"

namespace sdx::measure {

/// Of one execution of an instruction.
struct Cost {
  double operations = 0;    ///< floating-point or integer arithmetic; a multiply-add is two
  double weight_bytes = 0;  ///< of constants that it reads
  double moved_bytes = 0;   ///< of other operands that it reads and of results that it writes

  Cost& operator+=(const Cost& other);
};

/// Counts for the instructions of one program and of its bodies.
class CostModel {
 public:
  /// `program` outlives the object.
  explicit CostModel(const plan::Program& program);

  /// Products and convolutions count what their definition needs (a Winograd convolution may do less); attention counts
  /// both products over all keys; element-wise operators, norms and reductions count operations per element; what only
  /// moves elements counts none. Tables that are looked up count the rows taken. Instructions with bodies count
  /// nothing: their bodies' instructions do.
  Cost of(const engine::Sample& sample) const;

  /// The sum over a run.
  Cost total(const std::vector<engine::Sample>& run) const;

 private:
  void add(const plan::Program& program);

  std::map<const plan::Instruction*, const plan::Program*> programs_;
};

}  // namespace sdx::measure
