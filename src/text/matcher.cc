// Matcher: walks a trie from each start; an Aho-Corasick automaton where that could take long.
#include "text/matcher.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

/// Walking the trie takes this many steps a byte at most.
constexpr size_t kLongest = 256;
constexpr uint64_t kStepsPerByte = 1000, kFreeSteps = 10'000'000;

}  // namespace

Matcher::Matcher(const std::vector<std::string>& patterns) : count_(static_cast<uint32_t>(patterns.size())) {
  std::vector<Trie::Key> keys;
  size_t longest = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const std::string& text = patterns[i];
    longest = std::max(longest, text.size());
    if (text.empty()) {
      if (empty_pattern_ < 0) empty_pattern_ = static_cast<int32_t>(i);
      continue;
    }
    keys.emplace_back(text, static_cast<int32_t>(count_ - 1 - i));  // of equal keys the greatest value counts
    starts_[static_cast<uint8_t>(text[0])] = true;
  }
  trie_ = Trie(keys);
  if (empty_pattern_ >= 0 || longest > kLongest) link(patterns);
}

/// Where the automaton goes from a node whose walk ended, or kNowhere.
uint32_t Matcher::follow(uint32_t node, uint8_t byte) const {
  while (node != Trie::kNowhere) {
    const uint32_t next = trie_.next(node, byte);
    if (next != Trie::kNowhere || node == Trie::kRoot) return next == Trie::kNowhere ? Trie::kRoot : next;
    node = fail_[node];
  }
  return Trie::kNowhere;
}

/// Sets fail_ and reported_, one depth after the other. Behind a match nothing falls back.
void Matcher::link(const std::vector<std::string>& patterns) {
  struct Path {
    const std::string* pattern;
    uint32_t node;
  };
  std::vector<Path> paths;
  for (const std::string& pattern : patterns) {
    lengths_.push_back(static_cast<uint32_t>(pattern.size()));
    if (!pattern.empty()) paths.push_back({&pattern, Trie::kRoot});
  }
  fail_.assign(trie_.size(), Trie::kRoot);
  reported_.assign(trie_.size(), -1);
  reported_[Trie::kRoot] = empty_pattern_;
  std::vector<bool> done(trie_.size());
  for (size_t depth = 0; !paths.empty(); ++depth) {
    for (Path& path : paths) {
      const auto byte = static_cast<uint8_t>((*path.pattern)[depth]);
      const uint32_t parent = path.node, node = trie_.next(parent, byte);
      path.node = node;
      if (done[node]) continue;
      done[node] = true;
      if (trie_.value(node) >= 0) {
        fail_[node] = Trie::kNowhere;
        reported_[node] = static_cast<int32_t>(count_) - 1 - trie_.value(node);
      } else if (depth > 0) {
        fail_[node] = follow(fail_[parent], byte);
        if (fail_[node] != Trie::kNowhere) reported_[node] = reported_[fail_[node]];
      }
    }
    std::erase_if(paths, [&](const Path& path) { return path.pattern->size() == depth + 1; });
  }
}

/// One run of the automaton from search.at on.
bool Matcher::run(std::string_view text, Search& search, Match& match) const {
  const auto size = static_cast<uint32_t>(text.size());
  bool found = false;
  uint32_t node = Trie::kRoot;
  const auto report = [&](uint32_t end) {
    const int32_t pattern = reported_[node];
    if (pattern < 0) return;
    const uint32_t length = lengths_[static_cast<size_t>(pattern)];
    if (length == 0 && end < size && is_continuation(text[end])) return;
    match = {end - length, end, static_cast<uint32_t>(pattern)};
    found = true;
  };
  report(search.at);
  for (uint32_t at = search.at; at < size; ++at) {
    if (++search.steps > kStepsPerByte * size + kFreeSteps) {
      fail(ErrorKind::kResource, "looking for added tokens takes more than ", search.steps - 1, " steps in a text of ",
           size, " bytes; remove the added token that the normalizer empties");
    }
    node = follow(node, static_cast<uint8_t>(text[at]));
    if (node == Trie::kNowhere || (node == Trie::kRoot && empty_pattern_ >= 0)) break;
    if (node != Trie::kRoot) report(at + 1);
  }
  return found;
}

uint32_t Matcher::longest(std::string_view text, uint32_t at, uint32_t& pattern) const {
  uint32_t node = Trie::kRoot, end = at;
  for (uint32_t i = at; i < text.size();) {
    node = trie_.next(node, static_cast<uint8_t>(text[i++]));
    if (node == Trie::kNowhere) break;
    if (trie_.value(node) < 0) continue;
    end = i;
    pattern = count_ - 1 - static_cast<uint32_t>(trie_.value(node));
  }
  return end;
}

bool Matcher::next(std::string_view text, Search& search, Match& match) const {
  const auto size = static_cast<uint32_t>(text.size());
  for (; search.at < size; ++search.at) {
    if (!fail_.empty()) break;
    if (!starts_[static_cast<uint8_t>(text[search.at])]) continue;
    match = {search.at, 0, 0};
    match.end = longest(text, search.at, match.pattern);
    if (match.end == search.at) continue;
    search.at = match.end;
    return true;
  }
  for (; !fail_.empty() && search.at <= size; ++search.at) {
    if (!run(text, search, match)) {
      if (empty_pattern_ < 0) break;
      continue;
    }
    if (match.begin == match.end && match.end == search.last_end) continue;
    search.at = search.last_end = match.end;
    return true;
  }
  search.at = size + 1;
  return false;
}

}  // namespace sdx::text
