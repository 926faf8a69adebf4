// Large blocks of zeroed memory straight from the system, on huge pages where it has them.
#pragma once

#include <cstddef>

namespace sdx {

/// Blocks from this size on are worth pages of their own.
inline constexpr size_t kLargeBlockBytes = size_t{4} << 20;

/// `bytes` of zeroed memory, aligned to 2 MiB; nullptr where the system has none left.
void* map_pages(size_t bytes) noexcept;
/// Gives back what map_pages() made with the same size.
void unmap_pages(void* memory, size_t bytes) noexcept;

}  // namespace sdx
