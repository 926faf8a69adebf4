// Model: turns one word into pieces of the vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pages.h"
#include "text/cache.h"
#include "text/vocab.h"

namespace sdx::text {

/// A token of a word: its id and its bytes in the word. `surface` says that the token's string is those bytes rather
/// than the vocabulary's string for the id.
struct Piece {
  uint32_t id;
  uint32_t begin, end;
  bool surface = false;
};

/// Memory that one thread reuses between words.
struct ModelScratch {
  WordCache cache;
  std::vector<uint64_t> words;
  std::vector<uint64_t> heap;
  std::string text;
  struct Symbol {
    uint32_t id;
    int32_t previous, next;
    uint32_t length;
  };
  std::vector<Symbol> symbols;
  struct Best {
    double score;
    uint32_t id;
    int32_t begin;
  };
  std::vector<Best> best;
};

class Model {
 public:
  virtual ~Model() = default;
  /// Appends the pieces of `word`, which is not empty.
  virtual void tokenize(std::string_view word, ModelScratch& scratch, std::vector<Piece>& out) const = 0;
  /// Id of a token or kNone.
  virtual int32_t find(std::string_view token) const = 0;
  /// Token of an id, or nothing.
  virtual std::optional<std::string_view> token(uint32_t id) const = 0;
  /// Number of different tokens.
  virtual size_t size() const = 0;
  /// One more than the greatest id.
  virtual size_t id_limit() const = 0;
  /// Whether words must come as plain bytes instead of in the byte-level alphabet.
  virtual bool takes_raw_bytes() const { return false; }
};

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string prefix = "##";
  uint64_t max_characters = 100;
};

std::unique_ptr<Model> make_wordpiece(Vocab vocab, WordPieceOptions options);

std::unique_ptr<Model> make_wordlevel(Vocab vocab, std::string unknown);

struct BpeOptions {
  std::optional<double> dropout;
  std::optional<std::string> unknown;
  std::string prefix;
  std::string suffix;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

/// Merges in order of rank, as pairs of token strings that live until make_bpe returns.
using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

/// `raw_bytes`: words may come as their plain bytes, which stand for the characters of the byte-level alphabet. The
/// model then takes_raw_bytes(), unless it lacks a byte and an unknown token, in which case lengths would differ.
std::unique_ptr<Model> make_bpe(Vocab vocab, const Merges& merges, BpeOptions options, bool raw_bytes);

struct UnigramOptions {
  std::optional<uint32_t> unknown;
  bool byte_fallback = false;
};

/// Pieces with their scores; the id of a piece is its index. `storage` holds the bytes of the pieces.
struct UnigramPieces {
  template <class T>
  using Array = std::vector<T, PageAllocator<T>>;
  struct Range {
    uint32_t begin, length;
  };

  Array<char> storage;
  Array<Range> ranges;  ///< in `storage`
  Array<double> scores;

  void add(std::string_view piece, double score);
  std::string_view piece(size_t i) const { return {storage.data() + ranges[i].begin, ranges[i].length}; }
};

std::unique_ptr<Model> make_unigram(UnigramPieces pieces, UnigramOptions options);

}  // namespace sdx::text
