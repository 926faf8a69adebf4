// What the generation strategies share.
#include "generate/search.h"

#include <algorithm>

#include "base/error.h"

namespace sdx::generate {
namespace {

std::span<const float> floats(const ConstView& view) { return {view.as<float>(), static_cast<size_t>(view.count())}; }

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The columns [begin, end) of the rows, end to end.
Ids columns(const std::vector<Ids>& rows, size_t begin, size_t end) {
  Ids out;
  for (const Ids& row : rows)
    out.insert(out.end(), row.begin() + static_cast<std::ptrdiff_t>(begin),
               row.begin() + static_cast<std::ptrdiff_t>(end));
  return out;
}

}  // namespace

size_t Search::usual_chunk() const {
  return hooks.prefill_chunk > 0 ? static_cast<size_t>(hooks.prefill_chunk) : prompt_length();
}

std::span<const float> Search::prefill(size_t chunk) {
  const auto started = std::chrono::steady_clock::now();
  decoder.begin(static_cast<int64_t>(prompts.size()));
  const size_t end = prompt_length();
  std::span<const float> out;
  for (size_t at = skip; at < end;) {
    const size_t next = std::min(end, at + chunk);
    const Ids ids = columns(prompts, at, next);
    const Ids mask = masks.empty() ? Ids() : columns(masks, at, next);
    try {
      const ConstView logits =
          decoder.forward({ids, mask}, next == end ? engine::Logits::kLast : engine::Logits::kNone);
      if (next == end) out = floats(logits);
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::kCancelled && interrupted() == Finish::kCancelled) return {};
      explain_length(e, static_cast<int64_t>(next), config);
      throw;
    }
    at = next;
  }
  prefill_seconds += seconds_since(started);
  return out;
}

std::span<const float> Search::step(std::span<const int64_t> ids, engine::Logits logits) {
  try {
    return floats(decoder.forward({ids, {}}, logits));
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::kCancelled && interrupted() == Finish::kCancelled) return {};
    explain_length(e, decoder.length() + static_cast<int64_t>(ids.size()) / decoder.rows(), config);
    throw;
  }
}

void explain_length(const Error& error, int64_t length, const GenerationConfig& config) {
  if (error.kind() != ErrorKind::kInvalidInput || !config.positions || length <= *config.positions) return;
  fail(ErrorKind::kInvalidInput, "a sequence of ", length, " tokens does not fit the model, which has ",
       *config.positions, " positions by config.json; shorten the prompt or lower max_new_tokens");
}

std::span<const float> Search::hidden_states() const { return floats(decoder.hidden_states()); }

bool Search::append(Hypothesis& out, size_t sequence, int64_t token) {
  out.ids.push_back(token);
  ++new_tokens;
  if (hooks.on_token) hooks.on_token(sequence, token);
  if (is_end(token))
    out.finish = Finish::kEnd;
  else if (wants_stop(sequence, out.ids))
    out.finish = Finish::kStopped;
  else
    return static_cast<int64_t>(out.ids.size()) >= max_length;
  return true;
}

void Search::select(std::span<const int32_t> parents) {
  bool same = static_cast<int64_t>(parents.size()) == decoder.rows();
  for (size_t i = 0; same && i < parents.size(); ++i) same = parents[i] == static_cast<int32_t>(i);
  if (!same) decoder.select(parents);
}

size_t Search::usual_length() const {
  constexpr size_t kMost = 8192;
  return std::max(prompt_length(), std::min(static_cast<size_t>(max_length), prompt_length() + kMost)) + 1;
}

Finish Search::interrupted() const {
  if (hooks.cancel && *hooks.cancel) return Finish::kCancelled;
  if (config.max_time && seconds_since(begin) > *config.max_time) return Finish::kTime;
  return Finish::kLength;
}

bool Search::is_end(int64_t token) const {
  return std::ranges::find(config.eos_token_id, token) != config.eos_token_id.end();
}

bool Search::wants_stop(size_t sequence, std::span<const int64_t> ids) const {
  if (hooks.should_stop && hooks.should_stop(sequence, ids)) return true;
  for (const std::string& stop : config.stop_strings) {
    // Every token but the special ones has at least one byte, so that this tail holds any match that ends in the last
    // one.
    const auto tail = ids.last(std::min(ids.size(), stop.size() + 8));
    const std::string all = hooks.text_of(tail), before = hooks.text_of(tail.first(tail.size() - 1));
    const size_t at = all.rfind(stop);
    if (at != std::string::npos && at + stop.size() > std::min(before.size(), all.size() - 1)) return true;
  }
  return false;
}

}  // namespace sdx::generate
