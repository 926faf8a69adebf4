// Whole runs against the sequences that transformers' generate() gave: every entry of every generate.json.
#include <gtest/gtest.h>

#include "generate/generate.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "tiny_decoders.h"

namespace sdx::generate {
namespace {

using engine::DecoderLayout;
using nlohmann::json;

std::vector<Ids> rows(const json& j) { return j.get<std::vector<Ids>>(); }

GenerationConfig config_of(const std::string& model, const json& arguments) {
  GenerationConfig config = read_config(engine::tiny_models() / model);
  for (const auto& [key, value] : arguments.items()) set_argument(config, key, value);
  return config;
}

Prompts prompts_of(const std::string& model, const json& inputs) {
  Prompts out;
  if (inputs.contains("input_ids")) out.ids = rows(inputs["input_ids"]);
  if (inputs.contains("attention_mask")) out.mask = rows(inputs["attention_mask"]);
  if (inputs.contains("input_features_file")) {
    const auto path = engine::tiny_models() / model / inputs["input_features_file"].get<std::string>();
    out.features = cli::read_npy(MappedFile::share(MappedFile::open(path)).text());
  }
  return out;
}

std::vector<Ids> ids_of(const Result& result) {
  std::vector<Ids> out;
  for (const Sequence& s : result.sequences) out.push_back(s.ids);
  return out;
}

std::string describe(const std::string& model, const json& entry) {
  return model + ": " + entry["name"].get<std::string>() + " | " + entry["input"].get<std::string>();
}

/// Runs the entries and compares ids and, of beams, scores. Returns how many there were.
int compare(const std::string& model, DecoderLayout layout, int threads, const engine::DecoderOptions& options = {}) {
  int entries = 0;
  const auto decoder = engine::open_tiny(model, layout, threads, options);
  const json golden = engine::read_json(engine::tiny_models() / model / "generate.json");
  for (const json& entry : golden["entries"]) {
    const GenerationConfig config = config_of(model, entry["arguments"]);
    const Result result = generate(*decoder, prompts_of(model, entry["inputs"]), config);
    EXPECT_EQ(ids_of(result), rows(entry["sequences"])) << describe(model, entry);
    ++entries;
    if (!entry.contains("sequences_scores")) continue;
    for (size_t i = 0; i < result.sequences.size(); ++i) {
      const double wanted = entry["sequences_scores"][i];
      EXPECT_NEAR(result.sequences[i].score, wanted, 1e-4 * std::max(1.0, std::abs(wanted))) << describe(model, entry);
    }
  }
  return entries;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EveryEntryInEveryLayout) {
  for (const auto& model : engine::tiny_decoders()) {
    if (model.name != GetParam()) continue;
    int threads = 1;
    for (DecoderLayout layout : model.layouts) {
      SCOPED_TRACE(static_cast<int>(layout));
      EXPECT_GT(compare(model.name, layout, threads), 0);
      threads *= 2;
    }
    return;
  }
  GTEST_SKIP() << engine::tiny_models() << " is absent (set SARDONYX_SHARED)";
}

// The same where the head computes all but the largest logits from fewer bytes, however small it is, on each
// instruction set that multiplies bytes.
TEST_P(Golden, EveryEntryFromCandidates) {
  if (!kernels::gemm_splits()) GTEST_SKIP() << "this machine does not multiply bytes";
  for (const auto& model : engine::tiny_decoders()) {
    if (model.name != GetParam()) continue;
    engine::DecoderOptions options;
    options.candidates = true;
    options.model.rewrite.candidate_weights = 0;
    for (kernels::Isa isa : kernels::available_isas()) {
      SCOPED_TRACE(kernels::isa_name(isa));
      kernels::limit_isa(isa);
      if (!kernels::gemm_splits()) continue;
      EXPECT_GT(compare(model.name, model.layouts.front(), 2, options), 0);
    }
    kernels::limit_isa(kernels::Isa::kOther);
    return;
  }
  GTEST_SKIP() << engine::tiny_models() << " is absent (set SARDONYX_SHARED)";
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Values("gpt2", "gpt2-modern", "smollm-135m-modern", "t5-small", "bart-base",
                                         "marian-opus-mt-en-de", "whisper-tiny"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace sdx::generate
