// WordPiece and WordLevel: greedy longest match over a trie, and whole words.
#include <utility>

#include "base/error.h"
#include "text/model.h"
#include "text/trie.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

/// What the models with an explicit vocabulary share.
class VocabModel : public Model {
 public:
  explicit VocabModel(Vocab vocab) : vocab_(std::move(vocab)) {}

  int32_t find(std::string_view token) const override { return vocab_.find(token); }
  std::optional<std::string_view> token(uint32_t id) const override {
    if (!vocab_.has_id(id)) return std::nullopt;
    return vocab_.token(id);
  }
  size_t size() const override { return vocab_.size(); }
  size_t id_limit() const override { return vocab_.id_limit(); }

 protected:
  Vocab vocab_;
};

class WordPiece final : public VocabModel {
 public:
  WordPiece(Vocab vocab, WordPieceOptions options)
      : VocabModel(std::move(vocab)), options_(std::move(options)), unknown_(vocab_.find(options_.unknown)) {
    std::vector<Trie::Key> keys;
    keys.reserve(vocab_.size());
    for (uint32_t id = 0; id < vocab_.id_limit(); ++id) {
      if (vocab_.has_id(id)) keys.emplace_back(vocab_.token(id), vocab_.find(vocab_.token(id)));
    }
    trie_ = Trie(keys);
    inner_ = trie_.walk(Trie::kRoot, options_.prefix);
  }

  void tokenize(std::string_view word, ModelScratch&, std::vector<Piece>& out) const override {
    const size_t first = out.size();
    const auto size = static_cast<uint32_t>(word.size());
    bool bad = size > options_.max_characters && count_characters(word) > options_.max_characters;
    for (uint32_t at = 0; at < size && !bad;) {
      uint32_t node = at == 0 ? Trie::kRoot : inner_, end = at;
      int32_t best = kNone;
      for (uint32_t i = at; i < size && node != Trie::kNowhere;) {
        node = trie_.next(node, static_cast<uint8_t>(word[i++]));
        if (node == Trie::kNowhere || trie_.value(node) < 0) continue;
        best = trie_.value(node);
        end = i;
      }
      bad = best == kNone;
      if (!bad) out.push_back({static_cast<uint32_t>(best), at, end});
      at = end;
    }
    if (!bad) return;
    out.resize(first);
    if (unknown_ == kNone) {
      fail(ErrorKind::kInvalidModel, "a word is not in the vocabulary, and neither is the unknown token \"",
           options_.unknown, "\"; add it to the vocabulary");
    }
    out.push_back({static_cast<uint32_t>(unknown_), 0, size});
  }

 private:
  WordPieceOptions options_;
  int32_t unknown_;
  Trie trie_;
  uint32_t inner_ = Trie::kNowhere;
};

class WordLevel final : public VocabModel {
 public:
  WordLevel(Vocab vocab, std::string unknown)
      : VocabModel(std::move(vocab)), unknown_token_(std::move(unknown)), unknown_(vocab_.find(unknown_token_)) {}

  void tokenize(std::string_view word, ModelScratch&, std::vector<Piece>& out) const override {
    int32_t id = vocab_.find(word);
    if (id == kNone) id = unknown_;
    if (id == kNone) {
      fail(ErrorKind::kInvalidModel, "the word \"", word.substr(0, 60),
           "\" is not in the vocabulary, and neither is the unknown token \"", unknown_token_,
           "\"; add it to the vocabulary");
    }
    out.push_back({static_cast<uint32_t>(id), 0, static_cast<uint32_t>(word.size())});
  }

 private:
  std::string unknown_token_;
  int32_t unknown_;
};

}  // namespace

std::unique_ptr<Model> make_wordpiece(Vocab vocab, WordPieceOptions options) {
  return std::make_unique<WordPiece>(std::move(vocab), std::move(options));
}

std::unique_ptr<Model> make_wordlevel(Vocab vocab, std::string unknown) {
  return std::make_unique<WordLevel>(std::move(vocab), std::move(unknown));
}

}  // namespace sdx::text
