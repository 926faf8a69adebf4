// Comparing this runtime with ONNX Runtime on one model: flags in, a report out.
#pragma once

#include <string>

#include "cli/flags.h"
#include "cli/inputs.h"
#include "cli/json_tensor.h"
#include "measure/pairs.h"

namespace sdx::cli {

struct CompareFlags {
  ModelFlags model;
  InputFlags inputs;
  measure::PairOptions pairs;
  std::string library;  ///< path of libonnxruntime.so.1; empty: where it is installed
  std::string mixed;    ///< a padded batch such as "16x8..128"; empty: none
  std::string html;     ///< where the page goes; empty: nowhere
  std::string only;     ///< of a child process: "ours" or "peer"
  bool load_only = false;
  bool no_memory = false;
};

/// Loads both, checks the outputs against each other, measures in turns, and in processes of their own load times and
/// memory. Times are in milliseconds, sizes in bytes, rates a second. Fields: model, threads, isa, peer, shapes,
/// outputs [{name, difference, scale, relative}], agree, ratio, ours_ms, peer_ms (each {median, first, third, least}),
/// work {operations, weight_bytes, moved_bytes}, ceiling {flops, memory, cache}, load, memory.
Json compare_runtimes(const CompareFlags& flags);

/// A summary's fields.
Json to_json(const measure::Summary& summary);

}  // namespace sdx::cli
