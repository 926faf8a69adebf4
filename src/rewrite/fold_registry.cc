// FoldRegistry: comparing origins by what they hold.
#include "rewrite/fold_registry.h"

#include <atomic>
#include <cstring>

#include "base/parallel.h"

namespace sdx::rewrite {
namespace {

constexpr size_t kCompareBytes = size_t{1} << 20;
constexpr size_t kPieceBytes = size_t{16} << 20;

size_t hash_of(const ir::Op* op, kernels::Isa isa, const std::vector<Origin>& origins) {
  size_t hash = std::hash<const void*>()(op) + static_cast<size_t>(isa);
  const auto add = [&](uint64_t v) { hash = (hash ^ v) * 0x9E3779B97F4A7C15u + (hash >> 29); };
  for (const Origin& o : origins) {
    add(static_cast<uint64_t>(o.dtype));
    for (int64_t size : o.extents) add(static_cast<uint64_t>(size));
  }
  return hash;
}

/// The attributes' bytes, each with its name, type and length; nothing where one is a tensor.
std::optional<std::vector<std::byte>> serialised(const ir::Attrs& attrs) {
  std::vector<std::byte> out;
  const auto append = [&](const void* data, size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(data);
    const auto* const length = reinterpret_cast<const std::byte*>(&bytes);
    out.insert(out.end(), length, length + sizeof(bytes));
    out.insert(out.end(), first, first + bytes);
  };
  for (const auto& [name, value] : attrs.map()) {
    if (std::holds_alternative<Tensor>(value)) return std::nullopt;
    const size_t type = value.index();
    append(name.data(), name.size());
    append(&type, sizeof(type));
    if (const auto* i = std::get_if<int64_t>(&value)) append(i, sizeof(*i));
    if (const auto* f = std::get_if<float>(&value)) append(f, sizeof(*f));
    if (const auto* s = std::get_if<std::string>(&value)) append(s->data(), s->size());
    if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) append(is->data(), is->size() * sizeof(int64_t));
    if (const auto* fs = std::get_if<std::vector<float>>(&value)) append(fs->data(), fs->size() * sizeof(float));
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& t : *texts) append(t.data(), t.size());
    }
  }
  return out;
}

/// Compares on all threads.
bool equal_bytes(const std::byte* a, const std::byte* b, size_t bytes) {
  std::atomic<bool> equal{true};
  const size_t parts = (bytes + kCompareBytes - 1) / kCompareBytes;
  Parallel(0).run(static_cast<int64_t>(parts), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end && equal.load(std::memory_order_relaxed); ++p) {
      const size_t at = static_cast<size_t>(p) * kCompareBytes;
      if (std::memcmp(a + at, b + at, std::min(kCompareBytes, bytes - at)) != 0) equal = false;
    }
  });
  return equal;
}

/// Piece by piece, so that few pages of either are resident. Most weights differ in their first line.
bool equal_content(const Origin& a, const Origin& b) {
  const size_t bytes = a.bytes();
  bool equal = std::memcmp(a.data, b.data, std::min<size_t>(bytes, 64)) == 0;
  for (size_t at = 0; at < bytes && equal; at += kPieceBytes) {
    const size_t piece = std::min(kPieceBytes, bytes - at);
    equal = equal_bytes(a.data + at, b.data + at, piece);
    for (const Origin* o : {&a, &b}) {
      if (o->files && o->files->has_read) o->files->has_read({o->data + at, piece});
    }
  }
  return equal;
}

bool is_same_place(const Origin& a, const Origin& b) {
  return a.data == b.data && !a.owner.owner_before(b.owner) && !b.owner.owner_before(a.owner);
}

bool is_same_origin(const Origin& known, const Origin& given) {
  if (known.dtype != given.dtype || known.extents != given.extents) return false;
  if (known.fold >= 0 || given.fold >= 0) return known.fold == given.fold && known.output == given.output;
  if (!known.data || !given.data) return known.data == given.data && known.content == given.content;
  if (is_same_place(known, given)) return true;
  const auto one = known.owner.lock(), other = given.owner.lock();
  if (!one || !other) return false;
  return equal_content(known, given);
}

}  // namespace

FoldRegistry& FoldRegistry::of_process() {
  static FoldRegistry registry;
  return registry;
}

int64_t FoldRegistry::new_user() {
  std::lock_guard lock(mutex_);
  ++users_;
  return ++next_user_;
}

