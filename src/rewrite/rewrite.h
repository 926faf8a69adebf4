// rewrite: a graph becomes a smaller one that computes the same.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "rewrite/weight_folder.h"

namespace sdx::rewrite {

/// How one model's files are told that elements have been read, and which of them holds some; either may be empty.
struct SourceFiles {
  std::function<void(std::span<const std::byte>)> has_read;
  std::function<std::shared_ptr<const MappedFile>(std::span<const std::byte>)> file_holding;
};

/// Which rules run, and how far.
struct Options {
  bool enabled = true;            ///< false: the graph stays as imported
  std::vector<std::string> off;   ///< names of rules that do not run
  std::vector<std::string> only;  ///< if not empty, only these run
  int limit = -1;                 ///< applications after which rewriting stops; -1: none
  bool explain = false;           ///< collect near misses in the report
  bool widen_half = true;         ///< float16 graphs compute in float32 throughout, without rounding in between
  bool known_values = true;       ///< values known from symbols leave the graph; false for saving it as ONNX
  bool zero_padding = false;      ///< leave out rows that the attention mask excludes: zeros in the outputs
  /// The output of which only the largest values of a row are chosen from, "" for none: where a product makes it of at
  /// least candidate_weights weights, the others are computed from two of the three bytes of each (CandidateMatMul).
  std::string candidates;
  int64_t candidate_weights = int64_t{1} << 20;
  bool few_rows = false;  ///< products mostly have few rows, so that bytes of weights count: a decoder's steps
  int64_t fold_bytes = int64_t{1} << 32;  ///< constants that folding may make beside packed weights
  /// Where the constants lie. Told of the bytes of large ones that folding has read and that may not be read again.
  std::shared_ptr<const SourceFiles> files = std::make_shared<const SourceFiles>();
  std::shared_ptr<WeightFolder> weights;  ///< keeps packed weights for other processes; may be null
};

/// What happened.
struct Report {
  struct Miss {
    std::string rule, node, reason;
  };
  std::map<std::string, int> applied;  ///< applications by rule
  std::vector<Miss> misses;
};

/// Thrown where a kept weight turns out to be damaged; its file is gone by then, so another attempt packs it again.
struct DamagedWeight {};

/// Applies the stages canonicalise, fold, fuse, layout and cleanup to the graph and its bodies. Throws
/// DamagedWeight where Options::weights held one.
ir::Graph rewrite(ir::Graph graph, const Options& options, Report& report);

}  // namespace sdx::rewrite
