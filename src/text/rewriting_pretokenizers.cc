// Pre-tokenizers that rewrite the text while they cut it: ByteLevel and Metaspace.
#include <utility>

#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace sdx::text {
namespace {

/// A new work text under construction.
struct Draft {
  std::string text;
  std::vector<Align> align;
  std::vector<Split> splits;

  explicit Draft(const Work& work) {
    text.reserve(work.text.size() + work.text.size() / 2 + 16);
    align.reserve(text.capacity());
  }

  uint32_t size() const { return static_cast<uint32_t>(text.size()); }

  void add(const Work& work, uint32_t begin, uint32_t end) {
    text.append(work.text.substr(begin, end - begin));
    if (work.align != nullptr) {
      align.insert(align.end(), work.align + begin, work.align + end);
    } else {
      append_identity(work.text.substr(begin, end - begin), begin, align);
    }
  }

  void add_at(std::string_view inserted, Align source) {
    text += inserted;
    align.insert(align.end(), inserted.size(), source);
  }

  void finish(Work& work) {
    work.splits = std::move(splits);
    work.adopt(std::move(text), std::move(align));
  }
};

Align align_at(const Work& work, uint32_t i) {
  if (work.align != nullptr) return work.align[i];
  return {i, i + utf8_length(static_cast<uint8_t>(work.text[i]))};
}

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(ByteLevelOptions options) : options_(options) {}

  void apply(Work& work) const override {
    if (options_.add_prefix_space) add_spaces(work);
    if (options_.use_regex) cut(work);
    if (!options_.keep_bytes) spell(work);
  }

 private:
  static bool lacks_space(const Work& work, const Split& split) {
    return split.token < 0 && split.begin < split.end && work.text[split.begin] != ' ';
  }

  static void add_spaces(Work& work) {
    bool any = false;
    for (const Split& split : work.splits) any |= lacks_space(work, split);
    if (!any) return;
    Draft draft(work);
    for (const Split& split : work.splits) {
      const uint32_t begin = draft.size();
      if (lacks_space(work, split)) draft.add_at(" ", align_at(work, split.begin));
      draft.add(work, split.begin, split.end);
      draft.splits.push_back({begin, draft.size(), split.token});
    }
    draft.finish(work);
  }

  static void cut(Work& work) {
    work.spare.clear();
    for (const Split& split : work.splits) {
      if (split.token >= 0) {
        work.spare.push_back(split);
        continue;
      }
      work.spans.clear();
      scan(ScannerKind::kGpt2, work.text.substr(split.begin, split.end - split.begin), work.spans);
      for (const Span& s : work.spans) work.spare.push_back({split.begin + s.begin, split.begin + s.end});
    }
    std::swap(work.splits, work.spare);
  }

  static void spell(Work& work) {
    Draft draft(work);
    for (const Split& split : work.splits) {
      const uint32_t begin = draft.size();
      if (split.token >= 0) {
        draft.add(work, split.begin, split.end);
      } else {
        append_byte_level(work.text.substr(split.begin, split.end - split.begin),
                          work.align != nullptr ? work.align + split.begin : nullptr, split.begin, draft.text,
                          draft.align);
      }
      draft.splits.push_back({begin, draft.size(), split.token});
    }
    draft.finish(work);
  }

  ByteLevelOptions options_;
};

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(char32_t replacement, PrependScheme scheme, bool split) : scheme_(scheme), split_(split) {
    append_utf8(mark_, replacement);
  }

  void apply(Work& work) const override {
    Draft draft(work);
    for (const Split& split : work.splits) {
      const uint32_t begin = draft.size();
      if (split.token >= 0) {
        draft.add(work, split.begin, split.end);
        draft.splits.push_back({begin, draft.size(), split.token});
        continue;
      }
      rewrite(work, split, draft);
      cut(draft, begin);
    }
    draft.finish(work);
  }

 private:
  void rewrite(const Work& work, const Split& split, Draft& draft) const {
    const std::string_view word = work.text.substr(split.begin, split.end - split.begin);
    const Align first = align_at(work, split.begin);
    const bool marked = word[0] == ' ' || word.substr(0, mark_.size()) == mark_;
    const bool wanted = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && first.begin == 0);
    if (wanted && !marked) draft.add_at(mark_, first);
    for (size_t i = 0; i < word.size();) {
      const size_t blank = std::min(word.find(' ', i), word.size());
      draft.add(work, split.begin + static_cast<uint32_t>(i), split.begin + static_cast<uint32_t>(blank));
      if (blank < word.size()) draft.add_at(mark_, align_at(work, split.begin + static_cast<uint32_t>(blank)));
      i = blank + 1;
    }
  }

  /// Cuts the draft's text from `begin` in front of each mark.
  void cut(Draft& draft, uint32_t begin) const {
    const uint32_t end = draft.size();
    while (split_ && begin < end) {
      const size_t next = draft.text.find(mark_, begin + 1);
      if (next == std::string::npos) break;
      draft.splits.push_back({begin, static_cast<uint32_t>(next)});
      begin = static_cast<uint32_t>(next);
    }
    if (begin < end) draft.splits.push_back({begin, end});
  }

  std::string mark_;
  PrependScheme scheme_;
  bool split_;
};

}  // namespace

PreTokenizerPtr make_byte_level(ByteLevelOptions options) { return std::make_unique<ByteLevel>(options); }
PreTokenizerPtr make_metaspace(char32_t replacement, PrependScheme scheme, bool split) {
  return std::make_unique<Metaspace>(replacement, scheme, split);
}

}  // namespace sdx::text
