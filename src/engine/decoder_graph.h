// DecoderGraph: one compiled file of a decoder, and what its inputs and outputs mean.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/decoder.h"
#include "engine/decoder_files.h"

namespace sdx::engine {

/// What an input of a decoder's graph is given.
enum class DecoderInput : uint8_t {
  kIds,         ///< [batch, tokens]: the new tokens
  kMask,        ///< [batch, past + tokens]: 1 for real tokens
  kPositions,   ///< [batch, tokens]
  kSource,      ///< encoder states
  kSourceMask,  ///< [batch, source]
  kPast,        ///< keys or values of the tokens before
  kCross,       ///< keys or values of the source
  kCacheSlots,  ///< as rewrite/decoder_passes.h has it
  kCachePast,
  kSourceRows,
  kLastRows,
};

/// Keys or values that a decoder keeps between steps.
struct DecoderPair {
  std::string name;  ///< what follows "present." in the names
  bool cross = false;
  int64_t heads = 0, width = 0;
  DType dtype = DType::kF32;
};

/// How a file is compiled.
struct DecoderGraphOptions {
  ModelOptions model;
  bool has_branch = false, use_cache = false;  ///< of a file with the input use_cache_branch: the branch to take
  bool one_token = false;                      ///< it is only valid for one new token at a time
  bool no_past = false;                        ///< what it takes as past stays empty
  bool in_place = false;                       ///< keys and values may be written into a cache of the caller
  bool hidden = false;                         ///< hidden states are wanted
};

struct DecoderGraph {
  struct Input {
    DecoderInput kind;
    int pair = -1;  ///< kPast, kCross
  };

  std::shared_ptr<const Model> model;
  std::vector<Input> inputs;   ///< in the model's order
  int logits = -1;             ///< index of the output
  int hidden = -1;             ///< likewise of hidden states, where they are wanted
  std::vector<int> presents;   ///< for each pair the output that holds it, or -1
  std::vector<bool> in_place;  ///< of each pair: the graph writes to the cache
  std::vector<bool> shared;    ///< of each pair of the source: rows read it by kSourceRows
  bool last_rows = false;      ///< it computes as many rows of logits as it is asked for
  bool one_token = false;
  std::unique_ptr<Execution> execution;
  std::vector<Value> values;  ///< for the inputs, from run to run
  std::vector<Tensor> lent;   ///< for the outputs
};

/// The pairs that a file takes as past. Throws UnsupportedModel where they are not [batch, heads, past, width].
std::vector<DecoderPair> find_pairs(const onnx::ModelFile& file);

/// Compiles a file. Throws UnsupportedModel for inputs whose meaning is not known.
DecoderGraph compile_decoder(const SharedFile& file, const std::vector<DecoderPair>& pairs,
                             const DecoderGraphOptions& options);

}  // namespace sdx::engine
