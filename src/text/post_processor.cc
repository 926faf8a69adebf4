// PostProcessor: BERT's, RoBERTa's, byte-level and template processing.
#include "text/post_processor.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxRepeated = size_t{1} << 24;

bool is_padding_space(char32_t c) { return c == 0x120 || is_space(c); }

void trim(Encoding& e, bool add_prefix_space, const TokenStrings& strings) {
  auto surface = e.surfaces.begin();
  for (size_t i = 0; i < e.size(); ++i) {
    SpaceCounts spaces;
    if (surface != e.surfaces.end() && surface->index == i) {
      spaces = count_spaces((surface++)->token);
    } else {
      spaces = strings.spaces(e.ids[i]);
    }
    Align& o = e.offsets[i];
    if (spaces.leading > 0) {
      // A single space in front was added by the pre-tokenizer; more than one were in the text.
      const bool added = add_prefix_space && (i == 0 || o.begin == 0) && spaces.leading == 1;
      if (!added) o.begin = std::min(o.begin + spaces.leading, o.end);
    }
    if (spaces.trailing > 0 && o.end >= spaces.trailing) o.end = std::max(o.end - spaces.trailing, o.begin);
  }
}

void trim_all(std::vector<Encoding>& parts, bool add_prefix_space, const TokenStrings& strings) {
  for (Encoding& part : parts) {
    trim(part, add_prefix_space, strings);
    for (Encoding& window : part.overflowing) trim(window, add_prefix_space, strings);
  }
}

void add(Encoding& e, const SpecialToken& token, uint32_t type_id, const TokenStrings& strings) {
  e.add_special(token.id, type_id, token.token, !strings.is(token.id, token.token));
}

/// `before` and `after` (null for none) around an encoding, without its overflow.
Encoding surround(const Encoding& e, const SpecialToken* before, const SpecialToken* after, uint32_t type_id,
                  const TokenStrings& strings) {
  Encoding out;
  if (before != nullptr) add(out, *before, type_id, strings);
  Encoding middle = e;
  middle.overflowing.clear();
  std::fill(middle.special_tokens_mask.begin(), middle.special_tokens_mask.end(), uint8_t{0});
  out.append(middle);
  if (after != nullptr) add(out, *after, type_id, strings);
  return out;
}

class BertProcessing final : public PostProcessor {
 public:
  BertProcessing(SpecialToken separator, SpecialToken classifier)
      : separator_(std::move(separator)), classifier_(std::move(classifier)) {}

  size_t added(bool pair) const override { return pair ? 3 : 2; }

  void apply(std::vector<Encoding>& parts, bool add_special, const TokenStrings& strings) const override {
    if (!add_special) return;
    for (size_t i = 0; i < parts.size(); ++i) {
      const SpecialToken* before = i == 0 ? &classifier_ : nullptr;
      const uint32_t type_id = i == 0 ? 0 : 1;
      std::vector<Encoding> windows = std::move(parts[i].overflowing);
      parts[i] = surround(parts[i], before, &separator_, type_id, strings);
      for (Encoding& window : windows) window = surround(window, before, &separator_, type_id, strings);
      parts[i].overflowing = std::move(windows);
    }
  }

 private:
  SpecialToken separator_, classifier_;
};

class ByteLevelProcessing final : public PostProcessor {
 public:
  ByteLevelProcessing(bool trim_offsets, bool add_prefix_space) : trim_(trim_offsets), prefix_(add_prefix_space) {}

  size_t added(bool) const override { return 0; }
  bool counts_spaces() const override { return trim_; }

  void apply(std::vector<Encoding>& parts, bool, const TokenStrings& strings) const override {
    if (trim_) trim_all(parts, prefix_, strings);
    for (size_t i = 0; i < parts.size(); ++i) parts[i].set_sequence_id(static_cast<int8_t>(i));
  }

 private:
  bool trim_, prefix_;
};

class RobertaProcessing final : public PostProcessor {
 public:
  RobertaProcessing(SpecialToken separator, SpecialToken classifier, bool trim_offsets, bool add_prefix_space)
      : separator_(std::move(separator)),
        classifier_(std::move(classifier)),
        trim_(trim_offsets),
        prefix_(add_prefix_space) {}

  size_t added(bool pair) const override { return pair ? 4 : 2; }
  bool counts_spaces() const override { return trim_; }

  void apply(std::vector<Encoding>& parts, bool add_special, const TokenStrings& strings) const override {
    if (trim_) trim_all(parts, prefix_, strings);
    for (Encoding& part : parts) part.set_type_ids(0);
    if (!add_special) return;
    for (size_t i = 0; i < parts.size(); ++i) {
      const SpecialToken* before = i == 0 ? &classifier_ : &separator_;
      std::vector<Encoding> windows = std::move(parts[i].overflowing);
      parts[i] = surround(parts[i], before, &separator_, 0, strings);
      for (Encoding& window : windows) {
        window = surround(window, before, &separator_, 0, strings);
        window.set_type_ids(0);
      }
      parts[i].overflowing = std::move(windows);
    }
  }

