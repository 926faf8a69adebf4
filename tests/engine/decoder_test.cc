// Decoders of every layout: recorded greedy results, and equality of layouts, thread counts, batches and orders of
// rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "tiny_decoders.h"

namespace sdx::engine {
namespace {

int64_t best(const float* logits, int64_t count) { return std::max_element(logits, logits + count) - logits; }

std::vector<float> copy(const ConstView& v) { return {v.as<float>(), v.as<float>() + v.count()}; }

void expect_near(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  float largest = 1e-3f, worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  EXPECT_LE(worst, 2e-5f * largest) << what;
}

/// Feeds a recorded sequence token by token; each must be the likeliest continuation of those before.
void follow(Decoder& decoder, const nlohmann::json& entry, const std::string& what) {
  const Grid wanted = Grid::of(entry.at("sequences"));
  const auto& eos = entry.at("effective").value("eos_token_id", nlohmann::json());
  Grid prompt{wanted.rows, 1, wanted.column(0)}, mask;
  if (!decoder.is_encoder_decoder()) {
    prompt = Grid::of(entry.at("inputs").at("input_ids"));
    mask = Grid::of(entry.at("inputs").at("attention_mask"));
  }
  decoder.begin(wanted.rows);
  ConstView logits = decoder.forward({prompt.values, mask.values});
  std::vector<bool> done(static_cast<size_t>(wanted.rows), false);
  for (int64_t t = prompt.columns; t < wanted.columns; ++t) {
    for (int64_t r = 0; r < wanted.rows; ++r) {
      if (done[static_cast<size_t>(r)]) continue;
      ASSERT_EQ(best(logits.as<float>() + r * decoder.vocabulary(), decoder.vocabulary()), wanted.at(r, t))
          << what << ", row " << r << ", token " << t;
      done[static_cast<size_t>(r)] = eos.is_number() && wanted.at(r, t) == eos.get<int64_t>();
    }
    if (t + 1 < wanted.columns) logits = decoder.forward({wanted.column(t)});
  }
}

bool padded(const nlohmann::json& entry) {
  if (!entry["inputs"].contains("attention_mask")) return false;
  const Grid mask = Grid::of(entry["inputs"]["attention_mask"]);
  return std::ranges::find(mask.values, 0) != mask.values.end();
}

TEST(Decoder, FollowsRecordedGreedySequences) {
  if (tiny_decoders().empty()) GTEST_SKIP() << tiny_models() << " is absent (set SARDONYX_SHARED)";
  int entries = 0;
  for (const TinyDecoder& model : tiny_decoders()) {
    const auto json = read_json(tiny_models() / model.name / "generate.json");
    for (DecoderLayout layout : model.layouts) {
      auto decoder = open_tiny(model.name, layout);
      EXPECT_EQ(decoder->layout(), layout);
      EXPECT_EQ(decoder->cached(), layout != DecoderLayout::kNoPast);
      for (const auto& entry : json["entries"]) {
        const std::string name = entry["name"];
        // The older GPT-2 export takes no position numbers, so padding moves its positions.
        if (!name.starts_with("plain greedy") || (model.name == "gpt2" && padded(entry))) continue;
        encode(*decoder, model.name, entry["inputs"]);
        follow(*decoder, entry, cat(model.name, " layout ", static_cast<int>(layout), " ", name));
        ++entries;
      }
    }
  }
  EXPECT_GT(entries, 0);
}

/// One source for `rows` rows of a model with an encoder; nothing for others.
nlohmann::json source(const std::string& model, int64_t rows) {
  if (model == "whisper-tiny")
    return {{"input_features_file", rows == 1 ? "generate_input_features_b1.npy" : "generate_input_features_b2.npy"}};
  nlohmann::json ids, mask;
  for (int64_t r = 0; r < rows; ++r) {
    ids.push_back({11 + r, 50, 23 + r, 7, 1});
    mask.push_back({1, 1, 1, 1, 1});
  }
  return {{"input_ids", ids}, {"attention_mask", mask}};
}

class Walk {
 public:
  Walk(const std::string& model, DecoderLayout layout, int threads, int64_t rows)
      : decoder_(open_tiny(model, layout, threads)) {
    encode(*decoder_, model, source(model, rows));
    decoder_->begin(rows);
  }
  Decoder& decoder() { return *decoder_; }
  std::vector<float> step(const std::vector<int64_t>& ids, Logits logits = Logits::kLast) {
    return copy(decoder_->forward({ids}, logits));
  }

