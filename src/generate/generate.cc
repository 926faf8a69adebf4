// generate: from prompts to the rows of a search, and from hypotheses to padded sequences.
#include "generate/generate.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "generate/search.h"

namespace sdx::generate {
namespace {

using Clock = std::chrono::steady_clock;

void require_rectangle(const std::vector<Ids>& rows, const char* what) {
  if (rows.empty() || rows[0].empty()) fail(ErrorKind::kInvalidInput, what, " are empty; give at least one token");
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != rows[0].size())
      fail(ErrorKind::kInvalidInput, what, ": row ", i, " has ", rows[i].size(), " tokens but row 0 has ",
           rows[0].size(), "; pad them and give a mask");
  }
}

/// The mask that the prompts come with, or the one that pad tokens imply; empty where there is no padding.
std::vector<Ids> mask_of(const Prompts& prompts, const GenerationConfig& config) {
  std::vector<Ids> out = prompts.mask;
  if (out.empty() && config.pad_token_id &&
      std::ranges::find(config.eos_token_id, *config.pad_token_id) == config.eos_token_id.end()) {
    out = prompts.ids;
    for (Ids& row : out) {
      for (int64_t& id : row) id = id != *config.pad_token_id;
    }
  }
  const bool padded = std::ranges::any_of(out, [](const Ids& row) { return std::ranges::find(row, 0) != row.end(); });
  if (out.empty()) return out;
  if (out.size() != prompts.ids.size())
    fail(ErrorKind::kInvalidInput, "the mask has ", out.size(), " rows but the prompts have ", prompts.ids.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].size() != prompts.ids[i].size())
      fail(ErrorKind::kInvalidInput, "row ", i, " of the mask has ", out[i].size(), " elements but the prompt has ",
           prompts.ids[i].size(), " tokens");
    for (int64_t m : out[i]) {
      if (m != 0 && m != 1)
        fail(ErrorKind::kInvalidInput, "row ", i, " of the mask holds ", m, "; only 0 and 1 are allowed");
    }
  }
  return padded ? out : std::vector<Ids>{};
}

