// FoldCache: finding results of folding by their origins.
#include "rewrite/fold_cache.h"

#include <algorithm>

namespace sdx::rewrite {

bool FoldCache::Origin::operator==(const Origin& other) const {
  if (entry != other.entry || output != other.output) return false;
  if (entry >= 0) return dtype == other.dtype && extents == other.extents;
  const bool same_owner = !owner.owner_before(other.owner) && !other.owner.owner_before(owner);
  return same_owner && data == other.data && dtype == other.dtype && extents == other.extents;
}

bool FoldCache::Entry::complete() const {
  if (outputs.size() != wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] && !outputs[i].defined()) return false;
  }
  return true;
}

FoldCache::FoldCache() = default;
FoldCache::~FoldCache() = default;

FoldCache::Origin FoldCache::origin(const Tensor& tensor) const {
  Origin out;
  if (!tensor.defined()) return out;
  out.dtype = tensor.dtype();
  out.extents = tensor.extents();
  for (size_t e = 0; e < entries_.size(); ++e) {
    for (size_t i = 0; i < entries_[e].outputs.size(); ++i) {
      if (!entries_[e].outputs[i].defined() || entries_[e].outputs[i].view().data != tensor.view().data) continue;
      out.entry = static_cast<int>(e);
      out.output = static_cast<int>(i);
      return out;
    }
  }
  out.owner = tensor.owner();
  out.data = tensor.view().data;
  return out;
}

FoldCache::Entry& FoldCache::entry(const ir::Node& node, const std::vector<Tensor>& inputs) {
  std::vector<Origin> origins;
  for (const Tensor& t : inputs) origins.push_back(origin(t));
  for (Entry& e : entries_) {
    if (e.op == node.op && e.attrs == node.attrs && e.inputs == origins && e.wanted.size() == node.outputs.size())
      return e;
  }
  Entry made{node.op, node.attrs, std::move(origins), {}, {}};
  for (ir::ValueId v : node.outputs) made.wanted.push_back(v != ir::kNone);
  return entries_.emplace_back(std::move(made));
}

void FoldCache::drop_unused() {
  for (Entry& e : entries_) {
    for (Tensor& t : e.outputs) {
      if (t.defined() && t.owner().use_count() == 1) t = {};
    }
  }
}

}  // namespace sdx::rewrite
