// FakeDecoder: a decoder whose logits are a fixed function of the row so far, and which checks how it is used.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/decoder.h"

namespace sdx::generate {

inline constexpr int64_t kFakeWidth = 6;

/// Logits of the token after `ids`: smooth pseudo-random numbers that depend on the last `memory` tokens.
inline std::vector<float> fake_logits(std::span<const int64_t> ids, int64_t vocabulary, size_t memory) {
  uint64_t h = 1469598103934665603ULL;
  for (int64_t id : ids.last(std::min(memory, ids.size()))) h = (h ^ static_cast<uint64_t>(id + 1)) * 1099511628211ULL;
  std::vector<float> out;
  for (int64_t v = 0; v < vocabulary; ++v) {
    h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9ULL + static_cast<uint64_t>(v);
    out.push_back(static_cast<float>(static_cast<double>(h >> 40) / (1 << 24) * 6 - 3));
  }
  return out;
}

/// Hidden states of the last of `ids`, which depend on the last two.
inline std::vector<float> fake_state(std::span<const int64_t> ids) { return fake_logits(ids, kFakeWidth, 2); }

class FakeDecoder final : public engine::Decoder {
 public:
  explicit FakeDecoder(int64_t vocabulary, size_t memory = 100) : vocabulary_(vocabulary), memory_(memory) {}

  const std::string& model_type() const override { return type_; }
  bool is_encoder_decoder() const override { return false; }
  bool cached() const override { return true; }
  bool takes_positions() const override { return positions; }
  engine::DecoderLayout layout() const override { return engine::DecoderLayout::kSingle; }
  int64_t vocabulary() const override { return vocabulary_; }
  const engine::Port& encoder_input() const override { return port_; }
  void set_run_settings(const engine::RunSettings&) override {}
  void encode(const Tensor&, const Tensor&) override {}
  const Tensor& encoder_states() const override { return states_; }
  void begin(int64_t rows) override { rows_.assign(static_cast<size_t>(rows), {}); }

  ConstView forward(const engine::Tokens& tokens, engine::Logits logits) override {
    const size_t count = tokens.ids.size() / rows_.size();
    EXPECT_EQ(tokens.ids.size(), count * rows_.size());
    out_.clear();
    states_out_.clear();
    for (size_t r = 0; r < rows_.size(); ++r) {
      for (size_t i = 0; i < count; ++i) {
        rows_[r].push_back(tokens.ids[r * count + i]);
        const auto state = fake_state(rows_[r]);
        states_out_.insert(states_out_.end(), state.begin(), state.end());
        if (logits == engine::Logits::kAll || (logits == engine::Logits::kLast && i + 1 == count)) {
          const auto row = fake_logits(rows_[r], vocabulary_, memory_);
          out_.insert(out_.end(), row.begin(), row.end());
        }
      }
    }
    forwards.push_back(static_cast<int64_t>(tokens.ids.size()));
    return {reinterpret_cast<const std::byte*>(out_.data()), DType::kF32, Extents{static_cast<int64_t>(out_.size())}};
  }
  void select(std::span<const int32_t> parents) override {
    std::vector<std::vector<int64_t>> next;
    for (int32_t p : parents) next.push_back(rows_.at(static_cast<size_t>(p)));
    rows_ = std::move(next);
  }
  void keep_hidden_states() override {}
  ConstView hidden_states() const override {
    return {reinterpret_cast<const std::byte*>(states_out_.data()), DType::kF32,
            Extents{static_cast<int64_t>(states_out_.size())}};
  }
  void crop(int64_t length) override {
    for (auto& row : rows_) row.resize(static_cast<size_t>(length));
  }
  int64_t rows() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t length() const override { return rows_.empty() ? 0 : static_cast<int64_t>(rows_[0].size()); }
  engine::DecoderStatistics statistics() const override { return {}; }

  std::vector<int64_t> forwards;  ///< tokens of each call
  bool positions = true;          ///< whether it takes them

 private:
  std::string type_ = "fake";
  engine::Port port_;
  Tensor states_;
  int64_t vocabulary_;
  size_t memory_;
  std::vector<std::vector<int64_t>> rows_;
  std::vector<float> out_, states_out_;
};

}  // namespace sdx::generate
