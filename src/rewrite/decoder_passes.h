// Decoder passes: what a language model's graph becomes where its owner keeps the keys and values between runs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace sdx::rewrite {

/// Names of inputs that these passes add.
inline constexpr const char* kCacheSlots = "cache.slots";  ///< int64 [batch]: where each row's cache lies
inline constexpr const char* kCachePast = "cache.past";    ///< uint8 [past]: only its size counts
inline constexpr const char* kSourceRows = "source.rows";  ///< int64 [batch]: the source that each row reads
inline constexpr const char* kLastRows = "last.rows";      ///< uint8 [last]: only its size counts

inline constexpr const char* kHiddenStates = "hidden.states";  ///< an output: float32 [batch, tokens, width]

/// An input of past keys or values [batch, heads, past, width], and the output that has the new ones appended.
struct CachePair {
  std::string past, present;
};

/// Where `present` is Concat(past, new) and only attention reads it, the input becomes a cache
/// [slots, heads, capacity, width] under the same name, and the output that cache with the new rows put behind the
/// first `past`. Returns for each pair whether it was so. The symbol of the past's length must be the same in all
/// pairs.
std::vector<bool> keep_caches(ir::Graph& graph, std::span<const CachePair> pairs);

/// Where nothing but attention reads an input [batch, heads, source, width] of `names` as keys or values, the input
/// becomes [sources, heads, source, width] under the same name, of which row i reads the item kSourceRows[i]. Returns
/// for each name whether it was so. The symbol of the source's length must be the same in all of them.
std::vector<bool> share_sources(ir::Graph& graph, std::span<const std::string> names);

/// Makes output `name` [batch, tokens, width] the last rows [batch, last, width] of what it was, as many as the input
/// kLastRows has elements, and computes what only it needs for those rows alone. False, having done nothing, where the
/// output has another rank, a known number of tokens or readers in the graph.
bool keep_last_rows(ir::Graph& graph, const std::string& name);

/// Makes what the head turns into output `name` [batch, tokens, vocabulary] an output kHiddenStates. False, having done
/// nothing, where the head is none that takes [batch, tokens, width].
bool give_hidden_states(ir::Graph& graph, const std::string& name);

}  // namespace sdx::rewrite