void FoldRegistry::leave() {
  std::lock_guard lock(mutex_);
  if (--users_ > 0) return;  // the others may still ask for what has lost its operands
  std::set<int64_t> gone;
  for (auto& [id, fold] : folds_) {
    bool lost = fold.user != 0;
    for (const Origin& o : fold.origins)
      lost |= o.fold >= 0 ? gone.contains(o.fold) : o.is_place() && o.owner.expired();
    if (lost) gone.insert(id);
  }
  std::erase_if(by_hash_, [&](const auto& entry) { return gone.contains(entry.second); });
  std::erase_if(folds_, [&](const auto& entry) { return gone.contains(entry.first); });
}

bool FoldRegistry::is_same(const Fold& known, int64_t user, const ir::Node& node,
                           const std::vector<Origin>& origins) const {
  if (known.op != node.op || known.isa != kernels::active_isa() || (known.user != 0 && known.user != user))
    return false;
  if (known.wanted.size() != node.outputs.size() || known.origins.size() != origins.size()) return false;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (known.wanted[i] != (node.outputs[i] != ir::kNone)) return false;
  }
  if (!(known.attrs == node.attrs)) return false;
  for (size_t i = 0; i < origins.size(); ++i) {
    if (!is_same_origin(known.origins[i], origins[i])) return false;
  }
  return true;
}

int64_t FoldRegistry::fold(int64_t user, const ir::Node& node, std::vector<Origin> origins) {
  std::lock_guard lock(mutex_);
  const kernels::Isa isa = kernels::active_isa();
  const size_t hash = hash_of(node.op, isa, origins);
  for (auto [it, end] = by_hash_.equal_range(hash); it != end; ++it) {
    if (is_same(folds_.at(it->second), user, node, origins)) return it->second;
  }
  bool own = !serialised(node.attrs);
  for (const Origin& o : origins) own |= o.fold >= 0 ? folds_.at(o.fold).user != 0 : o.is_place() && o.owner.expired();
  Fold made{node.op, node.attrs, isa, std::move(origins), {}, {}, own ? user : 0, hash};
  for (ir::ValueId v : node.outputs) made.wanted.push_back(v != ir::kNone);
  folds_.emplace(next_fold_, std::move(made));
  by_hash_.emplace(hash, next_fold_);
  return next_fold_++;
}

std::vector<Tensor> FoldRegistry::results(int64_t fold) const {
  std::lock_guard lock(mutex_);
  std::vector<Tensor> out;
  for (const Result& r : folds_.at(fold).results) {
    auto owner = r.owner.lock();
    out.push_back(owner ? Tensor(r.dtype, r.extents, std::move(owner), r.data) : Tensor());
  }
  return out;
}

void FoldRegistry::set_results(int64_t fold, const std::vector<Tensor>& results) {
  std::lock_guard lock(mutex_);
  std::vector<Result>& out = folds_.at(fold).results;
  out.clear();
  for (const Tensor& t : results) out.push_back({t.owner(), t.view().data, t.dtype(), t.extents()});
}

std::optional<Digest> FoldRegistry::digest(const Origin& origin, WeightFolder& folder) const {
  std::vector<uint64_t> parts = {static_cast<uint64_t>(origin.dtype)};
  for (int64_t size : origin.extents) parts.push_back(static_cast<uint64_t>(size));
  std::optional<Digest> from;
  if (origin.fold >= 0) {
    from = digest(origin.fold, folder);
    parts.push_back(static_cast<uint64_t>(origin.output));
  } else if (!origin.data) {
    from = folder.digest(origin.content);
  } else if (const auto owner = origin.owner.lock()) {
    const std::span bytes(origin.data, origin.bytes());
    const auto file = origin.files && origin.files->file_holding ? origin.files->file_holding(bytes) : nullptr;
    from = file ? folder.digest(bytes, *file) : folder.digest(bytes);
  }
  if (!from) return std::nullopt;
  parts.insert(parts.end(), from->begin(), from->end());
  return folder.digest(parts);
}

std::optional<Digest> FoldRegistry::digest(int64_t fold, WeightFolder& folder) const {
  const Fold f = [&] {
    std::lock_guard lock(mutex_);
    return folds_.at(fold);
  }();
  std::vector<uint64_t> parts;
  const auto add = [&](const Digest& d) { parts.insert(parts.end(), d.begin(), d.end()); };
  add(folder.digest(f.op->domain));
  add(folder.digest(f.op->name));
  add(folder.digest(kernels::isa_name(f.isa)));
  const auto attributes = serialised(f.attrs);
  if (!attributes) return std::nullopt;
  add(folder.digest(*attributes));
  for (const Origin& o : f.origins) {
    const auto of_operand = digest(o, folder);
    if (!of_operand) return std::nullopt;
    add(*of_operand);
  }
  return folder.digest(parts);
}

}  // namespace sdx::rewrite
