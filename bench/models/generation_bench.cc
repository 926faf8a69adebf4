// Whole generation loops, greedy and with beams: this runtime's decoder beside a loop over ONNX Runtime, in turns.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <random>

#include "cli/command_line.h"
#include "cli/compare.h"
#include "cli/flags.h"
#include "cli/peer_flags.h"
#include "engine/decoder.h"
#include "kernels/isa.h"
#include "kernels/maxima.h"
#include "kernels/softmax.h"
#include "measure/pairs.h"
#include "steps.h"

namespace sdx::bench {
namespace {

struct Flags {
  std::string folder, library, isa;
  int64_t source = 32;  ///< tokens that the encoder reads
  int64_t prompt = 1;   ///< tokens that the decoder starts from
  int64_t new_tokens = 32;
  int beams = 1;
  int threads = 2;
  measure::PairOptions pairs{.pairs = 10, .block_ms = 1, .most_seconds = 60};
};

class OurSteps final : public Steps {
 public:
  OurSteps(const std::filesystem::path& folder, int threads) {
    engine::DecoderOptions options;
    options.layout = engine::DecoderLayout::kMerged;
    options.candidates = true;
    decoder_ = engine::Decoder::open(folder, options);
    engine::RunSettings settings;
    settings.parallel = Parallel(threads);
    decoder_->set_run_settings(settings);
  }

  const engine::Decoder& decoder() const { return *decoder_; }

  void begin(const Tensor& source) override {
    if (source.defined()) decoder_->encode(source);
    decoder_->begin(1);
  }
  const float* forward(std::span<const int64_t> ids, int64_t, int64_t& vocabulary, int64_t& stride) override {
    const ConstView logits = decoder_->forward({ids}, engine::Logits::kLast);
    vocabulary = stride = logits.extents.back();
    return logits.as<float>();
  }
  void select(std::span<const int32_t> parents) override { decoder_->select(parents); }

