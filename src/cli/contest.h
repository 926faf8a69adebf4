// Contest: one model loaded by both runtimes, with the same inputs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/agreement.h"
#include "cli/runner.h"
#include "measure/pairs.h"
#include "peer/peer.h"

namespace sdx::cli {

/// A padded batch of texts: `rows` of them, lengths spread evenly over [least, most] in an order drawn by the seed.
struct MixedBatch {
  int64_t rows = 0, least = 0, most = 0;

  /// Reads "16x8..128". Throws InvalidInput.
  static MixedBatch parse(const std::string& text);
  std::vector<int64_t> lengths(uint64_t seed) const;
};

/// Makes the inputs a padded batch: each two-dimensional input gets rows of those lengths, masks are zero beyond them.
/// The inputs hold at least lengths.size() rows of the longest length. Throws InvalidInput where there is no mask.
void pad_inputs(const engine::Model& model, const std::vector<int64_t>& lengths, std::vector<Value>& inputs);

/// The peer's side: its session and what it runs for one pass over the inputs.
class PeerSide {
 public:
  /// `names` and `values`: the inputs; those that the peer's session does not know are left out.
  PeerSide(const peer::PeerSession& session, const std::vector<std::string>& names, std::vector<Value> values);

  /// Runs on the whole inputs.
  std::vector<peer::PeerValue> run() const { return session_.run(values_); }
  /// Runs a mixed batch in pieces: sorted by length, `rows` at a time, each piece cut to its longest text.
  std::function<void()> in_pieces(const std::vector<int64_t>& lengths, int64_t rows) const;

 private:
  std::vector<peer::PeerValue> wrap(const std::vector<Tensor>& tensors) const;

  const peer::PeerSession& session_;
  std::vector<Tensor> tensors_;
  std::vector<peer::PeerValue> values_;
};

}  // namespace sdx::cli