Tensor matrix(const std::vector<Ids>& rows) {
  Ids flat;
  for (const Ids& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return Tensor::from<int64_t>({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}, flat);
}

/// `limit`: the first id that is none; 0: not known.
void require_tokens(const std::vector<Ids>& rows, int64_t limit, const char* what) {
  for (size_t i = 0; i < rows.size(); ++i) {
    for (int64_t id : rows[i]) {
      if (id < 0) fail(ErrorKind::kInvalidInput, what, ": row ", i, " has the id ", id, "; ids are 0 or more");
      if (limit > 0 && id >= limit)
        fail(ErrorKind::kInvalidInput, what, ": row ", i, " has the id ", id, " but the vocabulary has ", limit,
             " tokens; use the tokenizer of this model");
    }
  }
}

bool encoder_reads_ids(const engine::Decoder& decoder) { return decoder.encoder_input().fact.dtype == DType::kI64; }

void run_encoder(engine::Decoder& decoder, const Tensor& input, const Tensor& mask, const GenerationConfig& config) {
  try {
    decoder.encode(input, mask);
  } catch (Error& e) {
    if (input.dtype() == DType::kI64) explain_length(e, input.extents()[1], config);
    e.within(cat("the encoder's input ", input.extents().text()));
    throw;
  }
}

/// Runs the encoder; returns the size of the batch.
size_t encode(engine::Decoder& decoder, const Prompts& prompts, const GenerationConfig& config) {
  if (encoder_reads_ids(decoder)) {
    if (!prompts.features.extents().empty())
      fail(ErrorKind::kInvalidInput, "features are given but the encoder reads ids as '", decoder.encoder_input().name,
           "'; give ids");
    require_rectangle(prompts.ids, "the encoder's ids");
    require_tokens(prompts.ids, 0, "the encoder's ids");
    const auto mask = mask_of(prompts, config);
    run_encoder(decoder, matrix(prompts.ids), mask.empty() ? Tensor() : matrix(mask), config);
    return prompts.ids.size();
  }
  if (prompts.features.dtype() == DType::kUndefined || prompts.features.extents().rank() < 1 ||
      prompts.features.extents()[0] < 1)
    fail(ErrorKind::kInvalidInput, "the encoder reads features as '", decoder.encoder_input().name,
         "' but none are given");
  run_encoder(decoder, prompts.features, {}, config);
  return static_cast<size_t>(prompts.features.extents()[0]);
}

/// What the decoder of an encoder-decoder model begins with; `given`: tokens that the caller wants there.
std::vector<Ids> decoder_prompts(const GenerationConfig& config, std::vector<Ids> given, size_t batch) {
  const auto& starts = config.decoder_start_token_id;
  if (starts.size() > 1 && starts.size() != batch)
    fail(ErrorKind::kInvalidInput, "decoder_start_token_id has ", starts.size(), " tokens but the batch has ", batch,
         " rows");
  const auto start = [&](size_t row) {
    if (!starts.empty()) return starts[starts.size() > 1 ? row : 0];
    if (config.bos_token_id) return *config.bos_token_id;
    fail(ErrorKind::kInvalidInput,
         "neither decoder_start_token_id nor bos_token_id is set; the decoder has nothing to begin with");
  };
  std::vector<Ids> out = std::move(given);
  if (out.empty()) out.resize(batch);
  if (out.size() != batch)
    fail(ErrorKind::kInvalidInput, "the decoder's ids have ", out.size(), " rows but the batch has ", batch);
  for (size_t i = 1; i < batch; ++i) {
    if (out[i].size() != out[0].size())
      fail(ErrorKind::kInvalidInput, "the decoder's ids: row ", i, " has ", out[i].size(), " tokens but row 0 has ",
           out[0].size());
  }
  bool add = true;
  for (size_t i = 0; i < batch; ++i) add = add && (out[i].empty() || out[i][0] != start(i));
  for (size_t i = 0; add && i < batch; ++i) out[i].insert(out[i].begin(), start(i));
  return out;
}

/// How much padding each row begins with. Where the graph numbers positions itself, there may be none behind it.
std::vector<size_t> left_padding(const std::vector<Ids>& masks, bool takes_positions) {
  std::vector<size_t> out;
  for (size_t i = 0; i < masks.size(); ++i) {
    const auto first = std::ranges::find(masks[i], 1);
    if (first == masks[i].end()) fail(ErrorKind::kInvalidInput, "the mask of prompt ", i, " hides every token");
    if (!takes_positions && std::find(first, masks[i].end(), 0) != masks[i].end())
      fail(ErrorKind::kInvalidInput, "the mask of prompt ", i,
           " has padding after a token; the model takes no position_ids and needs its padding on the left");
    out.push_back(static_cast<size_t>(first - masks[i].begin()));
  }
  return out;
}

/// Sequences of equal length, as generate() returns them: with an end token where one fits, then padding.
void pad(std::vector<Sequence>& sequences, const GenerationConfig& config, int64_t max_length) {
  size_t longest = 0;
  for (const Sequence& s : sequences) longest = std::max(longest, s.length);
  const bool adds_end = config.num_beams > 1 && !config.eos_token_id.empty();
  if (adds_end) longest = std::min(longest + 1, std::max(longest, static_cast<size_t>(max_length)));
  for (Sequence& s : sequences) {
    // Beams lose their end token; whether there was one or not, the reference puts one wherever there is room.
    if (adds_end && s.length < longest) {
      s.ids.push_back(config.eos_token_id.front());
      ++s.length;
    }
    s.ids.resize(longest, config.pad_token_id.value_or(0));
  }
}

Hypotheses run(Search& search) {
  if (search.config.num_beams > 1) return beam_search(search);
  if (is_contrastive(search.config)) return contrastive_search(search);
  if (search.config.prompt_lookup_num_tokens.value_or(0) > 0 && search.prompts.size() == 1 &&
      search.config.num_return_sequences == 1)
    return lookup_search(search);
  return sample_search(search);
}

/// Indices of the prompts that can run together. A graph without position_ids counts padding as positions: there, only
/// prompts with the same padding, which the decoder is not shown.
std::map<size_t, std::vector<size_t>> groups_of(const engine::Decoder& decoder, const std::vector<Ids>& masks,
                                                size_t batch) {
  std::map<size_t, std::vector<size_t>> out;
  const std::vector<size_t> padding = left_padding(masks, decoder.takes_positions());
  const bool apart = !padding.empty() && !decoder.takes_positions();
  for (size_t i = 0; i < batch; ++i) out[apart ? padding[i] : 0].push_back(i);
  return out;
}

struct Plan {
  GenerationConfig config;
  std::vector<Ids> prompts, masks;
  ProcessorSetting setting;
};

/// The prompts of a model without encoder.
void plan_prompts(Plan& out, const Prompts& prompts) {
  const GenerationConfig& c = out.config;
  if (!prompts.features.extents().empty())
    fail(ErrorKind::kInvalidInput, "features are given but the model has no encoder; give ids");
  out.prompts = prompts.ids;
  if (out.prompts.size() == 1 && out.prompts[0].empty() && c.bos_token_id) out.prompts[0].push_back(*c.bos_token_id);
  require_rectangle(out.prompts, "the prompts");
  out.masks = mask_of({out.prompts, prompts.mask, {}}, c);
  out.setting.input_ids = out.prompts;
}

/// The encoder's run, and what the decoder begins with.
void plan_source(Plan& out, engine::Decoder& decoder, const Prompts& prompts) {
  const GenerationConfig& c = out.config;
  const size_t batch = encode(decoder, prompts, c);
  const bool reads_ids = encoder_reads_ids(decoder);
  if (reads_ids) out.setting.input_ids = prompts.ids;
  // Ids beside features are the decoder's, as they are for generate().
  out.prompts =
      decoder_prompts(c, reads_ids || !c.decoder_input_ids.empty() ? c.decoder_input_ids : prompts.ids, batch);
}

Plan plan(engine::Decoder& decoder, const Prompts& prompts, const GenerationConfig& given, const Hooks& hooks) {
  Plan out{given, {}, {}, {}};
  GenerationConfig& c = out.config;
  check(c);
  check_tokens(c, decoder.vocabulary());
  if (!c.stop_strings.empty() && !hooks.text_of)
    fail(ErrorKind::kInvalidInput, "stop_strings need a tokenizer; the folder has none");
  if (decoder.is_encoder_decoder())
    plan_source(out, decoder, prompts);
  else
    plan_prompts(out, prompts);
  require_tokens(out.prompts, decoder.vocabulary(), decoder.is_encoder_decoder() ? "the decoder's ids" : "the prompts");
  if (!c.pad_token_id && !c.eos_token_id.empty()) c.pad_token_id = c.eos_token_id.front();
  out.setting.prompt_length = static_cast<int64_t>(out.prompts[0].size());
  // Neither needs to be near the greatest number for "as many as fit".
  constexpr int64_t kMostTokens = int64_t{1} << 40;
  if (c.max_new_tokens) c.max_length = out.setting.prompt_length + std::min(*c.max_new_tokens, kMostTokens);
  if (c.max_length <= out.setting.prompt_length)
    fail(ErrorKind::kInvalidInput, "the prompt has ", out.setting.prompt_length, " tokens but max_length is ",
         c.max_length, ", so that none can follow; raise max_length or set max_new_tokens");
  out.setting.max_length = c.max_length;
  out.setting.prefix_allowed = hooks.prefix_allowed;
  return out;
}

}  // namespace

