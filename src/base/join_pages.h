// Joining small pages of memory into large ones, in the background.
#pragma once

#include <cstddef>
#include <memory>

namespace sdx {

/// Asks the system to make the small pages of each 2 MiB of [memory, memory + bytes), aligned to 2 MiB, one large page.
/// Contents stay, and threads may read and write meanwhile. Happens a while after the last call, in a thread of its own
/// that works half of the time and never on memory whose `owner` is gone. Does nothing where the system cannot.
void join_pages_later(const std::shared_ptr<std::byte>& owner, std::byte* memory, size_t bytes) noexcept;

/// Does at once, in this thread, what join_pages_later() left: for measurements, which should not meet its thread.
void join_waiting_pages();

/// The same at once for 2 MiB: whether they are one large page now.
bool join_pages(std::byte* memory) noexcept;

}  // namespace sdx
