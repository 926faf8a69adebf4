// SIGINT: the first one asks the current run to stop, the second one ends the process.
#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace sdx::cli {
namespace {

std::atomic<bool> stop{false};
std::atomic<bool> watched{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may use only lock-free atomics");

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, [](int) {
    if (!watched || stop.exchange(true)) _exit(kInterrupted);
  });
}

const std::atomic<bool>& stop_flag() {
  watched = true;
  return stop;
}

}  // namespace sdx::cli
