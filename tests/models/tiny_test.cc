// Runs the tiny models of the shared folder on all their cases and compares with their goldens:
//   tiny_models_test [--only TEXT] [--isa NAME] [--without RULE]
// Every case runs with rewriting on and off, on 1, 2 and 4 threads; results must be bitwise equal for all thread
// counts. --without: with rewriting on, but not that rule; "each" takes every rule in turn. Exit code 77 where the
// models are absent.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/elements.h"
#include "cli/npy.h"
#include "engine/model.h"
#include "kernels/isa.h"
#include "rewrite/rule.h"

namespace {

namespace fs = std::filesystem;
using sdx::Tensor;
using sdx::Value;

fs::path shared_folder() {
  if (const char* set = std::getenv("SARDONYX_SHARED")) return set;
  return fs::path(SARDONYX_SOURCE_DIR) / ".." / "shared";
}

Tensor load_npy(const fs::path& path, sdx::DType wanted) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  return sdx::cli::read_npy(bytes, wanted);
}

/// A case with its folder; `json` is its case.json.
struct Case {
  fs::path folder;
  nlohmann::json json;
  fs::path model() const { return folder.parent_path() / json.at("model").get<std::string>(); }
  std::string name() const { return (folder.parent_path().filename() / folder.filename()).string(); }
  bool half() const { return json.at("model").get<std::string>().find("fp16") != std::string::npos; }
};

std::vector<Case> find_cases(const std::string& only) {
  std::vector<Case> out;
  for (const auto& model : fs::directory_iterator(shared_folder() / "models" / "tiny")) {
    if (!model.is_directory()) continue;
    const bool quantised = model.path().filename().string().ends_with("-quant");
    for (const auto& entry : fs::directory_iterator(model.path())) {
      if (!fs::exists(entry.path() / "case.json")) continue;
      Case c{entry.path(), nlohmann::json::parse(std::ifstream(entry.path() / "case.json"))};
      if (quantised && !c.half()) continue;
      if (c.name().find(only) != std::string::npos || c.model().string().find(only) != std::string::npos)
        out.push_back(std::move(c));
    }
  }
  std::ranges::sort(out, {}, [](const Case& c) { return std::pair(c.model(), c.folder); });
  return out;
}

/// True where the position that element `i` belongs to is masked: its attention is undefined in half precision.
bool masked(const std::string& output, const Tensor& got, const Tensor& mask, int64_t i) {
  if (!mask.defined() || mask.dtype() != sdx::DType::kI64) return false;
  const auto& e = got.extents();
  const int axis = output == "logits" ? 1 : 2;
  if (e.rank() <= axis || e[axis] > mask.extents().back()) return false;
  const int64_t position = i / e.product(axis + 1, e.rank()) % e[axis], row = i / e.product(1, e.rank());
  return mask.as<int64_t>()[row * mask.extents().back() + position + mask.extents().back() - e[axis]] == 0;
}

enum Lane { kPlain, kRules, kZeroPadding };
constexpr const char* kLaneNames[] = {"rules off", "rules on", "padding left out"};

/// True where the first axes of the output are those of the mask and element `i` belongs to a masked token.
bool padding(const Tensor& got, const Tensor& mask, int64_t i) {
  const auto &e = got.extents(), &m = mask.extents();
  if (e.rank() < 3 || e[0] != m[0] || e[1] != m[1]) return false;
  return mask.as<int64_t>()[i / e.product(2, e.rank())] == 0;
}

std::string compare(const Case& c, const std::string& name, const Tensor& got, const Tensor& mask, Lane lane) {
  const Tensor want = load_npy(c.folder / "outputs" / (name + ".npy"), got.dtype());
  if (want.dtype() != got.dtype())
    return sdx::cat("type ", sdx::dtype_name(got.dtype()), " instead of ", sdx::dtype_name(want.dtype()));
  if (!(want.extents() == got.extents()))
    return sdx::cat("shape ", got.extents().text(), " instead of ", want.extents().text());
  double worst = 0, scale = 0;
  for (int64_t i = 0; i < want.extents().count(); ++i) {
    if (c.half() && masked(name, got, mask, i)) continue;
    const bool left_out = lane == kZeroPadding && padding(got, mask, i);
    if (left_out && sdx::cli::element(got.view(), i) == 0) continue;
    const double a = sdx::cli::element(got.view(), i), b = sdx::cli::element(want.view(), i);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      scale = std::fmax(scale, std::isfinite(b) ? std::abs(b) : 0);
      continue;
    }
    const double off = std::abs(a - b);
    worst = std::isnan(off) ? INFINITY : std::fmax(worst, off);
    scale = std::fmax(scale, std::abs(b));
  }
  const double limit = (c.half() ? 2e-2 : 1e-4) * scale;
  return worst <= limit ? "" : sdx::cat("off by ", worst, ", allowed ", limit);
}

