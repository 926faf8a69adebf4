// GenerationConfig: which argument sets what, and what values they take.
#include "generate/config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace sdx::generate {
namespace {

using Json = nlohmann::json;
using Setter = std::function<void(GenerationConfig&, const std::string&, const Json&)>;

[[noreturn]] void refuse(const std::string& key, const Json& value, const char* wanted) {
  fail(ErrorKind::kInvalidInput, "argument '", key, "' is ", value.dump(-1, ' ', false, Json::error_handler_t::replace),
       " but must be ", wanted);
}

int64_t to_int(const std::string& key, const Json& value) {
  constexpr double kMost = 0x1p62;
  if (value.is_number_float() && std::abs(value.get<double>()) <= kMost &&
      std::floor(value.get<double>()) == value.get<double>())
    return static_cast<int64_t>(value.get<double>());
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(kMost);
  if (!value.is_number_integer() || !fits) refuse(key, value, "an integer of at most 2^62");
  return value.get<int64_t>();
}

double to_number(const std::string& key, const Json& value) {
  if (!value.is_number()) refuse(key, value, "a number");
  return value.get<double>();
}

Ids to_ids(const std::string& key, const Json& value) {
  if (!value.is_array()) return {to_int(key, value)};
  Ids out;
  for (const Json& item : value) out.push_back(to_int(key, item));
  return out;
}

std::vector<Ids> to_lists(const std::string& key, const Json& value) {
  if (!value.is_array()) refuse(key, value, "a list of lists of token ids");
  std::vector<Ids> out;
  for (const Json& item : value) {
    if (!item.is_array() || item.empty()) refuse(key, value, "a list of non-empty lists of token ids");
    out.push_back(to_ids(key, item));
  }
  return out;
}

Setter flag(bool GenerationConfig::*member) {
  return [member](GenerationConfig& c, const std::string& key, const Json& value) {
    if (!value.is_null() && !value.is_boolean()) refuse(key, value, "true or false");
    c.*member = value.is_boolean() && value.get<bool>();
  };
}

Setter integer(int64_t GenerationConfig::*member, int64_t neutral, int64_t least) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? neutral : to_int(key, value);
    if (c.*member < least) refuse(key, value, least == 0 ? "0 or more" : "1 or more");
  };
}

Setter optional_integer(std::optional<int64_t> GenerationConfig::*member) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? std::nullopt : std::optional(to_int(key, value));
    if (c.*member && (c.*member).value() < 0) refuse(key, value, "0 or more");
  };
}

struct Range {
  double low, high;
  const char* text;
};
constexpr Range kAny{-1e30, 1e30, "a finite number"};
constexpr Range kPositive{1e-30, 1e30, "above 0"};
constexpr Range kUnit{0, 1, "between 0 and 1"};

Setter number(double GenerationConfig::*member, double neutral, Range range) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? neutral : to_number(key, value);
    if (!(c.*member >= range.low && c.*member <= range.high)) refuse(key, value, range.text);
  };
}

Setter optional_number(std::optional<double> GenerationConfig::*member, Range range) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? std::nullopt : std::optional(to_number(key, value));
    if (c.*member && !((c.*member).value() >= range.low && (c.*member).value() <= range.high))
      refuse(key, value, range.text);
  };
}

Setter ids(Ids GenerationConfig::*member) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? Ids{} : to_ids(key, value);
  };
}

Setter lists(std::vector<Ids> GenerationConfig::*member) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    c.*member = value.is_null() ? std::vector<Ids>{} : to_lists(key, value);
  };
}

Setter text(std::string GenerationConfig::*member) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    if (!value.is_null() && !value.is_string()) refuse(key, value, "a string");
    c.*member = value.is_null() ? "" : value.get<std::string>();
  };
}

Setter ids_by_name(std::map<std::string, int64_t> GenerationConfig::*member) {
  return [=](GenerationConfig& c, const std::string& key, const Json& value) {
    if (!value.is_null() && !value.is_object()) refuse(key, value, "an object of token ids");
    (c.*member).clear();
    if (value.is_null()) return;
    for (const auto& [name, id] : value.items()) (c.*member)[name] = to_int(key, id);
  };
}

void set_max_length(GenerationConfig& c, const std::string& key, const Json& value) {
  c.max_length = value.is_null() ? 20 : to_int(key, value);
  c.max_length_given = !value.is_null();
  if (c.max_length < 0) refuse(key, value, "0 or more");
}

