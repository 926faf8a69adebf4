// The memory and the threads of this process, from /proc/self.
#include "measure/process.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sdx::measure {
namespace {

/// Calls read(file, id) with a file of each thread's folder.
template <class F>
void for_each_thread(const char* name, F read) {
  std::error_code ended;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ended)) {
    std::ifstream file(entry.path() / name);
    if (file) read(file, entry.path().filename().string());
  }
}

}  // namespace

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

int running_threads() {
  int running = 0;
  const std::string own = std::to_string(gettid());
  for_each_thread("stat", [&](std::ifstream& file, const std::string& id) {
    std::string line;
    std::getline(file, line);
    // "id (name) state …", and a name may hold anything.
    const size_t end = line.rfind(')');
    if (id != own && end != std::string::npos && line.compare(end, 3, ") R") == 0) ++running;
  });
  return running;
}

int64_t waited_for_cpu() {
  int64_t total = 0;
  for_each_thread("schedstat", [&](std::ifstream& file, const std::string&) {
    int64_t ran = 0, waited = 0;
    if (file >> ran >> waited) total += waited;
  });
  return total;
}

}  // namespace sdx::measure
