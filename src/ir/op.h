// Op: an operator's schema as plain data, with the three functions that give it meaning.
#pragma once

#include <cstdint>
#include <string_view>

#include "ir/attrs.h"
#include "ir/fact.h"

namespace sdx::ir {

class Call;
class InferContext;
class RunContext;

/// How many inputs or outputs an operator takes.
struct Arity {
  int least;
  int most;
};
inline constexpr int kVariadic = 1 << 20;

/// How far a result may be from the exact one; the test runner asserts it.
enum class Accuracy : uint8_t {
  kExact,       ///< bitwise (integers, copies, comparisons)
  kRounded,     ///< within 4 ulp of the result in its own type
  kFunction,    ///< a vectorised function: 1e-6 relative or 1e-6 absolute in float32
  kAccumulated  ///< sums of products: 1e-5 of the output's largest magnitude in float32
};

/// Properties that rules and the planner use. Bit i of a mask stands for input i.
struct Traits {
  bool impure = false;       ///< samples: never folded, shared or removed while used
  bool commutative = false;  ///< the first two inputs may change places
  bool associative = false;
  bool elementwise = false;     ///< output element i depends on element i of the broadcast inputs alone
  bool row_local = false;       ///< a row of the last axis of output 0 depends on that row of input 0 alone
  bool data_dependent = false;  ///< sizes of outputs depend on the data: run allocates them
  bool returns_values = false;  ///< run gives its outputs through set_output (sequences, bodies)
  int8_t view_of = -1;          ///< output 0 is that input's bytes under another shape: nothing runs
  uint32_t in_place = 0;        ///< inputs whose memory output 0 may take over where the sizes in bytes are equal
  uint32_t shape_only = 0;      ///< inputs that only infer reads: not needed once the output's shape is known
  uint32_t misaligned = 0;      ///< inputs read bytewise, so that weights in a file need no aligned copy
};

struct Op {
  std::string_view domain;  ///< "" for ai.onnx
  std::string_view name;
  Arity inputs;
  Arity outputs;
  Attrs (*parse)(const AttrMap&);  ///< Attrs::parse<TheStruct>
  void (*infer)(InferContext&);
  void (*run)(RunContext&);
  Traits traits = {};
  Accuracy accuracy = Accuracy::kExact;
  int since = 1;  ///< first opset version that has the operator
  /// Turns a call of an older opset into the newest form: moves attributes to inputs, fills in old defaults.
  void (*upgrade)(Call&) = nullptr;
  int bodies = 0;  ///< graph attributes
  std::string_view body_names[2] = {};
};

}  // namespace sdx::ir
