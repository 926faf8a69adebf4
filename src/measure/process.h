// The memory and the processor time of this process, as the system accounts for them.
#pragma once

#include <cstdint>

namespace sdx::measure {

struct ProcessMemory {
  int64_t resident = 0;   ///< bytes now, mapped files included
  int64_t anonymous = 0;  ///< bytes now that are no file's
  int64_t peak = 0;       ///< most bytes resident so far
};

/// Zeros where /proc does not tell.
ProcessMemory process_memory();

}  // namespace sdx::measure
