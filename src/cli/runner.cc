// Runner: a loaded model with its inputs, run again and again under a clock.
#include "cli/runner.h"

#include "cli/interrupt.h"

namespace sdx::cli {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Runner::Runner(const ModelFlags& flags, const InputFlags& inputs) {
  const auto start = Clock::now();
  model_ = load_model(flags);
  load_ms_ = ms_since(start);
  inputs_ = make_inputs(*model_, inputs);
  session_ = std::make_unique<engine::Session>(model_);
  settings_.parallel = Parallel(flags.threads);
  settings_.seed = inputs.seed;
  settings_.cancel = &stop_flag();
}

double Runner::run(std::vector<Value>& outputs, std::vector<engine::Sample>* profile) {
  settings_.profile = profile;
  const auto start = Clock::now();
  if (deadline_ > 0)
    settings_.deadline = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(deadline_));
  outputs = session_->run(inputs_, settings_);
  return ms_since(start);
}

}  // namespace sdx::cli
