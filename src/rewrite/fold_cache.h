// FoldCache: what folding has computed for one model, shared with others, and nothing kept that nobody uses.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "rewrite/fold_registry.h"

namespace sdx::rewrite {

/// Results of folding by operator, attributes and what the operands hold, so that branches, bodies, files and sessions
/// share weights. A result that only the cache still holds can be dropped: computing it again gives the same origin,
/// so that what was made of it is still found.
class FoldCache {
 public:
  struct Entry {
    int64_t fold;
    std::vector<Tensor> outputs;  ///< undefined where not wanted, or dropped
    std::vector<bool> wanted;
    bool is_new;  ///< not asked for before in this model

    bool complete() const;
  };

  FoldCache(std::shared_ptr<const SourceFiles> files, std::shared_ptr<WeightFolder> folder);
  FoldCache(const FoldCache&) = delete;
  FoldCache& operator=(const FoldCache&) = delete;
  ~FoldCache();

  /// The entry of that node, made where there is none yet. Its outputs are there where another model has them, or the
  /// folder does. Valid until the next drop_unused().
  Entry& entry(const ir::Graph& graph, const ir::Node& node, const std::vector<Tensor>& inputs);
  /// Takes the results of an entry that was not complete.
  void keep(Entry& entry, std::vector<Tensor> outputs);
  /// Frees the results that nobody else holds.
  void drop_unused();
  /// Throws DamagedWeight where one of the tensors comes from the folder and is not as it was written.
  void check(const std::vector<Tensor>& tensors);
  /// The same for all results; what is sound is offered to other models.
  void check_all();

 private:
  struct Place {
    int64_t fold;
    int output;
  };
  Origin origin(const Tensor& tensor) const;
  void hold(const Entry& entry);

  FoldRegistry& registry_ = FoldRegistry::of_process();
  std::shared_ptr<const SourceFiles> files_;
  std::shared_ptr<WeightFolder> folder_;
  int64_t user_;
  std::unordered_map<int64_t, Entry> entries_;
  std::unordered_map<const std::byte*, Place> places_;  ///< of the results that entries hold
};

}  // namespace sdx::rewrite
