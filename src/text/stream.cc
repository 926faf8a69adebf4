// StreamDecoder: incremental decoding over a short window of ids.
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool ends_unfinished(std::string_view text) {
  return text.size() >= kReplacement.size() && text.substr(text.size() - kReplacement.size()) == kReplacement;
}

}  // namespace

std::string StreamDecoder::push(uint32_t id) {
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_, options_);
  if (text.size() <= context_.size() || text.compare(0, context_.size(), context_) != 0) return {};
  if (!ends_unfinished(text)) {
    std::string fresh = text.substr(context_.size());
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(settled_));
    settled_ = ids_.size();
    context_ = tokenizer_.decode(ids_, options_);
    return fresh;
  }
  // An unfinished character is at most three bytes long: what was broken before that stays broken.
  constexpr size_t kWait = 4;
  if (ids_.size() - settled_ <= kWait) return {};
  size_t end = text.size();
  for (int i = 0; i < 3 && ends_unfinished(std::string_view(text).substr(0, end)); ++i) end -= kReplacement.size();
  if (end <= context_.size()) return {};
  std::string fresh = text.substr(context_.size(), end - context_.size());
  context_ = text.substr(0, end);
  return fresh;
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(ids_, options_);
  std::string rest = text.size() > context_.size() ? text.substr(context_.size()) : std::string();
  ids_.clear();
  settled_ = 0;
  context_.clear();
  return rest;
}

}  // namespace sdx::text
