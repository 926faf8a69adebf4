// Bounds: which limit of the machine holds for an instruction, and how close a run came to it.
#pragma once

#include <string>
#include <vector>

#include "measure/ceiling.h"
#include "measure/cost.h"

namespace sdx::measure {

/// The limit that an instruction meets first.
enum class Bound : uint8_t {
  kArithmetic,  ///< multiply-adds from registers
  kMemory,      ///< weights, and operands that no cache holds
  kCache,       ///< operands that the second-level caches hold
  kOverhead     ///< so little work that starting it costs more
};
std::string_view bound_name(Bound bound);

struct Attainable {
  double ms = 0;
  Bound bound = Bound::kOverhead;
};

/// The roofline model (Williams, Waterman and Patterson, 2009) with one roof more for operands in caches. Weights come
/// from memory where all weights of the model together exceed the last-level cache; other operands where those of the
/// instruction do. `rows` multiplies arithmetic and operands, but not weights: what a larger batch would cost.
class Roofline {
 public:
  Roofline(const Ceiling& ceiling, double all_weight_bytes, double rows = 1);
  Attainable of(const Cost& cost) const;

 private:
  Ceiling ceiling_;
  bool weights_in_memory_;
  double last_level_, rows_;
};

/// Instructions that do the same on the same sizes, together.
struct Group {
  std::string op;
  std::string sizes;    ///< of operands and results
  std::string example;  ///< the name of one of its nodes
  std::string rule;     ///< the rewrite rule that made it; empty: from the file
  int count = 0;
  double ms = 0;                   ///< in all, in a typical run
  Cost cost;                       ///< in all
  Attainable attainable;           ///< in all; the bound is that of one
  double attainable_twice_ms = 0;  ///< with two times the rows
};

/// Groups the instructions of repeated runs, with the median time of each instruction. The groups that lose most
/// against their limit come first.
std::vector<Group> explain(const plan::Program& program, const std::vector<std::vector<engine::Sample>>& runs,
                           const Ceiling& ceiling);

}  // namespace sdx::measure
