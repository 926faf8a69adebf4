// Vocab: an open-addressing hash table over one arena of bytes.
#include "text/vocab.h"

#include <algorithm>

#include "base/error.h"
#include "text/hash.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 30;

}  // namespace

void Vocab::reserve(size_t tokens, size_t bytes) {
  entries_.reserve(tokens);
  by_id_.reserve(tokens);
  bytes_.reserve(bytes);
  size_t slots = 16;
  while (slots < tokens * 2) slots *= 2;
  grow(slots);
}

void Vocab::grow(size_t slots) {
  slots_.assign(slots, kNone);
  const size_t mask = slots - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t s = entries_[i].hash & mask;
    while (slots_[s] != kNone) s = (s + 1) & mask;
    slots_[s] = static_cast<int32_t>(i);
  }
}

size_t Vocab::slot_of(std::string_view token, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t s = hash & mask;
  while (slots_[s] != kNone) {
    const Entry& e = entries_[static_cast<size_t>(slots_[s])];
    if (e.hash == hash && view(e) == token) break;
    s = (s + 1) & mask;
  }
  return s;
}

void Vocab::add(std::string_view token, uint64_t id) {
  if (id >= kMaxId) {
    fail(ErrorKind::kResource, "the token \"", token.substr(0, 60), "\" has the id ", id, " but ids must be below ",
         kMaxId, "; renumber the vocabulary");
  }
  if (bytes_.size() + token.size() > kMaxBytes) {
    fail(ErrorKind::kResource, "the vocabulary needs more than ", kMaxBytes, " bytes; use a smaller one");
  }
  if (slots_.size() < (entries_.size() + 1) * 2) grow(std::max<size_t>(16, slots_.size() * 2));
  const auto hash = static_cast<uint32_t>(hash_bytes(token));
  const size_t s = slot_of(token, hash);
  int32_t at = slots_[s];
  if (at == kNone) {
    at = slots_[s] = static_cast<int32_t>(entries_.size());
    entries_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(token.size()), hash, 0});
    bytes_.append(token);
  }
  entries_[static_cast<size_t>(at)].id = static_cast<int32_t>(id);
  if (by_id_.size() <= id) by_id_.resize(id + 1, kNone);
  by_id_[id] = at;
}

int32_t Vocab::find(std::string_view token) const {
  if (slots_.empty()) return kNone;
  const int32_t at = slots_[slot_of(token, static_cast<uint32_t>(hash_bytes(token)))];
  return at == kNone ? kNone : entries_[static_cast<size_t>(at)].id;
}

}  // namespace sdx::text
