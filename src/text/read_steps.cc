// tokenizer.json: normalizers, pre-tokenizers and decoders.
#include <utility>

#include "text/base64.h"
#include "text/loaders.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxListed = 1000;

void check_depth(int depth) {
  if (depth > kMaxSteps) {
    fail(ErrorKind::kResource, "sequences nest more than ", kMaxSteps, " deep; flatten them");
  }
}

[[noreturn]] void unknown_type(std::string_view family, std::string_view type) {
  fail(ErrorKind::kUnsupportedModel, "the ", family, " type \"", type.substr(0, 60), "\" is not known");
}

/// Reads the steps of a Sequence.
template <class Step, class Read>
std::vector<Step> read_steps(const JsonValue& value, std::string_view key, Read read) {
  std::vector<Step> steps;
  const auto list = member(value, key);
  if (!list) fail(ErrorKind::kInvalidModel, "the member \"", key, "\" of a Sequence is missing; add it");
  const JsonArray array = as_array(*list, key);
  if (array.size() > kMaxListed) {
    fail(ErrorKind::kResource, "\"", key, "\" has ", array.size(), " steps but at most ", kMaxListed,
         " are accepted; use fewer");
  }
  for (const JsonValue step : array) steps.push_back(read(step));
  return steps;
}

Pattern read_pattern(const JsonValue& value) {
  const auto pattern = member(value, "pattern");
  if (!pattern) fail(ErrorKind::kInvalidModel, "the member \"pattern\" is missing; add it");
  if (pattern->is_string()) return Pattern::literal(std::string(as_string(*pattern, "pattern")));
  if (const auto text = member(*pattern, "String")) return Pattern::literal(std::string(as_string(*text, "String")));
  return Pattern::regex(string_member(*pattern, "Regex"));
}

SplitBehavior read_behavior(std::string_view name) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail(ErrorKind::kInvalidModel, "the split behavior \"", name.substr(0, 60), "\" is not known");
}

struct MetaspaceOptions {
  char32_t replacement;
  PrependScheme scheme = PrependScheme::kAlways;
  bool split;
};

MetaspaceOptions read_metaspace(const JsonValue& value) {
  MetaspaceOptions options{char_member(value, "replacement", 0x2581), PrependScheme::kAlways,
                           bool_or(value, "split", true)};
  const std::string scheme = string_or(value, "prepend_scheme", "always");
  if (scheme == "first") {
    options.scheme = PrependScheme::kFirst;
  } else if (scheme == "never") {
    options.scheme = PrependScheme::kNever;
  } else if (scheme != "always") {
    fail(ErrorKind::kInvalidModel, "the prepend_scheme \"", scheme.substr(0, 60), "\" is not always, first or never");
  }
  if (!bool_or(value, "add_prefix_space", true)) options.scheme = PrependScheme::kNever;
  return options;
}

NormalizerPtr read_bert_normalizer(const JsonValue& value) {
  BertNormalizerOptions options;
  options.clean_text = bool_or(value, "clean_text", true);
  options.chinese = bool_or(value, "handle_chinese_chars", true);
  options.lowercase = bool_or(value, "lowercase", true);
  options.strip_accents = bool_or(value, "strip_accents", options.lowercase);
  return make_bert_normalizer(options);
}

}  // namespace

NormalizerPtr read_normalizer(const JsonValue& value, int depth) {
  check_depth(depth);
  const std::string_view type = string_member(value, "type");
  if (type == "BertNormalizer") return read_bert_normalizer(value);
  if (type == "Strip" || type == "StripNormalizer") {
    return make_strip(bool_or(value, "strip_left", true), bool_or(value, "strip_right", true));
  }
  if (type == "StripAccents") return make_strip_accents();
  if (type == "NFC") return make_unicode_normalizer(UnicodeForm::kNfc);
  if (type == "NFD") return make_unicode_normalizer(UnicodeForm::kNfd);
  if (type == "NFKC") return make_unicode_normalizer(UnicodeForm::kNfkc);
  if (type == "NFKD") return make_unicode_normalizer(UnicodeForm::kNfkd);
  if (type == "Lowercase") return make_lowercase();
  if (type == "Nmt") return make_nmt();
  if (type == "Precompiled") {
    const std::string_view encoded = string_or(value, "precompiled_charsmap", "").empty()
                                         ? std::string_view()
                                         : string_member(value, "precompiled_charsmap");
    if (encoded.empty()) return make_normalizer_sequence({});
    return make_precompiled(decode_base64(encoded, "precompiled_charsmap"));
  }
  if (type == "Replace") return make_replace(read_pattern(value), std::string(string_member(value, "content")));
  if (type == "Prepend") return make_prepend(std::string(string_member(value, "prepend")));
  if (type == "Append") return make_append(std::string(string_member(value, "append")));
  if (type == "ByteLevel") return make_byte_level_normalizer();
  if (type == "Sequence") {
    return make_normalizer_sequence(read_steps<NormalizerPtr>(
        value, "normalizers", [&](const JsonValue& step) { return read_normalizer(step, depth + 1); }));
  }
  unknown_type("normalizer", type);
}

