// KvCache: growing, reordering and copying.
#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace sdx::engine {
namespace {

constexpr int64_t kLeastCapacity = 64;

/// Copies `count` blocks of `bytes`, `from_step` and `to_step` bytes apart.
void copy_blocks(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step, int64_t count,
                 int64_t bytes) {
  if (bytes == 0) return;
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * to_step, from + i * from_step, static_cast<size_t>(bytes));
}

}  // namespace

void KvCache::clear(int64_t rows) {
  length_ = 0;
  if (rows > slot_count_) resize(rows, capacity_);
  slots_.resize(static_cast<size_t>(rows));
  std::iota(slots_.begin(), slots_.end(), int64_t{0});
  std::ranges::fill(shared_, 0);
}

void KvCache::reserve(int64_t length) {
  if (length <= capacity_) return;
  int64_t wanted =
      std::max({kLeastCapacity, capacity_ * 2, (length + kLeastCapacity - 1) / kLeastCapacity * kLeastCapacity});
  int64_t per_token = 0;
  for (const Pair& p : pairs_) per_token += dtype_bytes(p.dtype, slot_count_ * p.heads * p.width);
  // Near the limit there is room for what is needed, though not for doubling.
  if (limit_ > 0 && per_token > 0) wanted = std::max(length, std::min(wanted, limit_ / per_token));
  resize(slot_count_, wanted);
}

void KvCache::resize(int64_t slots, int64_t capacity) {
  std::vector<Tensor> buffers;
  int64_t total = 0;
  for (const Pair& p : pairs_) total += dtype_bytes(p.dtype, Extents{slots, p.heads, capacity, p.width}.count());
  if (limit_ > 0 && total > limit_) {
    fail(ErrorKind::kResource, "keys and values of ", slots, " rows with room for ", capacity, " tokens take ", total,
         " bytes but the limit is ", limit_, "; use fewer or shorter sequences, or raise the limit");
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const Pair& p = pairs_[i];
    Tensor& grown = buffers.emplace_back(p.dtype, Extents{slots, p.heads, capacity, p.width});
    const int64_t token = dtype_bytes(p.dtype, p.width);
    const int64_t live = std::min(slots, slot_count_) * p.heads;
    if (!buffers_[i].defined() || length_ == 0) continue;
    copy_blocks(buffers_[i].view().data, capacity_ * token, grown.mutable_view().data, capacity * token, live,
                length_ * token);
    moved_ += live * length_ * token;
  }
  std::vector<int64_t> shared(static_cast<size_t>(slots * slots), 0);
  for (int64_t a = 0; a < std::min(slots, slot_count_); ++a) {
    std::copy_n(&this->shared(a, 0), std::min(slots, slot_count_), &shared[static_cast<size_t>(a * slots)]);
  }
  buffers_ = std::move(buffers);
  shared_ = std::move(shared);
  taken_.resize(static_cast<size_t>(slots));
  slot_count_ = slots;
  capacity_ = capacity;
}

void KvCache::copy_slot(int64_t from, int64_t to, int64_t first) {
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const Pair& p = pairs_[i];
    const int64_t token = dtype_bytes(p.dtype, p.width), head = capacity_ * token, slot = p.heads * head;
    std::byte* data = buffers_[i].mutable_view().data;
    const int64_t bytes = (length_ - first) * token;
    copy_blocks(data + from * slot + first * token, head, data + to * slot + first * token, head, p.heads, bytes);
    moved_ += p.heads * bytes;
  }
}

void KvCache::select(std::span<const int32_t> parents) {
  for (int32_t p : parents) {
    if (p >= 0 && p < rows()) continue;
    fail(ErrorKind::kInvalidInput, "row ", p, " is selected but there are rows 0 to ", rows() - 1);
  }
  const auto count = static_cast<int64_t>(parents.size());
  if (count > slot_count_) resize(count, capacity_);
  next_slots_.assign(parents.size(), -1);
  taken_.assign(static_cast<size_t>(slot_count_), false);
  for (size_t i = 0; i < parents.size(); ++i) {
    const int64_t slot = slots_[static_cast<size_t>(parents[i])];
    if (taken_[static_cast<size_t>(slot)]) continue;
    taken_[static_cast<size_t>(slot)] = true;
    next_slots_[i] = slot;
  }
  for (size_t i = 0; i < parents.size(); ++i) {
    if (next_slots_[i] >= 0) continue;
    const int64_t from = slots_[static_cast<size_t>(parents[i])];
    int64_t to = -1;
    for (int64_t s = 0; s < slot_count_; ++s) {
      if (!taken_[static_cast<size_t>(s)] && (to < 0 || shared(s, from) > shared(to, from))) to = s;
    }
    taken_[static_cast<size_t>(to)] = true;
    next_slots_[i] = to;
    copy_slot(from, to, std::min(length_, shared(to, from)));
    for (int64_t s = 0; s < slot_count_; ++s) shared(to, s) = shared(s, to) = shared(from, s);
    shared(from, to) = shared(to, from) = length_;
  }
  slots_.swap(next_slots_);
}

void KvCache::crop(int64_t length) {
  length_ = std::min(length_, length);
  for (int64_t& s : shared_) s = std::min(s, length_);
}

void KvCache::read(size_t pair, const View& past) const {
  const Pair& p = pairs_[pair];
  const int64_t token = dtype_bytes(p.dtype, p.width), head = capacity_ * token;
  for (size_t row = 0; row < slots_.size(); ++row) {
    const int64_t to = static_cast<int64_t>(row) * p.heads * length_ * token;
    copy_blocks(buffers_[pair].view().data + slots_[row] * p.heads * head, head, past.data + to, length_ * token,
                p.heads, length_ * token);
  }
  moved_ += rows() * p.heads * length_ * token;
}

void KvCache::write(size_t pair, const ConstView& present, int64_t from) {
  const Pair& p = pairs_[pair];
  const int64_t count = present.extents[2], token = dtype_bytes(p.dtype, p.width), head = capacity_ * token;
  std::byte* data = buffers_[pair].mutable_view().data;
  for (size_t row = 0; row < slots_.size(); ++row) {
    const std::byte* source = present.data + (static_cast<int64_t>(row) * p.heads * count + from) * token;
    copy_blocks(source, count * token, data + slots_[row] * p.heads * head + length_ * token, head, p.heads,
                (count - from) * token);
  }
  moved_ += rows() * p.heads * (count - from) * token;
}

int64_t KvCache::bytes() const {
  int64_t total = 0;
  for (const Tensor& b : buffers_) total += b.defined() ? b.view().bytes() : 0;
  return total;
}

}  // namespace sdx::engine
