// Tensor: allocation and comparison.
#include "tensor/tensor.h"

#include <cstring>

#include "tensor/kept_blocks.h"
#include "tensor/memory_budget.h"

namespace sdx {

namespace {

/// What a block takes beside its elements: the heap's header, the shared count with its deleter.
constexpr int64_t kBlockBytes = 128;

void* take_memory(size_t bytes, MemoryBudget* budget) {
  void* const kept = budget == nullptr ? nullptr : budget->reuse(bytes);
  return kept != nullptr ? kept : take_block(bytes);
}

void give_memory(std::byte* memory, size_t bytes, MemoryBudget* budget) {
  // Outputs are given back between runs, and the next run makes them again; what a run gives back has been outgrown.
  if (budget != nullptr && !MemoryScope::current() && budget->keep(memory, bytes)) return;
  free_block(memory, bytes);
}

}  // namespace

std::shared_ptr<std::byte> allocate(DType dtype, int64_t count) {
  const int64_t bytes = std::max<int64_t>(1, dtype_bytes(dtype, count));
  std::shared_ptr<MemoryBudget> budget = MemoryScope::current();
  if (budget) budget->take(bytes + kBlockBytes);
  auto* memory = static_cast<std::byte*>(take_memory(static_cast<size_t>(bytes), budget.get()));
  if (!memory) {
    if (budget) budget->give(bytes + kBlockBytes);
    fail(ErrorKind::kResource, "cannot allocate ", bytes, " bytes for a tensor of ", dtype_name(dtype));
  }
  const int64_t strings = dtype == DType::kString ? count : 0;
  std::uninitialized_default_construct_n(reinterpret_cast<std::string*>(memory), strings);
  return {memory, [=](std::byte* p) {
            std::destroy_n(reinterpret_cast<std::string*>(p), strings);
            if (budget) budget->give(bytes + kBlockBytes);
            give_memory(p, static_cast<size_t>(bytes), budget.get());
          }};
}

Tensor::Tensor(DType dtype, const Extents& extents) {
  auto memory = allocate(dtype, extents.count());
  view_ = View{memory.get(), dtype, extents};
  owner_ = std::move(memory);
}

bool Tensor::operator==(const Tensor& other) const {
  if (dtype() != other.dtype() || !(extents() == other.extents())) return false;
  if (view_.data == other.view_.data) return true;
  if (dtype() == DType::kString) return std::ranges::equal(values<std::string>(), other.values<std::string>());
  return std::memcmp(view_.data, other.view_.data, static_cast<size_t>(view_.bytes())) == 0;
}

}  // namespace sdx
