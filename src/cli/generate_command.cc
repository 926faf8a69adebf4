// `sardonyx generate`: continues token ids or text with the model of a Hub folder.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/json_tensor.h"
#include "cli/npy.h"
#include "generate/generate.h"
#include "sardonyx/tokenizer.h"

namespace sdx::cli {
namespace {

namespace gen = sdx::generate;

struct GenerateFlags {
  ModelFlags model;
  std::string layout = "automatic", variant;
  std::optional<std::string> prompt, ids, mask, features;
  std::vector<std::string> set;
  uint64_t seed = 0;
  int64_t prefill_chunk = 0;
  bool time = false;
};

/// Tokens of a text of unknown length that a terminal gets where nothing else limits it.
constexpr int64_t kUsualNewTokens = 256;

/// A value as JSON; Python's spelling of the constants and bare words are understood too.
Json argument_value(const std::string& text) {
  if (text == "None") return nullptr;
  if (text == "True" || text == "False") return text == "True";
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(text) : json;
}

std::vector<gen::Ids> rows_of(const std::string& text, const char* flag) {
  const Json json = Json::parse(text, nullptr, false);
  std::vector<gen::Ids> out;
  if (json.is_discarded())
    fail(ErrorKind::kInvalidInput, flag,
         " is broken JSON: it must be a list of lists of integers, such as [[1, 2, 3]]");
  const char* wanted = " must be a list of lists of integers, such as [[1, 2, 3]]";
  if (!json.is_array()) fail(ErrorKind::kInvalidInput, flag, wanted);
  for (const Json& row : json) {
    if (!row.is_array()) fail(ErrorKind::kInvalidInput, flag, wanted);
    gen::Ids& ids = out.emplace_back();
    for (const Json& id : row) {
      const bool fits = !id.is_number_unsigned() || id.get<uint64_t>() <= INT64_MAX;
      if (!id.is_number_integer() || !fits) fail(ErrorKind::kInvalidInput, flag, wanted, ", not ", id.dump());
      ids.push_back(id.get<int64_t>());
    }
  }
  return out;
}

/// Standard input without the line break that ends it.
std::string standard_input() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

/// One run of the command.
class Command {
 public:
  explicit Command(const GenerateFlags& flags) : flags_(flags), folder_(flags.model.path) {}
  void run();

 private:
  void open();
  void read_prompt();
  void set_arguments();
  void limit_text_length();
  bool streams() const;
  void print_json(const gen::Result& result);
  void print_text(const gen::Result& result);
  std::string text_of(const gen::Sequence& s, const gen::Result& result) const;
  void note(const std::string& text) const;