 private:
  std::unique_ptr<Decoder> decoder_;
};

TEST(Decoder, GivesTheSameBitsForEveryNumberOfThreads) {
  for (const TinyDecoder& model : tiny_decoders()) {
    Walk one(model.name, model.layouts[0], 1, 2), two(model.name, model.layouts[0], 2, 2),
        four(model.name, model.layouts[0], 4, 2);
    for (const std::vector<int64_t>& ids :
         std::vector<std::vector<int64_t>>{{3, 14, 15, 92, 65, 35}, {8, 9}, {79, 32}}) {
      const auto a = one.step(ids);
      EXPECT_EQ(a, two.step(ids)) << model.name;
      EXPECT_EQ(a, four.step(ids)) << model.name;
    }
  }
}

TEST(Decoder, LayoutsAgree) {
  for (const TinyDecoder& model : tiny_decoders()) {
    Walk reference(model.name, DecoderLayout::kNoPast, 1, 2);
    for (DecoderLayout layout : model.layouts) {
      Walk walk(model.name, layout, 1, 2);
      if (layout == DecoderLayout::kNoPast) continue;
      reference.decoder().begin(2);
      for (const std::vector<int64_t>& ids :
           std::vector<std::vector<int64_t>>{{5, 6, 7, 8, 9, 10}, {11, 12}, {13, 14, 15, 16}}) {
        expect_near(walk.step(ids, Logits::kAll), reference.step(ids, Logits::kAll), model.name);
      }
      EXPECT_EQ(walk.decoder().length(), 6);
    }
  }
}

TEST(Decoder, ChunksAndCroppingChangeNothing) {
  for (const TinyDecoder& model : tiny_decoders()) {
    Walk whole(model.name, model.layouts[0], 1, 1), parts(model.name, model.layouts[0], 1, 1);
    const auto wanted = whole.step({21, 22, 23, 24, 25, 26});
    parts.step({21, 22}, Logits::kNone);
    parts.step({23, 99, 98, 97});
    parts.decoder().crop(3);
    EXPECT_EQ(parts.decoder().length(), 3);
    expect_near(parts.step({24, 25, 26}), wanted, model.name);
    // From the beginning again, in memory that was used before.
    parts.decoder().begin(1);
    EXPECT_EQ(parts.step({21, 22, 23, 24, 25, 26}), wanted) << model.name;
  }
}

TEST(Decoder, RowsContinueTheirParents) {
  std::mt19937 random(7);
  for (const TinyDecoder& model : tiny_decoders()) {
    Walk batch(model.name, model.layouts[0], 1, 2), fresh(model.name, model.layouts[0], 1, 2);
    std::vector<std::vector<int64_t>> history = {{5, 6, 7}, {8, 9, 10}};
    std::vector<int> source_of = {0, 1};
    batch.step({5, 6, 7, 8, 9, 10});
    for (const std::vector<int32_t>& parents : std::vector<std::vector<int32_t>>{{0, 0, 0, 1, 1, 1},
                                                                                 {2, 1, 1, 5, 3, 3},
                                                                                 {0, 0, 0, 4, 4, 4},
                                                                                 {1, 0, 2, 5, 4, 3},
                                                                                 {0, 3, 4},
                                                                                 {2, 0},
                                                                                 {1, 1, 0, 0},
                                                                                 {3, 0, 0, 1}}) {
      batch.decoder().select(parents);
      std::vector<std::vector<int64_t>> rows;
      std::vector<int> sources;
      std::vector<int64_t> next;
      for (int32_t p : parents) {
        rows.push_back(history[static_cast<size_t>(p)]);
        sources.push_back(source_of[static_cast<size_t>(p)]);
        next.push_back(static_cast<int64_t>(random() % 190));
        rows.back().push_back(next.back());
      }
      history = rows;
      source_of = sources;
      const auto got = batch.step(next);
      const int64_t vocabulary = batch.decoder().vocabulary();
      for (size_t r = 0; r < rows.size(); ++r) {
        // The same sequence twice from the beginning, so that both sources are there.
        fresh.decoder().begin(2);
        std::vector<int64_t> prompt(rows[r]), last = {rows[r].back(), rows[r].back()};
        prompt.pop_back();
        std::vector<int64_t> twice(prompt);
        twice.insert(twice.end(), prompt.begin(), prompt.end());
        fresh.step(twice);
        const auto wanted = fresh.step(last);
        const auto* at = got.data() + static_cast<int64_t>(r) * vocabulary;
        const auto* from = wanted.data() + source_of[r] * vocabulary;
        expect_near({at, at + vocabulary}, {from, from + vocabulary}, cat(model.name, " row ", r));
      }
    }
  }
}

/// Bytes that are copied when one row over a source of `tokens` tokens becomes four.
int64_t moved_by_beams(Decoder& decoder, int64_t tokens) {
  decoder.encode(Tensor::from<int64_t>({1, tokens}, std::vector<int64_t>(static_cast<size_t>(tokens), 7)));
  decoder.begin(1);
  decoder.forward({std::vector<int64_t>{5}});
  const int64_t before = decoder.statistics().bytes_moved;
  decoder.select(std::vector<int32_t>{0, 0, 0, 0});
  decoder.forward({std::vector<int64_t>{5, 6, 7, 8}});
  return decoder.statistics().bytes_moved - before;
}

TEST(Decoder, BeamsReadOneSource) {
  for (const TinyDecoder& model : tiny_decoders()) {
    auto decoder = open_tiny(model.name, model.layouts[0]);
    if (!decoder->is_encoder_decoder() || decoder->encoder_input().fact.dtype != DType::kI64) continue;
    moved_by_beams(*decoder, 4);  // the caches get their size
    EXPECT_EQ(moved_by_beams(*decoder, 40), moved_by_beams(*decoder, 4)) << model.name;
  }
}

TEST(Decoder, RefusesWhatDoesNotFit) {
  if (tiny_decoders().empty()) GTEST_SKIP() << tiny_models() << " is absent (set SARDONYX_SHARED)";
  const std::string name = tiny_decoders().back().name == "whisper-tiny" ? "gpt2-modern" : tiny_decoders()[0].name;
  DecoderOptions options;
  options.max_length = 8;
  auto decoder = Decoder::open(tiny_models() / name, options);
  const std::vector<int64_t> five = {1, 2, 3, 4, 5};
  EXPECT_THROW(decoder->forward({five}), Error);
  decoder->begin(1);
  const auto first = copy(decoder->forward({five}));
  EXPECT_THROW(decoder->forward({five}), Error);
  EXPECT_EQ(decoder->length(), 5);
  EXPECT_THROW(decoder->crop(6), Error);
  const std::vector<int32_t> bad = {1};
  EXPECT_THROW(decoder->select(bad), Error);
  EXPECT_THROW(decoder->encode(Tensor::from<int64_t>({1, 5}, five)), Error);
  decoder->begin(1);
  EXPECT_EQ(first, copy(decoder->forward({five})));
  EXPECT_THROW(Decoder::open(tiny_models() / name / "no-such-folder"), Error);
  EXPECT_THROW(decoder_layout("torn"), Error);
}

}  // namespace
}  // namespace sdx::engine
