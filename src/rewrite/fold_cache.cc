// FoldCache: finding results of folding by their origins.
#include "rewrite/fold_cache.h"

#include <algorithm>

namespace sdx::rewrite {
namespace {

/// Operands of at most so many bytes are known by their content, whoever owns them.
constexpr size_t kSmallBytes = 256;
/// Results from this size on are worth a file.
constexpr int64_t kFileBytes = int64_t{1} << 16;

}  // namespace

bool FoldCache::Entry::complete() const {
  if (outputs.size() != wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] && !outputs[i].defined()) return false;
  }
  return true;
}

FoldCache::FoldCache(std::shared_ptr<const SourceFiles> files, std::shared_ptr<WeightFolder> folder)
    : files_(std::move(files)), folder_(std::move(folder)), user_(registry_.new_user()) {}

FoldCache::~FoldCache() { registry_.leave(); }

Origin FoldCache::origin(const Tensor& tensor) const {
  Origin out;
  if (!tensor.defined()) return out;
  out.dtype = tensor.dtype();
  out.extents = tensor.extents();
  const std::byte* const data = tensor.view().data;
  if (const auto place = places_.find(data); place != places_.end()) {
    out.fold = place->second.fold;
    out.output = place->second.output;
  } else if (const auto bytes = static_cast<size_t>(tensor.view().bytes()); bytes <= kSmallBytes) {
    out.content.assign(data, data + bytes);
  } else {
    out.owner = tensor.owner();
    out.data = data;
    out.files = files_;
  }
  return out;
}

void FoldCache::hold(const Entry& entry) {
  for (size_t i = 0; i < entry.outputs.size(); ++i) {
    if (entry.outputs[i].defined() && entry.outputs[i].view().bytes() > 0)
      places_[entry.outputs[i].view().data] = {entry.fold, static_cast<int>(i)};
  }
}

FoldCache::Entry& FoldCache::entry(const ir::Graph& graph, const ir::Node& node, const std::vector<Tensor>& inputs) {
  std::vector<Origin> origins;
  for (const Tensor& t : inputs) origins.push_back(origin(t));
  const int64_t fold = registry_.fold(user_, node, std::move(origins));
  auto [it, is_new] = entries_.try_emplace(fold, Entry{fold, {}, {}, false});
  Entry& entry = it->second;
  entry.is_new = is_new;
  if (is_new) {
    for (ir::ValueId v : node.outputs) entry.wanted.push_back(v != ir::kNone);
  }
  if (entry.complete()) return entry;
  entry.outputs = registry_.results(fold);
  if (!entry.complete() && folder_ && entry.wanted.size() == 1 && entry.wanted[0]) {
    const ir::Fact& fact = graph.fact(node.outputs[0]);
    const Extents extents = *fact.shape.extents();
    if (dtype_bytes(fact.dtype, extents.count()) >= kFileBytes) {
      if (const auto digest = registry_.digest(fold, *folder_)) {
        if (auto kept = folder_->find(*digest, fact.dtype, extents)) entry.outputs = {std::move(*kept)};
      }
    }
  }
  hold(entry);
  return entry;
}

void FoldCache::keep(Entry& entry, std::vector<Tensor> outputs) {
  entry.outputs = std::move(outputs);
  registry_.set_results(entry.fold, entry.outputs);
  hold(entry);
  if (!folder_ || entry.outputs.size() != 1 || entry.outputs[0].view().bytes() < kFileBytes) return;
  if (const auto digest = registry_.digest(entry.fold, *folder_)) folder_->keep(*digest, entry.outputs[0]);
}

void FoldCache::drop_unused() {
  for (auto& [fold, entry] : entries_) {
    for (Tensor& t : entry.outputs) {
      if (!t.defined() || t.owner().use_count() > 1) continue;
      places_.erase(t.view().data);
      t = {};
    }
  }
}

void FoldCache::check(const std::vector<Tensor>& tensors) {
  if (!folder_) return;
  bool sound = true;
  for (const Tensor& t : tensors) sound &= !t.defined() || folder_->is_sound(t);
  if (!sound) throw DamagedWeight();
}

void FoldCache::check_all() {
  if (!folder_) return;
  drop_unused();
  std::vector<Tensor> all;
  for (const auto& [fold, entry] : entries_) all.insert(all.end(), entry.outputs.begin(), entry.outputs.end());
  check(all);
  for (const auto& [fold, entry] : entries_) {
    if (entry.complete()) registry_.set_results(fold, entry.outputs);
  }
  folder_->remember_sources();
}

}  // namespace sdx::rewrite
