// What a decode step allocates and copies, and what generation keeps: nothing, once everything has its size.
#include <gtest/gtest.h>

#include "allocation_counter.h"
#include "base/join_pages.h"
#include "generate/generate.h"
#include "tiny_decoders.h"

namespace sdx::generate {
namespace {

using engine::Decoder;
using engine::DecoderLayout;

std::filesystem::path demo_model() { return std::filesystem::path(SARDONYX_SOURCE_DIR) / "models" / "demo"; }

std::unique_ptr<Decoder> open_demo() {
  engine::DecoderOptions options;
  options.candidates = true;
  options.model.rewrite.candidate_weights = 0;
  auto decoder = Decoder::open(demo_model(), options);
  engine::RunSettings settings;
  settings.parallel = Parallel(1);
  decoder->set_run_settings(settings);
  join_waiting_pages();  // or their thread gives memory back while a test counts
  return decoder;
}

/// Counters at the moment a token came.
struct Mark {
  int64_t allocations, moved;
};

/// Generates for a prompt of 4 tokens (or what the encoder gets) and notes the counters at each token of sequence 0.
std::vector<Mark> marks(Decoder& decoder, Prompts prompts, const GenerationConfig& config) {
  std::vector<Mark> out;
  out.reserve(1000);
  Hooks hooks;
  hooks.on_token = [&](size_t sequence, int64_t) {
    if (sequence == 0) out.push_back({allocation_count.load(), decoder.statistics().bytes_moved});
  };
  generate(decoder, prompts, config, hooks);
  return out;
}

GenerationConfig endless(int64_t tokens) {
  GenerationConfig config;
  config.max_new_tokens = tokens;
  return config;
}

Prompts prompts_for(const std::string& model, const Decoder& decoder) {
  Prompts out;
  if (!decoder.is_encoder_decoder() || decoder.encoder_input().fact.dtype == DType::kI64) {
    out.ids = {{5, 6, 7, 8}, {9, 10, 11, 12}};
  } else {
    const auto path = engine::tiny_models() / model / "generate_input_features_b2.npy";
    out.features = cli::read_npy(MappedFile::share(MappedFile::open(path)).text());
  }
  return out;
}

/// Steps from token `from` on in which something was allocated.
int allocating_steps(const std::vector<Mark>& marks, size_t from) {
  int steps = 0;
  for (size_t i = from + 1; i < marks.size(); ++i) steps += marks[i].allocations != marks[i - 1].allocations;
  return steps;
}

/// Nothing is copied, and memory is taken only where something grows to twice its size.
void expect_still(const std::vector<Mark>& marks, size_t from, int doublings, const std::string& what) {
  ASSERT_GT(marks.size(), from + 10) << what;
  EXPECT_LE(allocating_steps(marks, from), doublings) << what;
  for (size_t i = from + 1; i < marks.size(); ++i)
    EXPECT_EQ(marks[i].moved, marks[from].moved) << what << ", token " << i;
}

/// Tokens until everything has its size, of the second run over a decoder.
constexpr size_t kWarm = 3;

TEST(DecodeStep, AllocatesAndCopiesNothingInAnyLayoutWithACache) {
  if (engine::tiny_decoders().empty()) GTEST_SKIP() << engine::tiny_models() << " is absent (set SARDONYX_SHARED)";
  for (const auto& model : engine::tiny_decoders()) {
    for (DecoderLayout layout : model.layouts) {
      if (layout == DecoderLayout::kNoPast) continue;
      const auto decoder = engine::open_tiny(model.name, layout);
      GenerationConfig config = endless(38);
      config.decoder_start_token_id = {2};
      const Prompts prompts = prompts_for(model.name, *decoder);
      for (bool sampled : {false, true}) {
        config.do_sample = sampled;
        config.top_p = 0.9;
        config.repetition_penalty = 1.2;
        config.no_repeat_ngram_size = 3;
        marks(*decoder, prompts, config);
        expect_still(marks(*decoder, prompts, config), kWarm, 3, cat(model.name, " layout ", static_cast<int>(layout)));
      }
    }
  }
}

TEST(DecodeStep, CopiesOnlyWhereACacheGrows) {
  const auto decoder = open_demo();
  const auto found = marks(*decoder, {{{1, 2, 3, 4}}, {}, {}}, endless(250));
  ASSERT_EQ(found.size(), 250U);
  int grown = 0;
  for (size_t i = kWarm + 1; i < found.size(); ++i) grown += found[i].moved != found[i - 1].moved;
  EXPECT_LE(grown, 2) << "64, 128 and 256 tokens";
  EXPECT_LE(found.back().moved, decoder->statistics().cache_bytes) << "doubling moves no more than there is in the end";
  expect_still(marks(*decoder, {{{1, 2, 3, 4}}, {}, {}}, endless(250)), kWarm, 4, "the second time");
}

TEST(DecodeStep, BeamsCopyLittleAndAllocateNothing) {
  const auto decoder = open_demo();
  GenerationConfig config = endless(200);
  config.num_beams = 4;
  std::vector<Mark> found;
  found.reserve(1000);
  Hooks hooks;
  hooks.should_stop = [&](size_t, std::span<const int64_t> ids) {
    if (found.empty() || found.size() < ids.size()) {
      found.resize(ids.size());
      found.back() = {allocation_count.load(), decoder->statistics().bytes_moved};
    }
    return false;
  };
  for (int run = 0; run < 2; ++run) {
    found.clear();
    generate(*decoder, {{{1, 2, 3, 4}}, {}, {}}, config, hooks);
  }
  EXPECT_LE(allocating_steps(found, 4 + kWarm), 4);
  // Beams that part are alike but for their last tokens: far less is copied than all four caches in each step.
  const int64_t all = decoder->statistics().cache_bytes * static_cast<int64_t>(found.size());
  EXPECT_LT(found.back().moved - found[4 + kWarm].moved, all / 20);
}

/// Generates until there are `wanted` tokens, 4 sequences at a time; what is live after each run stays the same.
void run_long(int64_t wanted) {
  // An allocator may give a few bytes more than it is asked for.
  constexpr int64_t kTolerance = 4096;
  const auto decoder = open_demo();
  GenerationConfig config = endless(250);
  config.do_sample = true;
  int64_t tokens = 0, live = 0, blocks = 0;
  for (uint64_t run = 0; tokens < wanted; ++run) {
    tokens += generate(*decoder, {{{1, 2}, {3, 4}, {5, 6}, {7, 8}}, {}, {}}, config, {.seed = run}).new_tokens;
    if (run == 1) live = live_bytes.load(), blocks = live_blocks.load();
    if (run < 2) continue;
    ASSERT_EQ(live_blocks.load(), blocks) << "after " << tokens << " tokens";
    ASSERT_NEAR(live_bytes.load(), live, kTolerance) << "after " << tokens << " tokens";
  }
  EXPECT_GE(tokens, wanted);
}

TEST(LongRuns, MemoryIsFlat) { run_long(std::getenv("SARDONYX_TEST_ALL") ? 100000 : 6000); }

}  // namespace
}  // namespace sdx::generate