void set_early_stopping(GenerationConfig& c, const std::string& key, const Json& value) {
  if (value.is_null() || value == false)
    c.early_stopping = EarlyStopping::kFalse;
  else if (value == true)
    c.early_stopping = EarlyStopping::kTrue;
  else if (value == "never")
    c.early_stopping = EarlyStopping::kNever;
  else
    refuse(key, value, "true, false or \"never\"");
}

void set_stop_strings(GenerationConfig& c, const std::string& key, const Json& value) {
  c.stop_strings.clear();
  if (value.is_null()) return;
  for (const Json& item : value.is_array() ? value : Json::array({value})) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty())
      refuse(key, value, "a string or a list of strings, none of them empty");
    c.stop_strings.push_back(item.get<std::string>());
  }
}

/// A list of [[ids…], bias], the form in which JSON can hold the tuples that are keys in Python.
void set_sequence_bias(GenerationConfig& c, const std::string& key, const Json& value) {
  c.sequence_bias.clear();
  if (value.is_null()) return;
  const char* wanted = "a list of [[token ids], bias]";
  if (!value.is_array()) refuse(key, value, wanted);
  for (const Json& item : value) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_array() || item[0].empty()) refuse(key, value, wanted);
    const Ids tokens = to_ids(key, item[0]);
    const double bias = to_number(key, item[1]);
    // As in a dictionary, the last one counts.
    std::erase_if(c.sequence_bias, [&](const auto& s) { return s.first == tokens; });
    c.sequence_bias.emplace_back(tokens, bias);
  }
}

void set_exponential_decay(GenerationConfig& c, const std::string& key, const Json& value) {
  c.exponential_decay_length_penalty.reset();
  if (value.is_null()) return;
  if (!value.is_array() || value.size() != 2) refuse(key, value, "[start, factor]");
  c.exponential_decay_length_penalty.emplace(to_int(key, value[0]), to_number(key, value[1]));
}

void set_forced_decoder_ids(GenerationConfig& c, const std::string& key, const Json& value) {
  c.forced_decoder_ids.clear();
  if (value.is_null()) return;
  if (!value.is_array()) refuse(key, value, "a list of [position, token id]");
  for (const Json& item : value) {
    if (!item.is_array() || item.size() != 2) refuse(key, value, "a list of [position, token id]");
    // A null token leaves the position to the model: how Whisper's files ask for language detection.
    if (!item[1].is_null()) c.forced_decoder_ids.emplace_back(to_int(key, item[0]), to_int(key, item[1]));
  }
}

const std::map<std::string, Setter>& setters() {
  using C = GenerationConfig;
  static const std::map<std::string, Setter> table = {
      {"max_length", set_max_length},
      {"max_new_tokens", optional_integer(&C::max_new_tokens)},
      {"min_length", integer(&C::min_length, 0, 0)},
      {"min_new_tokens", optional_integer(&C::min_new_tokens)},
      {"early_stopping", set_early_stopping},
      {"max_time", optional_number(&C::max_time, {0, 1e30, "0 or more"})},
      {"stop_strings", set_stop_strings},
      {"do_sample", flag(&C::do_sample)},
      {"num_beams", integer(&C::num_beams, 1, 1)},
      {"num_beam_groups", integer(&C::num_beam_groups, 1, 1)},
      {"penalty_alpha", optional_number(&C::penalty_alpha, kUnit)},
      {"prompt_lookup_num_tokens", optional_integer(&C::prompt_lookup_num_tokens)},
      {"max_matching_ngram_size", integer(&C::max_matching_ngram_size, 2, 1)},
      {"temperature", number(&C::temperature, 1, kPositive)},
      {"top_k", integer(&C::top_k, 0, 0)},
      {"top_p", number(&C::top_p, 1, kUnit)},
      {"min_p", number(&C::min_p, 0, kUnit)},
      {"typical_p", number(&C::typical_p, 1, kUnit)},
      {"epsilon_cutoff", number(&C::epsilon_cutoff, 0, kUnit)},
      {"eta_cutoff", number(&C::eta_cutoff, 0, kUnit)},
      {"diversity_penalty", number(&C::diversity_penalty, 0, kAny)},
      {"repetition_penalty", number(&C::repetition_penalty, 1, kPositive)},
      {"encoder_repetition_penalty", number(&C::encoder_repetition_penalty, 1, kPositive)},
      {"presence_penalty", number(&C::presence_penalty, 0, kAny)},
      {"frequency_penalty", number(&C::frequency_penalty, 0, kAny)},
      {"length_penalty", number(&C::length_penalty, 1, kAny)},
      {"no_repeat_ngram_size", integer(&C::no_repeat_ngram_size, 0, 0)},
      {"encoder_no_repeat_ngram_size", integer(&C::encoder_no_repeat_ngram_size, 0, 0)},
      {"bad_words_ids", lists(&C::bad_words_ids)},
      {"sequence_bias", set_sequence_bias},
      {"renormalize_logits", flag(&C::renormalize_logits)},
      {"forced_bos_token_id", optional_integer(&C::forced_bos_token_id)},
      {"forced_eos_token_id", ids(&C::forced_eos_token_id)},
      {"remove_invalid_values", flag(&C::remove_invalid_values)},
      {"exponential_decay_length_penalty", set_exponential_decay},
      {"suppress_tokens", ids(&C::suppress_tokens)},
      {"begin_suppress_tokens", ids(&C::begin_suppress_tokens)},
      {"forced_decoder_ids", set_forced_decoder_ids},
      {"num_return_sequences", integer(&C::num_return_sequences, 1, 1)},
      {"output_scores", flag(&C::output_scores)},
      {"pad_token_id", optional_integer(&C::pad_token_id)},
      {"bos_token_id", optional_integer(&C::bos_token_id)},
      {"eos_token_id", ids(&C::eos_token_id)},
      {"decoder_start_token_id", ids(&C::decoder_start_token_id)},
      {"decoder_input_ids", lists(&C::decoder_input_ids)},
      {"return_timestamps", flag(&C::return_timestamps)},
      {"no_timestamps_token_id", optional_integer(&C::no_timestamps_token_id)},
      {"max_initial_timestamp_index", optional_integer(&C::max_initial_timestamp_index)},
      {"language", text(&C::language)},
      {"task", text(&C::task)},
      {"lang_to_id", ids_by_name(&C::lang_to_id)},
      {"task_to_id", ids_by_name(&C::task_to_id)},
  };
  return table;
}

