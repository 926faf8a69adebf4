// Decoder: one class for each kind of the tokenizer format.
#include "text/decoder.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace sdx::text {

std::string replace_all(const std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) {
    std::string out(to);
    for (size_t i = 0; i < text.size();) {
      const uint32_t length = utf8_length(static_cast<uint8_t>(text[i]));
      out.append(text, i, length).append(to);
      i += length;
    }
    return out;
  }
  size_t at = text.find(from);
  if (at == std::string::npos) return text;
  std::string out;
  size_t covered = 0;
  for (; at != std::string::npos; at = text.find(from, covered)) {
    out.append(text, covered, at - covered).append(to);
    covered = at + from.size();
  }
  return out.append(text, covered);
}

std::string clean_up_spaces(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  if (text.find(' ') == std::string::npos) return text;
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

namespace {

constexpr size_t kMaxInserted = size_t{1} << 28;

class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The byte that a token such as "<0x0A>" names, or -1.
int named_byte(const std::string& token) {
  if (token.size() != 6 || token.compare(0, 3, "<0x") != 0 || token[5] != '>') return -1;
  const int low = hex_digit(token[4]), high = token[3] == '+' ? 0 : hex_digit(token[3]);
  return low < 0 || high < 0 ? -1 : high * 16 + low;
}

class ByteFallback final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_valid_utf8(bytes)) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = named_byte(token); byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }
};

class ByteLevel final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes, spelled;
    for (const std::string& token : tokens) bytes += spell_bytes(token, spelled) ? spelled : token;
    tokens.assign(1, is_valid_utf8(bytes) ? bytes : repair_utf8(bytes));
  }
};

class Ctc final : public Decoder {
 public:
  Ctc(std::string pad_token, std::string word_delimiter, bool cleanup)
      : pad_(std::move(pad_token)), delimiter_(std::move(word_delimiter)), cleanup_(cleanup) {}

  void apply(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    std::vector<std::string> out;
    for (const std::string& token : tokens) {
      std::string text = replace_all(token, pad_, "");
      if (cleanup_) text = replace_all(clean_up_spaces(std::move(text)), delimiter_, " ");
      if (!text.empty()) out.push_back(std::move(text));
    }
    tokens = std::move(out);
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

class Fuse final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.assign(1, all);
  }
};

class Metaspace final : public Decoder {
 public:
  Metaspace(char32_t replacement, PrependScheme scheme) : strip_first_(scheme != PrependScheme::kNever) {
    append_utf8(mark_, replacement);
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], mark_, i == 0 && strip_first_ ? "" : " ");
  }

 private:
  std::string mark_;
  bool strip_first_;
};

class Replace final : public Decoder {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<Span> spans;
    size_t total = 0;
    for (std::string& token : tokens) {
      spans.clear();
      pattern_.find(token, spans);
      if (std::none_of(spans.begin(), spans.end(), [](const Span& s) { return s.match; })) continue;
      std::string out;
      for (const Span& s : spans) {
        if (s.match) {
          total += content_.size();
          if (total > kMaxInserted) {
            fail(ErrorKind::kResource, "the decoder's Replace inserts more than ", kMaxInserted,
                 " bytes; decode fewer ids at a time or shorten its content");
          }
          out += content_;
        } else {
          out.append(token, s.begin, s.end - s.begin);
        }
      }
      token = std::move(out);
    }
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Strip final : public Decoder {
 public:
  Strip(char32_t content, uint64_t start, uint64_t stop) : start_(start), stop_(stop) {
    append_utf8(content_, content);
  }

  void apply(std::vector<std::string>& tokens) const override {
    const size_t size = content_.size();
    for (std::string& token : tokens) {
      size_t begin = 0, end = token.size();
      for (uint64_t n = 0; n < start_ && token.compare(begin, size, content_) == 0 && begin < token.size(); ++n)
        begin += size;
      for (uint64_t n = 0; n < stop_ && end >= size && token.compare(end - size, size, content_) == 0; ++n) end -= size;
      token = begin < end ? token.substr(begin, end - begin) : std::string();
    }
  }

 private:
  std::string content_;
  uint64_t start_, stop_;
};

class WordPiece final : public Decoder {
 public:
  WordPiece(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.compare(0, prefix_.size(), prefix_) == 0) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        token.insert(0, 1, ' ');
      }
      if (cleanup_) token = clean_up_spaces(std::move(token));
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class Sequence final : public Decoder {
 public:
  explicit Sequence(std::vector<DecoderPtr> steps) : steps_(std::move(steps)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (const DecoderPtr& step : steps_) step->apply(tokens);
  }

 private:
  std::vector<DecoderPtr> steps_;
};

}  // namespace

DecoderPtr make_bpe_decoder(std::string suffix) { return std::make_unique<BpeDecoder>(std::move(suffix)); }
DecoderPtr make_byte_fallback_decoder() { return std::make_unique<ByteFallback>(); }
DecoderPtr make_byte_level_decoder() { return std::make_unique<ByteLevel>(); }
DecoderPtr make_ctc_decoder(std::string pad_token, std::string word_delimiter, bool cleanup) {
  return std::make_unique<Ctc>(std::move(pad_token), std::move(word_delimiter), cleanup);
}
DecoderPtr make_fuse_decoder() { return std::make_unique<Fuse>(); }
DecoderPtr make_metaspace_decoder(char32_t replacement, PrependScheme scheme) {
  return std::make_unique<Metaspace>(replacement, scheme);
}
DecoderPtr make_replace_decoder(Pattern pattern, std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
DecoderPtr make_strip_decoder(char32_t content, uint64_t start, uint64_t stop) {
  return std::make_unique<Strip>(content, start, stop);
}
DecoderPtr make_wordpiece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPiece>(std::move(prefix), cleanup);
}
DecoderPtr make_decoder_sequence(std::vector<DecoderPtr> steps) { return std::make_unique<Sequence>(std::move(steps)); }

}  // namespace sdx::text
