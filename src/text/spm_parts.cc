// A SentencePiece model as the parts of a tokenizer.
#include "text/spm_parts.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace sdx::text {
namespace {

class SpmStep final : public Normalizer {
 public:
  explicit SpmStep(SentencePiecePtr spm) : spm_(std::move(spm)) {}

  void apply(Buffer& buffer) const override {
    SpmNormalized normalized = spm_->normalize(buffer.text());
    buffer.materialize();
    const std::vector<Align>& old = buffer.align();
    const auto begin_of = [&](uint32_t at) {
      return at < old.size() ? old[at].begin : old.empty() ? 0 : old.back().end;
    };
    std::vector<Align> align;
    align.reserve(normalized.text.size());
    for (size_t i = 0; i < normalized.text.size(); ++i) {
      const uint32_t from = normalized.origin[i], to = normalized.origin[i + 1];
      align.push_back({begin_of(from), to > from ? old[to - 1].end : begin_of(from)});
    }
    buffer.assign(std::move(normalized.text), std::move(align));
  }

 private:
  SentencePiecePtr spm_;
};

class SpmModel final : public Model {
 public:
  SpmModel(SentencePiecePtr spm, Vocab vocab, uint32_t unknown)
      : spm_(std::move(spm)), vocab_(std::move(vocab)), unknown_(unknown) {
    for (const SpmEntry& entry : spm_->pieces()) {
      const int32_t id = vocab_.find(entry.text);
      ids_.push_back(id == kNone ? unknown_ : static_cast<uint32_t>(id));
    }
    ids_[static_cast<size_t>(spm_->unknown_id())] = unknown_;
  }

  void tokenize(std::string_view word, ModelScratch&, std::vector<Piece>& out) const override {
    for (const auto& [id, begin, end] : spm_->segment(word)) {
      uint32_t token = ids_[static_cast<size_t>(id)];
      if (token == unknown_) {
        const int32_t found = vocab_.find(word.substr(begin, end - begin));
        if (found != kNone) token = static_cast<uint32_t>(found);
      }
      out.push_back({token, begin, end, token == unknown_});
    }
  }

  int32_t find(std::string_view token) const override { return vocab_.find(token); }
  std::optional<std::string_view> token(uint32_t id) const override {
    if (!vocab_.has_id(id)) return std::nullopt;
    return vocab_.token(id);
  }
  size_t size() const override { return vocab_.size(); }
  size_t id_limit() const override { return vocab_.id_limit(); }

 private:
  SentencePiecePtr spm_;
  Vocab vocab_;
  uint32_t unknown_;
  std::vector<uint32_t> ids_;  ///< vocabulary id of each piece
};

class SpmDecoder final : public Decoder {
 public:
  SpmDecoder(SentencePiecePtr spm, std::vector<std::string> verbatim, SpmDecoding decoding)
      : spm_(std::move(spm)), verbatim_(std::move(verbatim)), marian_(decoding == SpmDecoding::kMarian) {
    std::sort(verbatim_.begin(), verbatim_.end());
  }

  void apply(std::vector<std::string>& tokens) const override {
    std::string text;
    std::vector<std::string_view> run;
    for (const std::string& token : tokens) {
      if (!std::binary_search(verbatim_.begin(), verbatim_.end(), token)) {
        run.emplace_back(token);
        continue;
      }
      text += spm_->decode_pieces(run) + token + (marian_ ? " " : "");
      run.clear();
    }
    text = replace_all(text + spm_->decode_pieces(run), kSpmSpace, " ");
    if (marian_) {
      text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
      text.erase(text.find_last_not_of(' ') + 1);
    }
    tokens.assign(1, std::move(text));
  }

 private:
  SentencePiecePtr spm_;
  std::vector<std::string> verbatim_;
  bool marian_;
};

}  // namespace

NormalizerPtr make_spm_normalizer(SentencePiecePtr spm) { return std::make_unique<SpmStep>(std::move(spm)); }

std::unique_ptr<Model> make_spm_model(SentencePiecePtr spm, Vocab vocab, const std::string& unknown) {
  const int32_t id = vocab.find(unknown);
  if (id == kNone) {
    fail(ErrorKind::kInvalidModel, "the vocabulary lacks \"", unknown, "\", the token for unknown text; add it");
  }
  return std::make_unique<SpmModel>(std::move(spm), std::move(vocab), static_cast<uint32_t>(id));
}

DecoderPtr make_spm_decoder(SentencePiecePtr spm, std::vector<std::string> verbatim, SpmDecoding decoding) {
  return std::make_unique<SpmDecoder>(std::move(spm), std::move(verbatim), decoding);
}

}  // namespace sdx::text