/// Arguments that change nothing here: how a result is wrapped, and where a cache lives.
bool is_indifferent(const std::string& key) {
  for (const char* name : {"use_cache", "return_dict_in_generate", "synced_gpus", "low_memory", "is_multilingual",
                           "transformers_version", "_from_model_config", "cache_implementation"}) {
    if (key == name) return true;
  }
  return false;
}

/// The values with which an argument that is not implemented asks for nothing.
bool asks_nothing(const std::string& key, const Json& value) {
  if (value.is_null() || value == false || value.empty()) return true;
  return key == "guidance_scale" && value == 1;
}

bool is_unsupported(const std::string& key) {
  for (const char* name :
       {"constraints", "force_words_ids", "guidance_scale", "output_attentions", "output_hidden_states",
        "output_logits", "assistant_model", "dola_layers", "watermarking_config", "token_healing",
        "num_assistant_tokens", "num_assistant_tokens_schedule", "generation_kwargs", "negative_prompt_ids",
        "inputs_embeds"}) {
    if (key == name) return true;
  }
  return false;
}

/// Insertions, deletions and replacements of letters that make `b` of `a`.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// The arguments whose names resemble `key`, the nearest first, as the end of a message.
std::string near_names(const std::string& key) {
  std::vector<std::pair<size_t, std::string>> found;
  for (const auto& [name, setter] : setters()) {
    const size_t far = key.size() > 40 ? 40 : distance(key, name);
    const bool part = key.size() >= 4 && name.find(key) != std::string::npos;
    if (part || far <= std::max<size_t>(2, name.size() / 3))
      found.emplace_back(part ? std::min<size_t>(far, 3) : far, name);
  }
  if (found.empty()) return "check the spelling";
  std::ranges::stable_sort(found, {}, &std::pair<size_t, std::string>::first);
  std::string out = "did you mean ";
  for (size_t i = 0; i < std::min<size_t>(found.size(), 3); ++i) out += (i ? " or '" : "'") + found[i].second + "'";
  return out + "?";
}

}  // namespace

void set_argument(GenerationConfig& config, const std::string& key, const Json& value) {
  const auto it = setters().find(key);
  if (it != setters().end()) return it->second(config, key, value);
  if (is_indifferent(key)) return;
  if (is_unsupported(key)) {
    if (asks_nothing(key, value)) return;
    fail(ErrorKind::kUnsupportedModel, "argument '", key, "' of generate() is not implemented; leave it out");
  }
  fail(ErrorKind::kInvalidInput, "generate() has no argument '", key, "'; ", near_names(key));
}

}  // namespace sdx::generate
