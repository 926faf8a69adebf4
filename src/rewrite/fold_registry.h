// FoldRegistry: what folding has made in this process, found again by what it was made of.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "kernels/isa.h"
#include "rewrite/rewrite.h"

namespace sdx::rewrite {

/// Where an operand comes from.
struct Origin {
  int64_t fold = -1;  ///< of a result: the fold that made it, and which of its outputs
  int output = 0;
  std::vector<std::byte> content;   ///< of an operand of few bytes
  std::weak_ptr<const void> owner;  ///< of others; without one they are known by their place, to one user alone
  const std::byte* data = nullptr;
  std::shared_ptr<const SourceFiles> files;
  DType dtype = DType::kUndefined;
  Extents extents;

  bool is_place() const { return fold < 0 && data != nullptr; }
  size_t bytes() const { return static_cast<size_t>(dtype_bytes(dtype, extents.count())); }
};

/// Shared by all models of the process; holds no memory of theirs. Two operands are the same where their elements are,
/// so that a weight is packed once, whichever file or session it comes from. Calls are safe from several threads.
class FoldRegistry {
 public:
  static FoldRegistry& of_process();

  /// A model that is being folded. Origins without owners mean nothing beyond it.
  int64_t new_user();
  /// A user ends. After the last one what nobody can find any more is forgotten.
  void leave();

  /// The fold of that node, made where there is none yet.
  int64_t fold(int64_t user, const ir::Node& node, std::vector<Origin> origins);
  /// Its results that somebody still holds; undefined tensors in the place of others.
  std::vector<Tensor> results(int64_t fold) const;
  void set_results(int64_t fold, const std::vector<Tensor>& results);
  /// What a result is made of, for finding it in the folder; nothing where that cannot be said.
  std::optional<Digest> digest(int64_t fold, WeightFolder& folder) const;

 private:
  struct Result {
    std::weak_ptr<const void> owner;
    const std::byte* data = nullptr;
    DType dtype = DType::kUndefined;
    Extents extents;
  };
  struct Fold {
    const ir::Op* op;
    ir::Attrs attrs;
    kernels::Isa isa;
    std::vector<Origin> origins;
    std::vector<bool> wanted;
    std::vector<Result> results;
    int64_t user;  ///< the only one that may find it; 0: everybody
    size_t hash;
  };

  bool is_same(const Fold& known, int64_t user, const ir::Node& node, const std::vector<Origin>& origins) const;
  std::optional<Digest> digest(const Origin& origin, WeightFolder& folder) const;

  mutable std::mutex mutex_;
  std::map<int64_t, Fold> folds_;  ///< a fold has a greater number than those it reads
  std::unordered_multimap<size_t, int64_t> by_hash_;
  int64_t next_fold_ = 0, next_user_ = 0;
  int users_ = 0;
};

}  // namespace sdx::rewrite