  const GenerateFlags& flags_;
  std::filesystem::path folder_;
  gen::GenerationConfig config_;
  bool wants_logprobs_ = false;
  std::unique_ptr<engine::Decoder> decoder_;
  std::optional<sardonyx::Tokenizer> tokenizer_;
  bool text_ = false;  ///< text comes out
  gen::Prompts prompts_;
};

void Command::note(const std::string& text) const {
  if (!flags_.model.json) std::fprintf(stderr, "note: %s\n", text.c_str());
}

void Command::open() {
  if (!std::filesystem::is_directory(folder_))
    fail(ErrorKind::kInvalidInput, "there is no folder '", folder_.string(), "'; check the path");
  limit_isa(flags_.model.isa);
  engine::DecoderOptions options;
  options.layout = engine::decoder_layout(flags_.layout);
  options.variant = flags_.variant;
  options.model = model_options(flags_.model);
  options.candidates = true;
  decoder_ = engine::Decoder::open(folder_, options);
  note_weight_problem(options.model);
  engine::RunSettings settings;
  settings.parallel = Parallel(flags_.model.threads);
  settings.cancel = &stop_flag();
  decoder_->set_run_settings(settings);
  if (!decoder_->cached() && options.layout != engine::DecoderLayout::kNoPast)
    note("the model takes no past keys and values; every token computes the whole sequence again");
}

void Command::set_arguments() {
  std::vector<std::string> notes;
  config_ = gen::read_config(folder_, &notes);
  for (const std::string& n : notes) note(n);
  for (const std::string& item : flags_.set) {
    const size_t sign = item.find('=');
    if (sign == std::string::npos || sign == 0)
      fail(ErrorKind::kInvalidInput, "--set ", item, " is not of the form key=value");
    gen::set_argument(config_, item.substr(0, sign), argument_value(item.substr(sign + 1)));
  }
  wants_logprobs_ = config_.output_scores;
  config_.output_scores = config_.output_scores || flags_.model.json;
}

void Command::read_prompt() {
  const bool by_ids = flags_.ids || flags_.features;
  if (by_ids && flags_.prompt)
    fail(ErrorKind::kInvalidInput, "a prompt and --ids or --features exclude each other; give one of them");
  if (flags_.mask && !flags_.ids) fail(ErrorKind::kInvalidInput, "--mask needs --ids, whose padding it tells");
  if (flags_.ids) prompts_.ids = rows_of(*flags_.ids, "--ids");
  if (flags_.mask) prompts_.mask = rows_of(*flags_.mask, "--mask");
  if (flags_.features)
    prompts_.features = read_npy(MappedFile::share(MappedFile::open(*flags_.features)).text(), DType::kF32);
  text_ = !by_ids || (!flags_.model.json && !flags_.ids);
  if (text_ || !config_.stop_strings.empty()) tokenizer_ = sardonyx::Tokenizer::load(folder_.string());
  if (by_ids) return;
  prompts_.ids = {tokenizer_->encode(flags_.prompt ? *flags_.prompt : standard_input()).ids};
  limit_text_length();
}

void Command::limit_text_length() {
  if (!config_.max_new_tokens && !config_.max_length_given) config_.max_new_tokens = kUsualNewTokens;
  const auto positions = config_.positions;
  if (!positions || decoder_->is_encoder_decoder()) return;
  const int64_t room = *positions - static_cast<int64_t>(prompts_.ids[0].size());
  if (room <= 0)
    fail(ErrorKind::kInvalidInput, "the prompt has ", prompts_.ids[0].size(), " tokens but the model has ", *positions,
         " positions; shorten it");
  if (config_.max_new_tokens) config_.max_new_tokens = std::min(*config_.max_new_tokens, room);
  config_.max_length = std::min(config_.max_length, *positions);
}

/// Tokens that are certain when they come can be shown at once, where there is one sequence.
bool Command::streams() const {
  const size_t batch = prompts_.ids.empty() ? static_cast<size_t>(prompts_.features.extents()[0]) : prompts_.ids.size();
  return text_ && !flags_.model.json && config_.num_beams == 1 && config_.num_return_sequences == 1 && batch == 1;
}

std::string Command::text_of(const gen::Sequence& s, const gen::Result& result) const {
  const auto begin = s.ids.begin() + result.prompt_length;
  return tokenizer_->decode({begin, std::max(begin, s.ids.begin() + static_cast<std::ptrdiff_t>(s.length))},
                            {.skip_special_tokens = true});
}

void Command::print_json(const gen::Result& result) {
  Json out{{"sequences", Json::array()}, {"scores", Json::array()}};
  for (const gen::Sequence& s : result.sequences) {
    out["sequences"].push_back(s.ids);
    out["scores"].push_back(s.score);
    if (wants_logprobs_) out["token_logprobs"].push_back(s.logprobs);
    if (text_) out["text"].push_back(text_of(s, result));
  }
  std::printf("%s\n", out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

void Command::print_text(const gen::Result& result) {
  for (const gen::Sequence& s : result.sequences) {
    if (text_) {
      std::printf("%s\n", text_of(s, result).c_str());
      continue;
    }
    for (size_t i = 0; i < s.ids.size(); ++i) std::printf("%s%lld", i ? " " : "", static_cast<long long>(s.ids[i]));
    std::printf("\n");
  }
}

void Command::run() {
  set_arguments();
  open();
  read_prompt();
  gen::Hooks hooks;
  hooks.cancel = &stop_flag();
  hooks.seed = flags_.seed;
  hooks.prefill_chunk = flags_.prefill_chunk;
  if (tokenizer_)
    hooks.text_of = [&](std::span<const int64_t> ids) { return tokenizer_->decode({ids.begin(), ids.end()}); };
  std::optional<sardonyx::Tokenizer::Stream> stream;
  const auto show = [](const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (!text.empty()) std::fflush(stdout);
  };
  if (streams()) {
    stream.emplace(tokenizer_->stream({.skip_special_tokens = true}));
    hooks.on_token = [&](size_t, int64_t id) { show(stream->push(id)); };
  }
  const gen::Result result = gen::generate(*decoder_, prompts_, config_, hooks);
  if (stream) {
    show(stream->finish() + "\n");
  } else if (flags_.model.json) {
    print_json(result);
  } else {
    print_text(result);
  }
  if (flags_.time || (isatty(STDERR_FILENO) && !flags_.model.json))
    std::fprintf(
        stderr, "%lld tokens, %.1f tokens/s; first after %.0f ms\n", static_cast<long long>(result.new_tokens),
        static_cast<double>(result.new_tokens) / std::max(1e-9, result.prefill_seconds + result.decode_seconds),
        result.prefill_seconds * 1e3);
  if (stop_flag()) exit_with(kInterrupted);
}

}  // namespace

void add_generate_command(CommandLine& app) {
  auto flags = std::make_shared<GenerateFlags>();
  Subcommand* command = app.add_subcommand("generate", "continue text or token ids with a language model");
  command
      ->add_option("folder", flags->model.path, "Hub folder: config.json, tokenizer.json, model files here or in onnx/")
      ->required();
  command->add_option("prompt", flags->prompt, "the text; without it and --ids, standard input");
  command->add_option("--ids", flags->ids, "token ids, one list a row: [[1,2,3],[4,5,6]]");
  command->add_option("--mask", flags->mask, "attention mask of the ids, 0 for padding: [[1,1,1],[0,1,1]]");
  command->add_option("--features", flags->features, "what the encoder reads instead of ids, as a .npy file");
  command->add_option("--set", flags->set, "an argument of generate(): KEY=VALUE, the value in JSON")->repeatable();
  command->add_option("--layout", flags->layout, "files to use: automatic, single, merged, split or no-past");
  command->add_option("--variant", flags->variant, "suffix of the files to use, such as quantized or fp16");
  command->add_option("--seed", flags->seed, "of sampling");
  command->add_option("--prefill-chunk", flags->prefill_chunk, "most tokens of a prompt that run at once; 0: all")
      ->check(range(int64_t{0}, int64_t{1} << 40));
  command->add_flag("--time", flags->time, "print tokens per second to standard error even where that is no terminal");
  add_model_flags(*command, flags->model);
  command->footer(
      "\nExamples:\n  sardonyx generate models/demo \"She was very\" --set temperature=0.7\n"
      "  sardonyx generate models/t5 --ids '[[8774,6,149]]' --set num_beams=4 --json\n");
  command->final_callback([flags] { Command(*flags).run(); });
}

}  // namespace sdx::cli