bool ends_in_byte_level(const JsonValue& value) {
  JsonValue at = value;
  for (int depth = 0; depth <= kMaxSteps; ++depth) {
    const std::string type = string_or(at, "type", "");
    if (type == "ByteLevel") return true;
    const auto list = type == "Sequence" ? member(at, "pretokenizers") : std::nullopt;
    if (!list || as_array(*list, "pretokenizers").size() == 0) return false;
    const JsonArray steps = as_array(*list, "pretokenizers");
    at = steps.at(steps.size() - 1).value();
  }
  return false;
}

PreTokenizerPtr read_pretokenizer(const JsonValue& value, bool bytes_last, int depth) {
  check_depth(depth);
  const std::string_view type = string_member(value, "type");
  if (type == "BertPreTokenizer") return make_bert_pretokenizer();
  if (type == "ByteLevel") {
    return make_byte_level({bool_or(value, "add_prefix_space", true), bool_or(value, "use_regex", true), bytes_last});
  }
  if (type == "CharDelimiterSplit") return make_char_delimiter(char_member(value, "delimiter", ' '));
  if (type == "Digits") return make_digits(bool_or(value, "individual_digits", false));
  if (type == "Metaspace") {
    const MetaspaceOptions o = read_metaspace(value);
    return make_metaspace(o.replacement, o.scheme, o.split);
  }
  if (type == "Punctuation") return make_punctuation(read_behavior(string_or(value, "behavior", "Isolated")));
  if (type == "Split") {
    return make_split(read_pattern(value), read_behavior(string_member(value, "behavior")),
                      bool_or(value, "invert", false));
  }
  if (type == "UnicodeScripts") return make_unicode_scripts();
  if (type == "Whitespace") return make_whitespace();
  if (type == "WhitespaceSplit") return make_whitespace_split();
  if (type == "FixedLength") {
    const uint64_t length = uint_or(value, "length", 5);
    if (length == 0) fail(ErrorKind::kInvalidModel, "the length of FixedLength is 0 but must be positive; correct it");
    return make_fixed_length(length);
  }
  if (type == "Sequence") {
    const auto list = member(value, "pretokenizers");
    size_t left = list ? as_array(*list, "pretokenizers").size() : 0;
    return make_pretokenizer_sequence(read_steps<PreTokenizerPtr>(value, "pretokenizers", [&](const JsonValue& step) {
      return read_pretokenizer(step, bytes_last && --left == 0, depth + 1);
    }));
  }
  unknown_type("pre-tokenizer", type);
}

DecoderPtr read_decoder(const JsonValue& value, int depth) {
  check_depth(depth);
  const std::string_view type = string_member(value, "type");
  if (type == "BPEDecoder") return make_bpe_decoder(string_or(value, "suffix", "</w>"));
  if (type == "ByteFallback") return make_byte_fallback_decoder();
  if (type == "ByteLevel") return make_byte_level_decoder();
  if (type == "CTC") {
    return make_ctc_decoder(string_or(value, "pad_token", "<pad>"), string_or(value, "word_delimiter_token", "|"),
                            bool_or(value, "cleanup", true));
  }
  if (type == "Fuse") return make_fuse_decoder();
  if (type == "Metaspace") {
    const MetaspaceOptions o = read_metaspace(value);
    return make_metaspace_decoder(o.replacement, o.scheme);
  }
  if (type == "Replace") {
    // The reference makes an expression of a literal, and the empty one is found around every character.
    const auto pattern = member(value, "pattern");
    const auto literal = pattern ? member(*pattern, "String") : std::nullopt;
    const bool empty = literal && as_string(*literal, "String").empty();
    return make_replace_decoder(empty ? Pattern::regex("") : read_pattern(value),
                                std::string(string_member(value, "content")));
  }
  if (type == "Strip") {
    return make_strip_decoder(char_member(value, "content", ' '), uint_or(value, "start", 0),
                              uint_or(value, "stop", 0));
  }
  if (type == "WordPiece")
    return make_wordpiece_decoder(string_or(value, "prefix", "##"), bool_or(value, "cleanup", true));
  if (type == "Sequence") {
    return make_decoder_sequence(read_steps<DecoderPtr>(
        value, "decoders", [&](const JsonValue& step) { return read_decoder(step, depth + 1); }));
  }
  unknown_type("decoder", type);
}

}  // namespace sdx::text
