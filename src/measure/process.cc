// The memory of this process, from /proc/self/status.
#include "measure/process.h"

#include <fstream>
#include <sstream>
#include <string>

namespace sdx::measure {

ProcessMemory process_memory() {
  ProcessMemory out;
  std::ifstream file("/proc/self/status");
  std::string line, key;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    int64_t kibibytes = 0;
    if (!(words >> key >> kibibytes)) continue;
    if (key == "VmRSS:") out.resident = kibibytes * 1024;
    if (key == "RssAnon:") out.anonymous = kibibytes * 1024;
    if (key == "VmHWM:") out.peak = kibibytes * 1024;
  }
  return out;
}

}  // namespace sdx::measure
