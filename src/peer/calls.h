// Calls: typed calls through the peer's function table, with its errors as ours.
#pragma once

#include <memory>

#include "base/error.h"
#include "peer/ort_abi.h"
#include "peer/peer.h"

namespace sdx::peer {

class Library::Calls {
 public:
  explicit Calls(const void* const* table);

  /// Calls a function that returns a status. Throws Resource with the library's message.
  template <class... A>
  void operator()(Slot slot, A... arguments) const {
    check(reinterpret_cast<void* (*)(A...)>(at(slot))(arguments...));
  }
  /// Calls a function that returns nothing.
  template <class... A>
  void quiet(Slot slot, A... arguments) const {
    reinterpret_cast<void (*)(A...)>(at(slot))(arguments...);
  }
  /// A handle that releases itself with the function of that slot.
  std::shared_ptr<void> own(void* handle, Slot release) const {
    return {handle, [this, release](void* p) { quiet(release, p); }};
  }

  void* env() const { return env_.get(); }
  void* cpu_memory() const { return memory_.get(); }
  void* allocator() const { return allocator_; }

 private:
  void* at(Slot slot) const { return const_cast<void*>(table_[static_cast<int>(slot)]); }
  void check(void* status) const;

  const void* const* table_;
  std::shared_ptr<void> env_, memory_;
  void* allocator_ = nullptr;
};

}  // namespace sdx::peer
