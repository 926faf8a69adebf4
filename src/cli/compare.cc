// Comparing this runtime with ONNX Runtime on one model.
#include "cli/compare.h"

#include <unistd.h>

#include <cmath>

#include "cli/contest.h"
#include "cli/footprint.h"
#include "cli/npz.h"
#include "cli/peer_flags.h"
#include "kernels/isa.h"
#include "measure/cost.h"

namespace sdx::cli {
namespace {

constexpr int kLoads = 3;
constexpr double kLongLoadMs = 15e3;  ///< a load that is not repeated
/// Largest difference, as a fraction of the output's largest magnitude, that counts as agreement: both runtimes sum in
/// an order of their own, and a deep network multiplies that rounding.
constexpr double kAgree = 1e-3, kAgreeHalf = 3e-2;

/// Whether weights come in half precision: then either runtime rounds what is in between in places of its own.
bool has_half_weights(const engine::Model& model) {
  return std::ranges::any_of(model.file().model().graph.initializers, [](const onnx::TensorView& t) {
    return t.type == onnx::DataType::kFloat16 || t.type == onnx::DataType::kBfloat16;
  });
}

/// A file that is gone when the object is.
class TemporaryFile {
 public:
  TemporaryFile() : path_(std::filesystem::temp_directory_path() / cat("sardonyx-", getpid(), ".npz")) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class Comparison {
 public:
  explicit Comparison(const CompareFlags& flags) : flags_(flags), library_(open_peer(flags.library)) {
    model_ = load_model(flags.model);
    values_ = inputs();
    for (const auto& port : model_->inputs()) names_.push_back(port.name);
    session_ = std::make_unique<engine::Session>(model_);
    settings_.parallel = Parallel(flags.model.threads);
    settings_.seed = flags.inputs.seed;
    describe();
  }

  Json report() {
    session_->run(values_, settings_);  // what does not fit is said here, once
    if (!flags_.no_memory) footprints();
    const peer::PeerSession session(library_, model_path(flags_.model.path), {settings_.parallel.threads()});
    const PeerSide side(session, names_, values_);
    check(session.outputs(), side.run());
    work();
    measure::CeilingProbe probe(settings_.parallel);
    const auto ours = [&] { session_->run(values_, settings_); };
    const auto result = measure::run_pairs(ours, best_of(side, session), probe, flags_.pairs);
    report_["pairs"] = result.pairs.size();
    report_["measured"] = result.measured;
    report_["quiet"] = result.quiet;
    report_["ratio"] = to_json(result.ratio);
    report_["ours_ms"] = to_json(result.ours);
    report_["peer_ms"] = to_json(result.peer);
    report_["ceiling"] = {
        {"flops", result.flops.median}, {"memory", result.memory.median}, {"cache", result.cache.median}};
    return report_;
  }

 private:
  std::vector<Value> inputs() {
    InputFlags wanted = flags_.inputs;
    if (flags_.mixed.empty()) return make_inputs(*model_, wanted);
    lengths_ = MixedBatch::parse(flags_.mixed).lengths(flags_.inputs.seed);
    const MixedBatch batch = MixedBatch::parse(flags_.mixed);
    for (const auto& port : model_->inputs()) wanted.shapes.push_back(cat(port.name, "=", batch.rows, "x", batch.most));
    std::vector<Value> out = make_inputs(*model_, wanted);
    pad_inputs(*model_, lengths_, out);
    return out;
  }

  void describe() {
    report_["model"] = flags_.model.path;
    report_["threads"] = settings_.parallel.threads();
    report_["isa"] = kernels::isa_name(kernels::active_isa());
    report_["peer"] = {{"version", library_->version()},
                       {"settings", cat("intra-op threads ", settings_.parallel.threads(),
                                        ", every graph optimisation, default spinning")}};
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!values_[i].is_tensor()) continue;
      const Extents& e = values_[i].tensor().extents();
      report_["shapes"][names_[i]] = std::vector<int64_t>(e.begin(), e.end());
    }
    if (!lengths_.empty()) report_["lengths"] = lengths_;
  }

