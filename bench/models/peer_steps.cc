// The opponent: generation over ONNX Runtime's C interface with a merged decoder, as fast as its interface allows.
#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "base/error.h"
#include "steps.h"

namespace sdx::bench {
namespace {

using peer::PeerBinding;
using peer::PeerSession;
using peer::PeerValue;

bool is_past(const std::string& name) { return name.starts_with("past_key_values."); }
std::string present_of(const std::string& past) { return "present." + past.substr(std::strlen("past_key_values.")); }
bool of_encoder(const std::string& name) { return name.find(".encoder.") != std::string::npos; }

Tensor filled(DType dtype, const Extents& extents, int64_t value) {
  Tensor out(dtype, extents);
  const View view = out.mutable_view();
  for (int64_t i = 0; i < extents.count(); ++i) {
    if (dtype == DType::kI64)
      view.as<int64_t>()[i] = value;
    else
      view.as<bool>()[i] = value != 0;
  }
  return out;
}

/// Rows `parents` of the first axis.
Tensor rows_of(const Tensor& x, std::span<const int32_t> parents) {
  Extents extents = x.extents();
  const auto bytes = static_cast<size_t>(extents[0] > 0 ? x.view().bytes() / extents[0] : 0);
  extents[0] = static_cast<int64_t>(parents.size());
  Tensor out(x.dtype(), extents);
  for (size_t i = 0; i < parents.size(); ++i) {
    std::memcpy(out.mutable_view().data + i * bytes, x.view().data + static_cast<size_t>(parents[i]) * bytes, bytes);
  }
  return out;
}

class MergedDecoder final : public Steps {
 public:
  MergedDecoder(std::shared_ptr<const peer::Library> library, const std::filesystem::path& folder, int threads)
      : library_(std::move(library)),
        decoder_(library_, folder / "decoder_model_merged.onnx", {threads}),
        binding_(decoder_) {
    if (std::filesystem::exists(folder / "encoder_model.onnx")) {
      encoder_ = std::make_unique<PeerSession>(library_, folder / "encoder_model.onnx", peer::PeerOptions{threads});
    }
  }

  void begin(const Tensor& source) override {
    rows_ = 1;
    length_ = 0;
    caches_.clear();
    if (!encoder_) return;
    std::vector<PeerValue> inputs;
    for (const auto& name : encoder_->inputs()) {
      inputs.push_back(wrap(name == "attention_mask" ? filled(DType::kI64, {1, source.extents()[1]}, 1) : source));
    }
    states_ = encoder_->run(inputs).front().tensor();
    source_length_ = states_.extents()[1];
  }

  const float* forward(std::span<const int64_t> ids, int64_t rows, int64_t& vocabulary, int64_t& stride) override {
    const int64_t count = static_cast<int64_t>(ids.size()) / rows;
    const bool first = length_ == 0;
    length_ += count;
    binding_.clear();
    for (const auto& name : decoder_.inputs()) binding_.bind_input(name, input(name, ids, rows, count, first));
    std::vector<std::string> wanted = {"logits"};
    for (const auto& name : decoder_.inputs()) {
      if (is_past(name) && (first || !of_encoder(name))) wanted.push_back(present_of(name));
    }
    for (const auto& name : wanted) binding_.bind_output(name);
    binding_.run();
    const auto results = binding_.results();
    for (size_t i = 1; i < wanted.size(); ++i) caches_[wanted[i]] = results[i];
    logits_ = results.front().tensor();
    const Extents& e = logits_.extents();
    vocabulary = e[2];
    stride = e[1] * e[2];
    return logits_.as<float>() + (e[1] - 1) * e[2];
  }

  void select(std::span<const int32_t> parents) override {
    bool same = static_cast<int64_t>(parents.size()) == rows_;
    for (size_t i = 0; i < parents.size(); ++i) same = same && parents[i] == static_cast<int32_t>(i);
    if (same) return;
    const bool grows = static_cast<int64_t>(parents.size()) != rows_;
    for (auto& [name, value] : caches_) {
      // All rows of one source share the encoder's keys and values.
      if (grows || !of_encoder(name)) value = wrap(rows_of(value.tensor(), parents));
    }
    if (grows && states_.defined()) states_ = rows_of(states_, parents);
    rows_ = static_cast<int64_t>(parents.size());
  }

 private:
  PeerValue wrap(const Tensor& t) const { return PeerValue(library_, t); }

  PeerValue input(const std::string& name, std::span<const int64_t> ids, int64_t rows, int64_t count, bool first) {
    if (name == "input_ids") return wrap(Tensor::from<int64_t>({rows, count}, ids));
    if (name == "attention_mask") return wrap(filled(DType::kI64, {rows, length_}, 1));
    if (name == "encoder_attention_mask") return wrap(filled(DType::kI64, {rows, source_length_}, 1));
    if (name == "encoder_hidden_states") return wrap(states_);
    if (name == "use_cache_branch") return wrap(filled(DType::kBool, {1}, first ? 0 : 1));
    if (name == "position_ids") {
      Tensor positions(DType::kI64, {rows, count});
      for (int64_t i = 0; i < rows * count; ++i)
        positions.mutable_view().as<int64_t>()[i] = length_ - count + i % count;
      return wrap(positions);
    }
    if (!is_past(name))
      fail(ErrorKind::kUnsupportedModel, "the decoder has an input '", name, "' that the loop does not know");
    if (!first) return caches_.at(present_of(name));
    const auto dims = decoder_.input_dims(name);
    return wrap(Tensor(DType::kF32, {rows, dims.at(1), 0, dims.at(3)}));
  }

  std::shared_ptr<const peer::Library> library_;
  PeerSession decoder_;
  PeerBinding binding_;
  std::unique_ptr<PeerSession> encoder_;
  std::map<std::string, PeerValue> caches_;
  Tensor states_, logits_;
  int64_t rows_ = 1, length_ = 0, source_length_ = 0;
};

}  // namespace

std::unique_ptr<Steps> peer_steps(const std::shared_ptr<const peer::Library>& library,
                                  const std::filesystem::path& folder, int threads) {
  return std::make_unique<MergedDecoder>(library, folder, threads);
}

}  // namespace sdx::bench
