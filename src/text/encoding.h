// Encoding: the tokens of a text, and cutting, joining and padding them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/buffer.h"

namespace sdx::text {

enum class Direction : uint8_t { kLeft, kRight };

/// A token whose string differs from the vocabulary's string for its id.
struct Surface {
  uint32_t index;
  std::string token;
};

struct Encoding {
  std::vector<uint32_t> ids;
  std::vector<uint32_t> type_ids;
  std::vector<uint8_t> attention_mask;
  std::vector<uint8_t> special_tokens_mask;
  std::vector<Align> offsets;         ///< ranges of the original text, in characters or bytes
  std::vector<int32_t> word_ids;      ///< index of the word, or -1
  std::vector<int8_t> sequence_ids;   ///< 0 or 1 for the tokens of the first or second text, -1 for others
  std::vector<Surface> surfaces;      ///< by ascending index
  std::vector<Encoding> overflowing;  ///< what truncation cut off, in windows

  size_t size() const { return ids.size(); }

  /// Sets type id and sequence id of every token, not of the overflow.
  void set_type_ids(uint32_t type_id);
  void set_sequence_id(int8_t sequence);
  /// Appends a token that stands for no text.
  void add_special(uint32_t id, uint32_t type_id, std::string token, bool surface);

  /// Keeps the first (or last) `max_length` tokens; the rest becomes overflowing windows that share `stride` tokens
  /// with their neighbours. Throws InvalidInput where stride is not below max_length.
  void truncate(size_t max_length, size_t stride, Direction direction);
  /// Appends another encoding, combining the overflow of both. Throws Resource where that explodes.
  void append(const Encoding& other);
  void pad(size_t length, uint32_t id, uint32_t type_id, const std::string& token, Direction direction);

 private:
  Encoding slice(size_t begin, size_t end) const;
  void append_tokens(const Encoding& other);
};

enum class TruncationStrategy : uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };

struct Truncation {
  uint64_t max_length = 512;
  uint64_t stride = 0;
  TruncationStrategy strategy = TruncationStrategy::kLongestFirst;
  Direction direction = Direction::kRight;
};

struct Padding {
  std::optional<uint64_t> length;  ///< fixed length, or none for the longest of the batch
  Direction direction = Direction::kRight;
  uint64_t multiple_of = 0;  ///< 0 for none
  uint32_t id = 0;
  uint32_t type_id = 0;
  std::string token = "[PAD]";
};

/// Truncates a text, or a pair, to `max_length` tokens together.
void truncate(Encoding& first, Encoding* second, const Truncation& truncation);

/// Pads encodings to the length that `padding` asks for. Throws Resource for absurd lengths.
void pad(std::vector<Encoding>& encodings, const Padding& padding);

}  // namespace sdx::text
