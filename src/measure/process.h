// The memory and the threads of this process, as the system accounts for them.
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

/// Threads of this process, beside the calling one, that run or wait for a CPU at this moment.
int running_threads();

/// Nanoseconds that the process's threads have been ready to run but had no CPU, all together; 0 where the system does
/// not tell.
int64_t waited_for_cpu();

}  // namespace sdx::measure