const char* finish_name(Finish finish) {
  switch (finish) {
    case Finish::kEnd: return "end";
    case Finish::kLength: return "length";
    case Finish::kStopped: return "stopped";
    case Finish::kTime: return "time";
    case Finish::kCancelled: return "cancelled";
  }
  return "";
}

Result generate(engine::Decoder& decoder, const Prompts& prompts, const GenerationConfig& config, const Hooks& hooks) {
  const auto begin = Clock::now();
  const Plan p = plan(decoder, prompts, config, hooks);
  Result result;
  result.prompt_length = p.setting.prompt_length;
  result.prefill_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const auto each = static_cast<size_t>(p.config.num_return_sequences);
  result.sequences.resize(p.prompts.size() * each);
  for (const auto& [skip, members] : groups_of(decoder, p.masks, p.prompts.size())) {
    Search search{decoder,
                  p.config,
                  hooks,
                  {},
                  {},
                  members,
                  skip,
                  p.config.max_length,
                  make_processors(p.config, p.setting),
                  make_warpers(p.config),
                  begin};
    for (size_t i : members) {
      search.prompts.push_back(p.prompts[i]);
      if (!p.masks.empty() && skip == 0) search.masks.push_back(p.masks[i]);
    }
    Hypotheses found = run(search);
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t k = 0; k < found[i].size(); ++k) {
        Hypothesis& h = found[i][k];
        const size_t length = h.ids.size();
        result.sequences[members[i] * each + k] = {std::move(h.ids), length, h.score, std::move(h.logprobs), h.finish};
      }
    }
    result.prefill_seconds += search.prefill_seconds;
    result.new_tokens += search.new_tokens;
  }
  pad(result.sequences, p.config, p.config.max_length);
  result.decode_seconds = std::chrono::duration<double>(Clock::now() - begin).count() - result.prefill_seconds;
  return result;
}

}  // namespace sdx::generate
