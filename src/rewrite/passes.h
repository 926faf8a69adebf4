// Passes: the graph-wide steps that are not patterns.
#pragma once

#include <span>
#include <vector>

#include "base/pages.h"
#include "ir/graph.h"
#include "rewrite/fold_cache.h"
#include "rewrite/rewrite.h"

namespace sdx::rewrite {

/// State that all graphs of one model share while it is rewritten.
struct Progress {
  const Options& options;
  Report& report;
  int64_t fold_left;         ///< bytes that folding may still make beside packed weights
  std::vector<bool> stable;  ///< symbols that every run binds from the model's inputs alone
  FoldCache folded{options.files, options.weights};
  PagePool packed = {};  ///< where packed weights lie
  Parallel parallel{0};  ///< of folding
  Tensor staging = {};   ///< where constants are read to before packing

  /// Whether all symbols of the sizes are stable.
  bool knows(std::span<const Dim> sizes) const;
  /// Counts an application; false where the rule is off or the limit is reached.
  bool allowed(const std::string& rule) const;
  void count(const std::string& rule) {
    ++report.applied[rule];
    ++applications;
  }
  int applications = 0;
};

/// Replaces nodes of constants by their results, and values that are known from symbols by known values.
bool fold(ir::Graph& graph, Progress& progress);
/// Computes in float32 what operators on float16 and bfloat16 would widen one by one.
bool widen_half(ir::Graph& graph, Progress& progress);
/// Merges nodes with equal operator, attributes and inputs.
bool merge_equal(ir::Graph& graph, Progress& progress);
/// Removes nodes whose results nobody uses, and captures that no body uses.
bool remove_dead(ir::Graph& graph);

/// With Options::zero_padding: computes only the rows of tokens that the input "attention_mask" keeps, where attention
/// over [texts, length, ...] excludes exactly the others. Exact on the kept rows; the others become zeros.
bool remove_padding(ir::Graph& graph, Progress& progress);

/// With Options::candidates: makes the split product of that output a CandidateMatMul. Before folding, which packs.
bool choose_candidates(ir::Graph& graph, Progress& progress);

/// Gives RNN, GRU and LSTM packed weights where these are constant. Before folding, which packs.
bool pack_recurrent(ir::Graph& graph, Progress& progress);

/// Where one row of each text is all that is read of [texts, length, ...], computes only that row: of the last layer
/// of a classifier that reads the first token nothing else is left but keys and values.
bool select_row(ir::Graph& graph, Progress& progress);

/// Makes products of one operand with matrices of equal extents one PackedMatMulGroup: the operand is prepared once,
/// and threads start and meet once.
bool group_products(ir::Graph& graph, Progress& progress);

/// Throws Internal where the graph breaks an invariant: an input of a node that is none, a use of a removed node, a
/// value whose producer does not list it, a cycle. `after` names the step in the message.
void verify(const ir::Graph& graph, const std::string& after);

}  // namespace sdx::rewrite
