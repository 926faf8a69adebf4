// Runner: a loaded model with its inputs, run again and again under a clock.
#pragma once

#include <memory>
#include <vector>

#include "cli/flags.h"
#include "cli/inputs.h"
#include "engine/model.h"

namespace sdx::cli {

class Runner {
 public:
  /// Loads the model and makes its inputs.
  Runner(const ModelFlags& flags, const InputFlags& inputs);

  const engine::Model& model() const { return *model_; }
  const std::vector<Value>& inputs() const { return inputs_; }
  /// Wall time of loading, in milliseconds.
  double load_ms() const { return load_ms_; }

  /// Threads of the runs that follow; 0: every CPU of this process.
  void set_threads(int threads) { settings_.parallel = Parallel(threads); }

  /// Seconds that each of the runs that follow may take; 0: any time.
  void set_deadline(double seconds) { deadline_ = seconds; }

  /// Runs once; SIGINT cancels. Returns the wall time in milliseconds.
  double run(std::vector<Value>& outputs, std::vector<engine::Sample>* profile = nullptr);

 private:
  std::shared_ptr<const engine::Model> model_;
  double load_ms_ = 0, deadline_ = 0;
  std::vector<Value> inputs_;
  std::unique_ptr<engine::Session> session_;
  engine::RunSettings settings_;
};

}  // namespace sdx::cli
