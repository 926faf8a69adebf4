// The small decoders under shared/models/tiny, and sources for them.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "cli/npy.h"
#include "engine/decoder.h"

namespace sdx::engine {

/// $SARDONYX_SHARED/models/tiny, or the folder next to the source tree.
inline std::filesystem::path tiny_models() {
  const char* set = std::getenv("SARDONYX_SHARED");
  return std::filesystem::path(set ? set : SARDONYX_SOURCE_DIR "/../shared") / "models" / "tiny";
}

struct TinyDecoder {
  std::string name;
  std::vector<DecoderLayout> layouts;
};

/// What there is on this machine.
inline std::vector<TinyDecoder> tiny_decoders() {
  using enum DecoderLayout;
  const std::vector<TinyDecoder> all = {
      {"gpt2", {kMerged, kSplit, kNoPast}},        {"gpt2-modern", {kSingle, kNoPast}},
      {"smollm-135m-modern", {kSingle, kNoPast}},  {"t5-small", {kMerged, kSplit, kNoPast}},
      {"bart-base", {kMerged, kSplit, kNoPast}},   {"marian-opus-mt-en-de", {kMerged, kSplit, kNoPast}},
      {"whisper-tiny", {kMerged, kSplit, kNoPast}}};
  std::vector<TinyDecoder> out;
  for (const TinyDecoder& d : all) {
    if (std::filesystem::exists(tiny_models() / d.name / "config.json")) out.push_back(d);
  }
  return out;
}

inline std::unique_ptr<Decoder> open_tiny(const std::string& name, DecoderLayout layout, int threads = 1,
                                          DecoderOptions options = {}) {
  options.layout = layout;
  auto decoder = Decoder::open(tiny_models() / name, options);
  RunSettings settings;
  settings.parallel = Parallel(threads);
  decoder->set_run_settings(settings);
  return decoder;
}

/// Rows of one length from a JSON array of arrays.
struct Grid {
  int64_t rows = 0, columns = 0;
  std::vector<int64_t> values;

  static Grid of(const nlohmann::json& j) {
    Grid g{static_cast<int64_t>(j.size()), static_cast<int64_t>(j.at(0).size()), {}};
    for (const auto& row : j) {
      for (const auto& v : row) g.values.push_back(v.get<int64_t>());
    }
    return g;
  }
  int64_t at(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * columns + c)]; }
  std::vector<int64_t> column(int64_t c, int64_t count = 1) const {
    std::vector<int64_t> out;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < count; ++i) out.push_back(at(r, c + i));
    }
    return out;
  }
  Tensor tensor() const { return Tensor::from<int64_t>({rows, columns}, values); }
};

/// Gives the encoder an entry's source; nothing for models without encoder. Returns the batch size.
inline int64_t encode(Decoder& decoder, const std::string& name, const nlohmann::json& inputs) {
  if (inputs.contains("input_features_file")) {
    const auto path = tiny_models() / name / inputs["input_features_file"].get<std::string>();
    const Tensor features = cli::read_npy(MappedFile::share(MappedFile::open(path)).text());
    decoder.encode(features);
    return features.extents()[0];
  }
  const Grid ids = Grid::of(inputs.at("input_ids"));
  if (decoder.is_encoder_decoder()) decoder.encode(ids.tensor(), Grid::of(inputs.at("attention_mask")).tensor());
  return ids.rows;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(std::ifstream(path));
}

}  // namespace sdx::engine