 private:
  std::unique_ptr<engine::Decoder> decoder_;
};

/// Continues the prompt by the likeliest token, again and again.
std::vector<int64_t> greedy(Steps& steps, const Tensor& source, std::vector<int64_t> prompt, int64_t count) {
  steps.begin(source);
  std::vector<int64_t> out, ids = std::move(prompt);
  for (int64_t i = 0; i < count; ++i) {
    int64_t vocabulary = 0, stride = 0;
    const float* logits = steps.forward(ids, 1, vocabulary, stride);
    ids = {std::max_element(logits, logits + vocabulary) - logits};
    out.push_back(ids.front());
  }
  return out;
}

struct Candidate {
  float score;
  int32_t row;
  int64_t token;
};

/// The best `beams` continuations of all rows, whose scores are sums of log-probabilities. Blocks of the vocabulary
/// whose greatest logit is not good enough are passed over: what both sides spend here should be little.
std::vector<Candidate> best(const float* logits, int64_t stride, int64_t vocabulary, const std::vector<float>& scores,
                            int beams) {
  std::vector<Candidate> all;
  const int64_t blocks = (vocabulary + kernels::kMaximaBlock - 1) / kernels::kMaximaBlock;
  std::vector<float> maxima(static_cast<size_t>(blocks));
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  const auto full = [&] { return all.size() == static_cast<size_t>(beams); };
  for (size_t row = 0; row < scores.size(); ++row) {
    const float* at = logits + static_cast<int64_t>(row) * stride;
    float max = 0, log_sum = 0;
    kernels::log_sum_rows(at, &max, &log_sum, vocabulary, 0, 1);
    kernels::block_maxima(at, vocabulary, maxima.data(), 0, blocks);
    const float shift = scores[row] - max - log_sum;
    for (int64_t block = 0; block < blocks; ++block) {
      if (full() && !(maxima[static_cast<size_t>(block)] + shift > all.back().score)) continue;
      const int64_t end = std::min(vocabulary, (block + 1) * kernels::kMaximaBlock);
      for (int64_t i = block * kernels::kMaximaBlock; i < end; ++i) {
        const Candidate c = {at[i] + shift, static_cast<int32_t>(row), i};
        if (full() && !better(c, all.back())) continue;
        all.insert(std::ranges::upper_bound(all, c, better), c);
        if (all.size() > static_cast<size_t>(beams)) all.pop_back();
      }
    }
  }
  return all;
}

/// Beam search over a fixed number of steps; returns the tokens of the best beam's last steps by row.
std::vector<int64_t> beam_search(Steps& steps, const Tensor& source, std::vector<int64_t> prompt, int64_t count,
                                 int beams) {
  steps.begin(source);
  std::vector<float> scores = {0};
  std::vector<int64_t> ids = std::move(prompt), out;
  for (int64_t i = 0; i < count; ++i) {
    int64_t vocabulary = 0, stride = 0;
    const auto rows = static_cast<int64_t>(scores.size());
    const float* logits = steps.forward(ids, rows, vocabulary, stride);
    const auto chosen = best(logits, stride, vocabulary, scores, beams);
    std::vector<int32_t> parents;
    scores.clear();
    ids.clear();
    for (const Candidate& c : chosen) {
      parents.push_back(c.row);
      scores.push_back(c.score);
      ids.push_back(c.token);
    }
    out.push_back(ids.front());
    if (i + 1 < count) steps.select(parents);
  }
  return out;
}

Tensor source_of(const engine::Decoder& decoder, int64_t tokens) {
  if (!decoder.is_encoder_decoder()) return {};
  const auto& port = decoder.encoder_input();
  std::mt19937_64 random(1);
  if (port.fact.dtype == DType::kI64) {
    std::vector<int64_t> ids(static_cast<size_t>(tokens));
    for (auto& id : ids) id = static_cast<int64_t>(random() % 20000 + 10);
    return Tensor::from<int64_t>({1, tokens}, ids);
  }
  constexpr int64_t kBins = 80, kFrames = 3000;
  std::vector<float> values(kBins * kFrames);
  std::normal_distribution<float> normal;
  for (auto& v : values) v = normal(random);
  return Tensor::from<float>({1, kBins, kFrames}, values);
}

cli::Json run(const Flags& flags) {
  cli::limit_isa(flags.isa);
  const auto library = cli::open_peer(flags.library);
  const int threads = Parallel(flags.threads).threads();
  OurSteps ours(flags.folder, threads);
  const auto peer = peer_steps(library, flags.folder, threads);
  const Tensor source = source_of(ours.decoder(), flags.source);
  std::vector<int64_t> prompt(static_cast<size_t>(flags.prompt));
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int64_t>(1 + i * 37 % 5000);
  auto loop = [&](Steps& steps) {
    if (flags.beams > 1) return beam_search(steps, source, prompt, flags.new_tokens, flags.beams);
    return greedy(steps, source, prompt, flags.new_tokens);
  };
  const bool agree = loop(ours) == loop(*peer);
  measure::CeilingProbe probe{Parallel(threads)};
  const auto result = measure::run_pairs([&] { loop(ours); }, [&] { loop(*peer); }, probe, flags.pairs);
  return {
      {"model", flags.folder},
      {"threads", threads},
      {"isa", kernels::isa_name(kernels::active_isa())},
      {"peer",
       {{"version", library->version()},
        {"settings", cat("merged decoder, values bound, intra-op threads ", threads,
                         ", every graph optimisation, default spinning")}}},
      {"source", source.defined() ? source.extents()[1] : 0},
      {"prompt", flags.prompt},
      {"new_tokens", flags.new_tokens},
      {"beams", flags.beams},
      {"agree", agree},
      {"pairs", result.pairs.size()},
      {"measured", result.measured},
      {"quiet", result.quiet},
      {"ratio", cli::to_json(result.ratio)},
      {"ours_ms", cli::to_json(result.ours)},
      {"peer_ms", cli::to_json(result.peer)},
      {"ceiling", {{"flops", result.flops.median}, {"memory", result.memory.median}, {"cache", result.cache.median}}}};
}

}  // namespace
}  // namespace sdx::bench

int main(int argc, char** argv) {
  sdx::bench::Flags flags;
  CLI::App app("Generation loops beside ONNX Runtime.");
  app.add_option("folder", flags.folder, "a folder with decoder_model_merged.onnx and, for some, encoder_model.onnx")
      ->required();
  app.add_option("--source", flags.source, "tokens that the encoder reads");
  app.add_option("--prompt", flags.prompt, "tokens that the decoder starts from")->check(CLI::PositiveNumber);
  app.add_option("--new", flags.new_tokens, "tokens to generate")->check(CLI::PositiveNumber);
  app.add_option("--beams", flags.beams, "beams; 1: greedy")->check(CLI::PositiveNumber);
  app.add_option("--threads", flags.threads);
  app.add_option("--isa", flags.isa, "best instruction set to use: sse4, avx2, avx512, vnni, amx, neon or auto");
  app.add_option("--pairs", flags.pairs.pairs);
  app.add_option("--seconds", flags.pairs.most_seconds);
  app.add_option("--ort", flags.library, "path of libonnxruntime.so.1");
  app.add_flag_callback(
      "--json", [] {}, "machine-readable output, as always");
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("%s\n", sdx::bench::run(flags).dump().c_str());
  } catch (const sdx::cli::UsageError& e) {
    std::fprintf(stderr, "generation_bench: %s\n", e.message.c_str());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "generation_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
