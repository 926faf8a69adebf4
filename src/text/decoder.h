// Decoder: turns token strings back into text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/pattern.h"
#include "text/pretokenizer.h"

namespace sdx::text {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Rewrites the strings; their concatenation is the text. Safe to call from several threads.
  virtual void apply(std::vector<std::string>& tokens) const = 0;
};

using DecoderPtr = std::unique_ptr<const Decoder>;

DecoderPtr make_bpe_decoder(std::string suffix);
DecoderPtr make_byte_fallback_decoder();
DecoderPtr make_byte_level_decoder();
DecoderPtr make_ctc_decoder(std::string pad_token, std::string word_delimiter, bool cleanup);
DecoderPtr make_fuse_decoder();
DecoderPtr make_metaspace_decoder(char32_t replacement, PrependScheme scheme);
DecoderPtr make_replace_decoder(Pattern pattern, std::string content);
DecoderPtr make_strip_decoder(char32_t content, uint64_t start, uint64_t stop);
DecoderPtr make_wordpiece_decoder(std::string prefix, bool cleanup);
DecoderPtr make_decoder_sequence(std::vector<DecoderPtr> steps);

/// Removes the spaces that tokenization leaves before punctuation and English contractions.
std::string clean_up_spaces(std::string text);

/// `text` with every occurrence of `from` replaced.
std::string replace_all(const std::string& text, std::string_view from, std::string_view to);

}  // namespace sdx::text