/// The output is a sample of a normal distribution whose mean and standard deviation are the golden.
std::string compare_sample(const Case& c, const Tensor& got) {
  const Tensor mean = load_npy(c.folder / "outputs" / "mean.npy", got.dtype()),
               std = load_npy(c.folder / "outputs" / "std.npy", got.dtype());
  if (!(mean.extents() == got.extents()))
    return sdx::cat("shape ", got.extents().text(), " instead of ", mean.extents().text());
  double square = 0, worst = 0;
  const int64_t count = got.extents().count();
  for (int64_t i = 0; i < count; ++i) {
    const double z = (got.as<float>()[i] - mean.as<float>()[i]) / static_cast<double>(std.as<float>()[i]);
    square += z * z;
    worst = std::fmax(worst, std::abs(z));
  }
  const double spread = std::sqrt(square / static_cast<double>(count)),
               slack = 6 / std::sqrt(2.0 * static_cast<double>(count));
  if (worst <= 6 && std::abs(spread - 1) <= slack) return "";
  return sdx::cat("samples have spread ", spread, " and reach ", worst, " standard deviations");
}

class Runner {
 public:
  /// `without`: the rule that does not run, or nothing.
  explicit Runner(std::string without) : without_(std::move(without)) {}

  /// Returns the number of failing outputs.
  int run(const Case& c) {
    int failures = 0;
    for (Lane lane : {kRules, kPlain, kZeroPadding}) {
      if (lane != kRules && !without_.empty()) continue;
      try {
        failures += run_lane(c, lane);
      } catch (const sdx::Error& e) {
        ++failures;
        std::printf("FAIL %s (%s, %s): %s\n", c.name().c_str(), c.json.at("model").get<std::string>().c_str(),
                    kLaneNames[lane], e.what());
      }
    }
    return failures;
  }

  int ran(Lane lane) const { return ran_[lane]; }

 private:
  sdx::engine::Session& session(const Case& c, Lane lane) {
    if (path_ != c.model()) sessions_ = {};
    path_ = c.model();
    auto& slot = sessions_[lane];
    if (!slot) {
      sdx::engine::ModelOptions options;
      options.rewrite.enabled = lane != kPlain;
      options.rewrite.zero_padding = lane == kZeroPadding;
      if (!without_.empty()) options.rewrite.off = {without_};
      slot = std::make_unique<sdx::engine::Session>(sdx::engine::Model::load(path_, options));
    }
    return *slot;
  }

  int run_lane(const Case& c, Lane lane) {
    auto& s = session(c, lane);
    if (lane == kZeroPadding && !s.model().rewrites().applied.contains("remove-padding")) return 0;
    ++ran_[lane];
    std::vector<Value> inputs;
    Tensor mask;
    for (const auto& port : s.model().inputs()) {
      inputs.emplace_back(load_npy(c.folder / "inputs" / (port.name + ".npy"), port.fact.dtype));
      if (port.name == "attention_mask") mask = inputs.back().tensor();
    }
    std::vector<Value> first;
    int failures = 0;
    for (int threads : {1, 2, 4}) {
      sdx::engine::RunSettings settings;
      settings.parallel = sdx::Parallel(threads);
      settings.seed = 1;
      auto outputs = s.run(inputs, settings);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const std::string& name = s.model().outputs()[i].name;
        std::string why;
        if (threads > 1)
          why = outputs[i].tensor() == first[i].tensor() ? "" : sdx::cat("differs between 1 and ", threads, " threads");
        else
          why = c.json.value("random_output", false) ? compare_sample(c, outputs[i].tensor())
                                                     : compare(c, name, outputs[i].tensor(), mask, lane);
        if (why.empty()) continue;
        ++failures;
        std::printf("FAIL %s (%s, %s) output '%s': %s\n", c.name().c_str(),
                    c.json.at("model").get<std::string>().c_str(), kLaneNames[lane], name.c_str(), why.c_str());
      }
      if (threads == 1) first = std::move(outputs);
    }
    return failures;
  }

  std::string without_;
  fs::path path_;
  std::array<std::unique_ptr<sdx::engine::Session>, 3> sessions_;
  std::array<int, 3> ran_ = {};
};

}  // namespace

int main(int argc, char** argv) {
  std::string only;
  std::vector<std::string> without = {""};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--only") == 0) only = argv[i + 1];
    if (std::strcmp(argv[i], "--without") == 0) without = {argv[i + 1]};
    for (auto isa : sdx::kernels::available_isas()) {
      if (std::strcmp(argv[i], "--isa") == 0 && sdx::kernels::isa_name(isa) == argv[i + 1])
        sdx::kernels::limit_isa(isa);
    }
  }
  if (!fs::exists(shared_folder() / "models" / "tiny")) {
    std::printf("skipped: %s/models/tiny is absent\n", shared_folder().c_str());
    return 77;
  }
  if (without.front() == "each") {
    without.clear();
    for (const auto& rule : sdx::rewrite::all_rules()) without.emplace_back(rule.name());
  }
  int failing = 0;
  const auto cases = find_cases(only);
  for (const std::string& rule : without) {
    Runner runner(rule);
    int failed = 0;
    for (const Case& c : cases) failed += runner.run(c) > 0;
    std::printf("%s%s%zu cases, %d with padding left out, %d failing\n", rule.c_str(),
                rule.empty() ? "" : " off: ", cases.size(), runner.ran(kZeroPadding), failed);
    failing += failed;
  }
  return failing == 0 && !cases.empty() ? 0 : 1;
}
