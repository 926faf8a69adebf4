// Evaluating one operator on concrete values: what folding does, and what the engine does where sizes are data.
#pragma once

#include <span>
#include <vector>

#include "base/pages.h"
#include "ir/graph.h"
#include "ir/run_context.h"

namespace sdx::ir {

/// A host without bodies, for folding: scratch comes from the heap, sampling is seeded with 0.
class PlainHost : public RunHost {
 public:
  std::byte* scratch(int64_t bytes) override;
  std::vector<Value> run_body(int body, std::span<const Value> inputs) override;
  const Fact& body_input(int body, int index) override;
  const Fact& body_output(int body, int index) override;
  std::mt19937_64& random() override { return random_; }
  void check_cancelled() override {}
  /// Frees the scratch memory of the operators run so far.
  void reset() { blocks_.clear(); }

 private:
  std::vector<std::shared_ptr<std::byte>> blocks_;
  std::mt19937_64 random_;
};

/// The operator, its attributes and its bodies, as a node or an instruction holds them.
struct OpCall {
  const Op& op;
  const Attrs& attrs;
  std::span<const Graph> bodies;
};

/// Infers with the slots' concrete shapes and values, allocates the wanted outputs (non-null slots) on the heap and
/// runs the operator. Throws as infer does, and where a constraint between sizes fails. Outputs of the sizes that
/// `pool` takes lie there, where one is given. Output 0 is made even where nobody wants it: operators rely on it.
void run_concrete(const OpCall& call, std::span<Slot* const> inputs, std::span<Slot* const> outputs, RunHost& host,
                  const Parallel& parallel, PagePool* pool = nullptr);

/// Checks a constraint under bindings; undecidable ones pass. Throws InvalidInput.
void check(const Constraint& constraint, std::span<const int64_t> bindings);

}  // namespace sdx::ir
