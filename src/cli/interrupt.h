// SIGINT: the first one asks the current run to stop, the second one ends the process.
#pragma once

#include <atomic>

namespace sdx::cli {

/// Exit code of an interrupted command.
inline constexpr int kInterrupted = 130;

/// Installs the handler. Until stop_flag() is used, one SIGINT ends the process.
void install_interrupt_handler();

/// True once SIGINT came; give it to a run as its cancel flag.
const std::atomic<bool>& stop_flag();

}  // namespace sdx::cli
