// Pre-tokenizers that cut by character classes and patterns.
#include "text/pretokenizer.h"

#include <utility>

#include "text/unicode.h"

namespace sdx::text {

void Work::adopt(std::string new_text, std::vector<Align> new_align) {
  owned_text_ = std::move(new_text);
  owned_align_ = std::move(new_align);
  text = owned_text_;
  align = owned_align_.data();
}

void Work::adopt(std::string new_text) {
  owned_text_ = std::move(new_text);
  text = owned_text_;
  align = nullptr;
}

namespace {

/// Runs `cut(word, emit)` over every split that is not a token; emit takes byte ranges of the word.
template <class Cut>
void cut_splits(Work& work, Cut cut) {
  work.spare.clear();
  for (const Split& split : work.splits) {
    if (split.token >= 0) {
      work.spare.push_back(split);
      continue;
    }
    const auto emit = [&](uint32_t begin, uint32_t end) {
      if (begin < end) work.spare.push_back({split.begin + begin, split.begin + end});
    };
    cut(work.text.substr(split.begin, split.end - split.begin), emit);
  }
  std::swap(work.splits, work.spare);
}

constexpr uint8_t kWordClass = 0, kSpaceClass = 1, kPunctClass = 2;

struct BertTable {
  uint8_t cls[128];
  constexpr BertTable() : cls() {
    for (int c = 0; c < 128; ++c) {
      const bool space = c == ' ' || (c >= 9 && c <= 13);
      const bool punct = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
      cls[c] = space ? kSpaceClass : punct ? kPunctClass : kWordClass;
    }
  }
};
constexpr BertTable kBertTable;

class BertPreTokenizer final : public PreTokenizer {
 public:
  void apply(Work& work) const override {
    const CharTable& table = CharTable::instance();
    cut_splits(work, [&](std::string_view word, auto emit) {
      uint32_t begin = 0, length = 1;
      const auto size = static_cast<uint32_t>(word.size());
      for (uint32_t i = 0; i < size; i += length) {
        const auto lead = static_cast<uint8_t>(word[i]);
        uint8_t cls = kWordClass;
        if (lead < 0x80) {
          length = 1;
          cls = kBertTable.cls[lead];
        } else {
          const uint16_t flags = table[decode_utf8(word.data() + i, length)];
          cls = (flags & kSpace) != 0 ? kSpaceClass : (flags & kPunct) != 0 ? kPunctClass : kWordClass;
        }
        if (cls == kWordClass) continue;
        emit(begin, i);
        if (cls == kPunctClass) emit(i, i + length);
        begin = i + length;
      }
      emit(begin, size);
    });
  }
};

/// Splits around the characters for which `In` holds.
template <class In>
class ClassSplit final : public PreTokenizer {
 public:
  ClassSplit(In in, SplitBehavior behavior) : in_(in), behavior_(behavior) {}

  void apply(Work& work) const override {
    cut_splits(work, [&](std::string_view word, auto emit) {
      std::vector<Span>& spans = work.spans;
      spans.clear();
      uint32_t begin = 0, length = 0;
      const auto size = static_cast<uint32_t>(word.size());
      for (uint32_t i = 0; i < size; i += length) {
        if (!in_(decode_utf8(word.data() + i, length))) continue;
        if (begin < i) spans.push_back({begin, i, false});
        begin = i + length;
        spans.push_back({i, begin, true});
      }
      if (begin < size) spans.push_back({begin, size, false});
      apply_behavior(behavior_, spans);
      for (const Span& s : spans) {
        if (!s.match) emit(s.begin, s.end);
      }
    });
  }

 private:
  In in_;
  SplitBehavior behavior_;
};

template <class In>
PreTokenizerPtr make_class_split(In in, SplitBehavior behavior) {
  return std::make_unique<ClassSplit<In>>(in, behavior);
}

class PatternSplit final : public PreTokenizer {
 public:
  PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Work& work) const override {
    cut_splits(work, [&](std::string_view word, auto emit) {
      std::vector<Span>& spans = work.spans;
      spans.clear();
      pattern_.find(word, spans);
      if (invert_) {
        for (Span& s : spans) s.match = !s.match;
      }
      apply_behavior(behavior_, spans);
      for (const Span& s : spans) {
        if (!s.match) emit(s.begin, s.end);
      }
    });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// `\w+|[^\w\s]+`: words, runs of other characters, and no spaces.
class Whitespace final : public PreTokenizer {
 public:
  void apply(Work& work) const override {
    cut_splits(work, [&](std::string_view word, auto emit) {
      uint32_t begin = 0, length = 0;
      uint16_t open = kSpace;
      const auto size = static_cast<uint32_t>(word.size());
      for (uint32_t i = 0; i < size; i += length) {
        const uint16_t flags = char_classes(decode_utf8(word.data() + i, length));
        const uint16_t cls = (flags & kWord) != 0 ? kWord : (flags & kSpace) != 0 ? kSpace : 0;
        if (cls == open) continue;
        if (open != kSpace) emit(begin, i);
        begin = i;
        open = cls;
      }
      if (open != kSpace) emit(begin, size);
    });
  }
};

class FixedLength final : public PreTokenizer {
 public:
  explicit FixedLength(uint64_t characters) : characters_(characters) {}

  void apply(Work& work) const override {
    cut_splits(work, [&](std::string_view word, auto emit) {
      const auto size = static_cast<uint32_t>(word.size());
      uint32_t begin = 0;
      uint64_t count = 0;
      for (uint32_t i = 0; i < size;) {
        i += utf8_length(static_cast<uint8_t>(word[i]));
        if (++count < characters_ && i < size) continue;
        emit(begin, i);
        begin = i;
        count = 0;
      }
    });
  }

 private:
  uint64_t characters_;
};

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(std::vector<PreTokenizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(Work& work) const override {
    for (const PreTokenizerPtr& step : steps_) step->apply(work);
  }

 private:
  std::vector<PreTokenizerPtr> steps_;
};

}  // namespace

PreTokenizerPtr make_bert_pretokenizer() { return std::make_unique<BertPreTokenizer>(); }
PreTokenizerPtr make_char_delimiter(char32_t delimiter) {
  return make_class_split([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::kRemoved);
}
PreTokenizerPtr make_digits(bool individual) {
  return make_class_split([](char32_t c) { return (char_classes(c) & kNumeric) != 0; },
                          individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}
PreTokenizerPtr make_punctuation(SplitBehavior behavior) {
  return make_class_split([](char32_t c) { return (char_classes(c) & kPunct) != 0; }, behavior);
}
PreTokenizerPtr make_split(Pattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<PatternSplit>(std::move(pattern), behavior, invert);
}
PreTokenizerPtr make_whitespace() { return std::make_unique<Whitespace>(); }
PreTokenizerPtr make_whitespace_split() { return make_class_split(is_space, SplitBehavior::kRemoved); }
PreTokenizerPtr make_fixed_length(uint64_t characters) { return std::make_unique<FixedLength>(characters); }
PreTokenizerPtr make_pretokenizer_sequence(std::vector<PreTokenizerPtr> steps) {
  return std::make_unique<Sequence>(std::move(steps));
}

}  // namespace sdx::text