  void footprints() {
    const TemporaryFile archive;
    std::vector<std::pair<std::string, Tensor>> arrays;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].is_tensor()) arrays.emplace_back(names_[i], values_[i].tensor());
    }
    write_npz(archive.path(), arrays);
    const int64_t weights = file_bytes(*model_, flags_.model.path);
    std::map<std::string, std::vector<double>> loads;
    report_["memory"]["weights"] = weights;
    double longest = 0;
    for (int i = 0; i < kLoads && longest < kLongLoadMs; ++i) {
      for (const char* side : {"ours", "peer"}) {
        const Json one = child_footprint({side, archive.path(), flags_.library, i > 0}, flags_.model);
        loads[side].push_back(one["load_ms"].get<double>());
        longest = std::max(longest, loads[side].back());
        if (i > 0) continue;
        const auto beyond = std::max<double>(0, one["peak"].get<double>() - static_cast<double>(weights));
        report_["memory"][side] = {{"loaded", one["loaded"]},
                                   {"peak", one["peak"]},
                                   {"anonymous", one["anonymous"]},
                                   {"beyond", beyond / static_cast<double>(weights)}};
      }
    }
    for (const char* side : {"ours", "peer"})
      report_["load"][cat(side, "_ms")] = to_json(measure::summarize(loads[side]));
    report_["load"]["ratio"] =
        report_["load"]["ours_ms"]["median"].get<double>() / report_["load"]["peer_ms"]["median"].get<double>();
  }

  void check(const std::vector<std::string>& peer_names, const std::vector<peer::PeerValue>& theirs) {
    const std::vector<Value> ours = session_->run(values_, settings_);
    report_["outputs"] = Json::array();
    const bool half = has_half_weights(*model_);
    bool agree = true;
    for (size_t i = 0; i < peer_names.size(); ++i) {
      const auto& ports = model_->outputs();
      const auto it = std::ranges::find(ports, peer_names[i], &engine::Port::name);
      const Tensor b = theirs[i].tensor();
      if (it == ports.end() || !b.defined()) continue;
      const Value& a = ours[static_cast<size_t>(it - ports.begin())];
      const Agreement d = agreement(a.is_tensor() ? a.tensor() : Tensor{}, b, lengths_);
      agree = agree && d.relative() <= (half || is_half(b.dtype()) ? kAgreeHalf : kAgree);
      // JSON has no infinity.
      report_["outputs"].push_back({{"name", peer_names[i]},
                                    {"difference", std::isfinite(d.difference) ? Json(d.difference) : Json("infinite")},
                                    {"scale", d.scale},
                                    {"relative", std::isfinite(d.difference) ? Json(d.relative()) : Json("infinite")}});
    }
    report_["agree"] = agree;
  }

  void work() {
    std::vector<engine::Sample> samples;
    settings_.profile = &samples;
    session_->run(values_, settings_);
    settings_.profile = nullptr;
    const measure::Cost cost = measure::CostModel(model_->program()).total(samples);
    report_["instructions"] = samples.size();
    report_["work"] = {
        {"operations", cost.operations}, {"weight_bytes", cost.weight_bytes}, {"moved_bytes", cost.moved_bytes}};
  }

  /// The peer's best way: for a mixed batch, whichever of the piece sizes 1, 4 and all takes the least time.
  std::function<void()> best_of(const PeerSide& side, const peer::PeerSession&) {
    if (lengths_.empty()) return [&side] { side.run(); };
    std::function<void()> best;
    double least = INFINITY;
    for (int64_t rows : {int64_t{1}, int64_t{4}, static_cast<int64_t>(lengths_.size())}) {
      auto way = side.in_pieces(lengths_, rows);
      double ms = INFINITY;
      for (int i = 0; i < 2; ++i) {
        const auto start = std::chrono::steady_clock::now();
        way();
        ms = std::min(ms, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      }
      report_["peer"]["pieces_ms"][std::to_string(rows)] = ms;
      if (ms >= least) continue;
      least = ms;
      best = way;
      report_["peer"]["piece"] = rows;
    }
    return best;
  }

  const CompareFlags& flags_;
  std::shared_ptr<const peer::Library> library_;
  std::shared_ptr<const engine::Model> model_;
  std::vector<Value> values_;
  std::vector<std::string> names_;
  std::vector<int64_t> lengths_;
  std::unique_ptr<engine::Session> session_;
  engine::RunSettings settings_;
  Json report_;
};

}  // namespace

Json to_json(const measure::Summary& s) {
  return {{"median", s.median}, {"first", s.first}, {"third", s.third}, {"least", s.least}};
}

Json compare_runtimes(const CompareFlags& flags) { return Comparison(flags).report(); }

}  // namespace sdx::cli