 private:
  SpecialToken separator_, classifier_;
  bool trim_, prefix_;
};

class TemplateProcessing final : public PostProcessor {
 public:
  TemplateProcessing(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {
    for (const TemplatePiece& piece : single_) {
      if (piece.sequence > 0) {
        fail(ErrorKind::kInvalidModel, "the template for a single text names the second text; use only $A there");
      }
    }
  }

  size_t added(bool pair) const override {
    size_t count = 0;
    for (const TemplatePiece& piece : pair ? pair_ : single_) count += piece.tokens.size();
    return count;
  }

  void apply(std::vector<Encoding>& parts, bool add_special, const TokenStrings& strings) const override {
    std::vector<Encoding> out;
    const std::vector<TemplatePiece>& pieces = parts.size() > 1 ? pair_ : single_;
    check_growth(pieces, parts);
    for (const TemplatePiece& piece : pieces) {
      if (piece.sequence >= 0) {
        Encoding& part = parts[static_cast<size_t>(piece.sequence)];
        part.set_type_ids(piece.type_id);
        part.set_sequence_id(static_cast<int8_t>(piece.sequence));
        out.push_back(part);
      } else if (add_special) {
        out.emplace_back();
        for (const SpecialToken& token : piece.tokens) add(out.back(), token, piece.type_id, strings);
      }
    }
    parts = std::move(out);
  }

 private:
  /// Throws Resource where a template repeats long texts.
  static void check_growth(const std::vector<TemplatePiece>& pieces, const std::vector<Encoding>& parts) {
    size_t before = 0, after = 0;
    for (const Encoding& part : parts) before += tokens_of(part);
    for (const TemplatePiece& piece : pieces) {
      if (piece.sequence >= 0) after += tokens_of(parts[static_cast<size_t>(piece.sequence)]);
    }
    if (after <= std::max(before, kMaxRepeated)) return;
    fail(ErrorKind::kResource, "the template makes ", after, " tokens out of ", before, " but at most ", kMaxRepeated,
         " are accepted where it repeats a text; name each text once");
  }

  static size_t tokens_of(const Encoding& part) {
    size_t count = part.size();
    for (const Encoding& window : part.overflowing) count += window.size();
    return count;
  }

  std::vector<TemplatePiece> single_, pair_;
};

class Sequence final : public PostProcessor {
 public:
  explicit Sequence(std::vector<PostProcessorPtr> steps) : steps_(std::move(steps)) {}

  size_t added(bool pair) const override {
    size_t count = 0;
    for (const PostProcessorPtr& step : steps_) count += step->added(pair);
    return count;
  }

  bool counts_spaces() const override {
    return std::any_of(steps_.begin(), steps_.end(),
                       [](const PostProcessorPtr& step) { return step->counts_spaces(); });
  }

  void apply(std::vector<Encoding>& parts, bool add_special, const TokenStrings& strings) const override {
    for (const PostProcessorPtr& step : steps_) step->apply(parts, add_special, strings);
  }

 private:
  std::vector<PostProcessorPtr> steps_;
};

}  // namespace

SpaceCounts count_spaces(std::string_view token) {
  SpaceCounts counts{0, 0};
  uint32_t length = 0;
  for (size_t i = 0; i < token.size() && is_padding_space(decode_utf8(token.data() + i, length)); i += length) {
    ++counts.leading;
  }
  for (size_t end = token.size(); end > 0 && is_padding_space(decode_last_utf8(token.substr(0, end), length));) {
    ++counts.trailing;
    end -= length;
  }
  return counts;
}

PostProcessorPtr make_bert_processing(SpecialToken separator, SpecialToken classifier) {
  return std::make_unique<BertProcessing>(std::move(separator), std::move(classifier));
}
PostProcessorPtr make_byte_level_processing(bool trim_offsets, bool add_prefix_space) {
  return std::make_unique<ByteLevelProcessing>(trim_offsets, add_prefix_space);
}
PostProcessorPtr make_roberta_processing(SpecialToken separator, SpecialToken classifier, bool trim_offsets,
                                         bool add_prefix_space) {
  return std::make_unique<RobertaProcessing>(std::move(separator), std::move(classifier), trim_offsets,
                                             add_prefix_space);
}
PostProcessorPtr make_template_processing(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair) {
  return std::make_unique<TemplateProcessing>(std::move(single), std::move(pair));
}
PostProcessorPtr make_processor_sequence(std::vector<PostProcessorPtr> steps) {
  return std::make_unique<Sequence>(std::move(steps));
}

}  // namespace sdx::text
