// FoldCache: what folding has computed, so that branches and bodies share weights and nothing is kept that nobody uses.
#pragma once

#include <memory>
#include <vector>

#include "ir/graph.h"

namespace sdx::rewrite {

/// Results of folding by operator, attributes and where the operands come from: the memory of a constant, or another
/// result. A result that only the cache still holds can be dropped: computing it again gives the same origin, so that
/// what was made of it is still found.
class FoldCache {
 public:
  struct Entry;
  FoldCache();
  ~FoldCache();

  /// The entry of that node, made where there is none yet. Valid until the next call.
  Entry& entry(const ir::Node& node, const std::vector<Tensor>& inputs);
  /// Frees the results that nobody else holds.
  void drop_unused();

 private:
  struct Origin;
  Origin origin(const Tensor& tensor) const;

  std::vector<Entry> entries_;
};

struct FoldCache::Origin {
  int entry = -1, output = -1;      ///< of a result
  std::weak_ptr<const void> owner;  ///< of other constants; compared, never locked: an expired owner equals no new one
  const std::byte* data = nullptr;
  DType dtype = DType::kUndefined;
  Extents extents;

  bool operator==(const Origin& other) const;
};

struct FoldCache::Entry {
  const ir::Op* op;
  ir::Attrs attrs;
  std::vector<Origin> inputs;
  std::vector<Tensor> outputs;  ///< undefined where not wanted, or dropped
  std::vector<bool> wanted;

  bool complete() const;
};

}  // namespace sdx::rewrite
