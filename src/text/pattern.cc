// Pattern: searching and the five behaviours of a split.
#include "text/pattern.h"

#include <algorithm>
#include <utility>

namespace sdx::text {

Pattern Pattern::literal(std::string text) {
  Pattern p;
  p.literal_ = std::move(text);
  return p;
}

Pattern Pattern::regex(std::string_view expression) {
  Pattern p;
  p.scanner_ = scanner_for(expression);
  if (!p.scanner_) p.regex_.emplace(expression);
  return p;
}

void Pattern::find(std::string_view text, std::vector<Span>& spans) const {
  if (scanner_) return scan(*scanner_, text, spans);
  if (regex_) return regex_->find(text, spans);
  const auto size = static_cast<uint32_t>(text.size());
  uint32_t covered = 0;
  for (size_t at = 0; !literal_.empty() && (at = text.find(literal_, covered)) != std::string_view::npos;) {
    const auto begin = static_cast<uint32_t>(at), end = static_cast<uint32_t>(at + literal_.size());
    if (covered < begin) spans.push_back({covered, begin, false});
    spans.push_back({begin, end, true});
    covered = end;
  }
  if (covered < size) spans.push_back({covered, size, false});
}

namespace {

void merge_with_previous(std::vector<Span>& spans) {
  size_t out = 0;
  bool previous = false;
  for (const Span s : spans) {
    if (s.match && !previous && out > 0) {
      spans[out - 1].end = s.end;
    } else {
      spans[out++] = {s.begin, s.end, false};
    }
    previous = s.match;
  }
  spans.resize(out);
}

void merge_with_next(std::vector<Span>& spans) {
  size_t out = spans.size();
  bool previous = false;
  for (size_t i = spans.size(); i-- > 0;) {
    const Span s = spans[i];
    if (s.match && !previous && out < spans.size()) {
      spans[out].begin = s.begin;
    } else {
      spans[--out] = {s.begin, s.end, false};
    }
    previous = s.match;
  }
  spans.erase(spans.begin(), spans.begin() + static_cast<std::ptrdiff_t>(out));
}

void merge_runs(std::vector<Span>& spans) {
  size_t out = 0;
  bool previous = false;
  for (const Span s : spans) {
    if (s.match == previous && out > 0) {
      spans[out - 1].end = s.end;
    } else {
      spans[out++] = {s.begin, s.end, false};
    }
    previous = s.match;
  }
  spans.resize(out);
}

}  // namespace

void apply_behavior(SplitBehavior behavior, std::vector<Span>& spans) {
  switch (behavior) {
    case SplitBehavior::kRemoved: return;
    case SplitBehavior::kIsolated:
      for (Span& s : spans) s.match = false;
      return;
    case SplitBehavior::kMergedWithPrevious: return merge_with_previous(spans);
    case SplitBehavior::kMergedWithNext: return merge_with_next(spans);
    case SplitBehavior::kContiguous: return merge_runs(spans);
  }
}

}  // namespace sdx::text
