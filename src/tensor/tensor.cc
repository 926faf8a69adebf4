// Tensor: allocation and comparison.
#include "tensor/tensor.h"

#include <cstring>
#include <new>

#include "tensor/memory_budget.h"

namespace sdx {

std::shared_ptr<std::byte> allocate(DType dtype, int64_t count) {
  constexpr std::align_val_t kAlignment{64};
  const int64_t bytes = std::max<int64_t>(1, dtype_bytes(dtype, count));
  std::shared_ptr<MemoryBudget> budget = MemoryScope::current();
  if (budget) budget->take(bytes);
  auto* memory = static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kAlignment, std::nothrow));
  if (!memory) {
    if (budget) budget->give(bytes);
    fail(ErrorKind::kResource, "cannot allocate ", bytes, " bytes for a tensor of ", dtype_name(dtype));
  }
  const int64_t strings = dtype == DType::kString ? count : 0;
  std::uninitialized_default_construct_n(reinterpret_cast<std::string*>(memory), strings);
  return {memory, [=](std::byte* p) {
            std::destroy_n(reinterpret_cast<std::string*>(p), strings);
            ::operator delete(p, kAlignment);
            if (budget) budget->give(bytes);
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
