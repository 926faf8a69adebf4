// The subcommands tokenize and detokenize: flags, lines in, lines out.
#include "cli/tokenize.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "sardonyx/tokenizer.h"

namespace sardonyx::cli {
namespace {

struct TokenizeFlags {
  std::string folder;
  std::vector<std::string> texts;
  bool json = false, jsonl = false, no_special_tokens = false, no_truncation = false, bytes = false;
  std::optional<uint64_t> max_length;
  uint64_t stride = 0, multiple_of = 0;
  std::string strategy = "longest_first", truncation_side = "right", padding, padding_side = "right";
};

EncodeOptions encode_options(const TokenizeFlags& flags) {
  EncodeOptions options;
  options.add_special_tokens = !flags.no_special_tokens;
  options.offsets = flags.bytes ? OffsetUnit::Bytes : OffsetUnit::Characters;
  options.own_truncation = !flags.no_truncation;
  if (flags.max_length) {
    Truncation t;
    t.max_length = *flags.max_length;
    t.stride = flags.stride;
    t.side = flags.truncation_side == "left" ? Side::Left : Side::Right;
    t.strategy = flags.strategy == "only_first"    ? TruncationStrategy::OnlyFirst
                 : flags.strategy == "only_second" ? TruncationStrategy::OnlySecond
                                                   : TruncationStrategy::LongestFirst;
    options.truncation = t;
  }
  if (flags.padding == "none") options.own_padding = false;
  if (!flags.padding.empty() && flags.padding != "none") {
    Padding p;
    if (flags.padding != "longest") p.length = std::stoull(flags.padding);
    p.side = flags.padding_side == "left" ? Side::Left : Side::Right;
    p.multiple_of = flags.multiple_of;
    options.padding = p;
  }
  return options;
}

void append_numbers(std::string& out, const char* key, const std::vector<int64_t>& values, bool negative_is_null) {
  out.append(key);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    out += negative_is_null && values[i] < 0 ? "null" : std::to_string(values[i]);
  }
  out += ']';
}

void append_encoding(std::string& out, const Encoding& e) {
  append_numbers(out, "{\"ids\":[", e.ids, false);
  out += ",\"tokens\":[";
  for (size_t i = 0; i < e.tokens.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, e.tokens[i]);
  }
  out += ']';
  append_numbers(out, ",\"type_ids\":[", e.type_ids, false);
  append_numbers(out, ",\"attention_mask\":[", e.attention_mask, false);
  append_numbers(out, ",\"special_tokens_mask\":[", e.special_tokens_mask, false);
  out += ",\"offsets\":[";
  for (size_t i = 0; i < e.offsets.size(); ++i) {
    if (i > 0) out += ',';
    out += '[' + std::to_string(e.offsets[i].first) + ',' + std::to_string(e.offsets[i].second) + ']';
  }
  out += ']';
  append_numbers(out, ",\"word_ids\":[", e.word_ids, true);
  if (!e.overflowing.empty()) {
    out += ",\"overflowing\":[";
    for (size_t i = 0; i < e.overflowing.size(); ++i) {
      if (i > 0) out += ',';
      append_encoding(out, e.overflowing[i]);
    }
    out += ']';
  }
  out += '}';
}

void print_line(std::string& line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
  line.clear();
}

void append_error(std::string& out, const std::string& message) {
  out += "{\"error\":";
  append_json_string(out, message);
  out += '}';
}

/// One result for each line of standard input; a line that fails yields an error in its place.
void tokenize_lines(const Tokenizer& tokenizer, const TokenizeFlags& flags) {
  const EncodeOptions options = encode_options(flags);
  LineReader reader([] { std::fflush(stdout); });
  std::string_view line;
  std::string out;
  while (reader.next(line)) {
    try {
      if (!flags.jsonl) {
        append_encoding(out, tokenizer.encode(line, options));
      } else {
        bool array = false;
        const auto texts = parse_strings(line, array);
        if (!texts || texts->size() > 2) {
          append_error(out, "the line is neither a JSON string nor an array of one or two strings");
        } else if (texts->size() == 2) {
          append_encoding(out, tokenizer.encode({(*texts)[0], (*texts)[1]}, options));
        } else {
          append_encoding(out, tokenizer.encode((*texts)[0], options));
        }
      }
    } catch (const Error& e) {
      out.clear();
      append_error(out, e.what());
    }
    print_line(out);
  }
}

/// The text with each token on a background of its own; spaces stay visible.
std::string coloured(const std::string& text, const Encoding& e) {
  constexpr const char* kBackgrounds[] = {"\033[48;5;153m", "\033[48;5;157m", "\033[48;5;229m", "\033[48;5;218m"};
  std::string out;
  size_t end = 0, colour = 0;
  for (const auto& [from, to] : e.offsets) {
    const auto begin = std::max(static_cast<size_t>(from), end);
    if (static_cast<size_t>(to) <= begin) continue;
    out += text.substr(end, begin - end);
    out += std::string("\033[30m") + kBackgrounds[colour++ % 4] + text.substr(begin, static_cast<size_t>(to) - begin) +
           "\033[0m";
    end = static_cast<size_t>(to);
  }
  return out + text.substr(end) + "\n";
}

void tokenize_text(const Tokenizer& tokenizer, const TokenizeFlags& flags, const std::string& text) {
  const EncodeOptions options = encode_options(flags);
  std::string out;
  if (flags.json) {
    append_encoding(out, tokenizer.encode(text, options));
    print_line(out);
    return;
  }
  if (isatty(STDOUT_FILENO) != 0) {
    EncodeOptions bytes = options;
    bytes.offsets = OffsetUnit::Bytes;
    out += coloured(text, tokenizer.encode(text, bytes));
  }
  const Encoding e = tokenizer.encode(text, options);
  for (size_t i = 0; i < e.ids.size(); ++i) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "%8lld  %6lld-%-6lld  ", static_cast<long long>(e.ids[i]),
                  static_cast<long long>(e.offsets[i].first), static_cast<long long>(e.offsets[i].second));
    out += numbers + e.tokens[i] + "\n";
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
}

void run_tokenize(const TokenizeFlags& flags) {
  const Tokenizer tokenizer = Tokenizer::load(flags.folder);
  for (const std::string& text : flags.texts) tokenize_text(tokenizer, flags, text);
  if (!flags.texts.empty()) return;
  if (flags.json || flags.jsonl) return tokenize_lines(tokenizer, flags);
  LineReader reader([] { std::fflush(stdout); });
  for (std::string_view line; reader.next(line);) tokenize_text(tokenizer, flags, std::string(line));
}

struct DetokenizeFlags {
  std::string folder;
  std::vector<int64_t> ids;
  bool json = false, skip_special_tokens = false, clean_up = false;
};

void run_detokenize(const DetokenizeFlags& flags) {
  const Tokenizer tokenizer = Tokenizer::load(flags.folder);
  const DecodeOptions options{flags.skip_special_tokens, flags.clean_up};
  if (!flags.ids.empty()) {
    std::string text = tokenizer.decode(flags.ids, options), out;
    if (flags.json) append_json_string(out, text);
    print_line(flags.json ? out : text);
    return;
  }
  LineReader reader([] { std::fflush(stdout); });
  std::string out;
  for (std::string_view line; reader.next(line);) {
    try {
      const auto ids = parse_ids(line);
      if (!ids) {
        append_error(out, "the line is not a JSON array of ids");
      } else if (flags.json) {
        append_json_string(out, tokenizer.decode(*ids, options));
      } else {
        out = tokenizer.decode(*ids, options);
      }
    } catch (const Error& e) {
      out.clear();
      append_error(out, e.what());
    }
    print_line(out);
  }
}

void add_tokenize(sdx::cli::CommandLine& app) {
  sdx::cli::Subcommand* command =
      app.add_subcommand("tokenize", "Turn text into tokens with the tokenizer of a folder");
  auto flags = std::make_shared<TokenizeFlags>();
  command->add_option("FOLDER", flags->folder, "Hub folder, or a tokenizer.json")->required();
  command->add_option("TEXT", flags->texts, "Texts; without any, one text a line from standard input");
  command->add_flag("--json", flags->json, "Print one JSON object a text");
  command->add_flag("--jsonl", flags->jsonl, "Lines of input are JSON: a string, or an array of two for a pair");
  command->add_flag("--no-special-tokens", flags->no_special_tokens, "Leave out [CLS], </s> and the like");
  command->add_flag("--bytes", flags->bytes, "Offsets in bytes instead of characters");
  command->add_option("--max-length", flags->max_length, "Truncate to this many tokens, special ones included");
  command->add_flag("--no-truncation", flags->no_truncation, "Do not truncate, whatever the files say");
  command->add_option("--stride", flags->stride, "Tokens that overflowing windows share")->needs("--max-length");
  command->add_option("--truncation-strategy", flags->strategy, "How a pair shares the length")
      ->check(sdx::cli::one_of({"longest_first", "only_first", "only_second"}));
  const auto sides = sdx::cli::one_of({"left", "right"});
  command->add_option("--truncation-side", flags->truncation_side, "Where tokens are cut off")->check(sides);
  command->add_option("--padding", flags->padding, "Pad to N tokens, or \"none\"; by default what the files say")
      ->check({[](const std::string& value) {
                 const bool number =
                     !value.empty() && value.size() < 10 && value.find_first_not_of("0123456789") == std::string::npos;
                 return number || value == "none" || value == "longest" ? std::string()
                                                                        : "must be a number, none or longest";
               },
               "number, none or longest"});
  command->add_option("--padding-side", flags->padding_side, "Where padding goes")->check(sides);
  command->add_option("--pad-to-multiple-of", flags->multiple_of, "Round the padded length up");
  command->footer(
      "Examples:\n"
      "  sardonyx tokenize models/bert \"Hello world\"\n"
      "  cat texts.txt | sardonyx tokenize models/bert --json\n"
      "  echo '[\"a question\", \"its context\"]' | sardonyx tokenize models/bert --jsonl --json --max-length 32 "
      "--stride 8");
  command->final_callback([flags] { run_tokenize(*flags); });
}

void add_detokenize(sdx::cli::CommandLine& app) {
  sdx::cli::Subcommand* command = app.add_subcommand("detokenize", "Turn token ids back into text");
  auto flags = std::make_shared<DetokenizeFlags>();
  command->add_option("FOLDER", flags->folder, "Hub folder, or a tokenizer.json")->required();
  command->add_option("ID", flags->ids, "Ids; without any, one JSON array a line from standard input");
  command->add_flag("--json", flags->json, "Print each text as a JSON string");
  command->add_flag("--skip-special-tokens", flags->skip_special_tokens, "Leave out [CLS], </s> and the like");
  command->add_flag("--clean-up,!--no-clean-up", flags->clean_up, "Remove spaces before punctuation");
  command->footer(
      "Examples:\n"
      "  sardonyx detokenize models/bert 101 7592 2088 102 --skip-special-tokens\n"
      "  echo '[101, 7592, 2088, 102]' | sardonyx detokenize models/bert --json");
  command->final_callback([flags] { run_detokenize(*flags); });
}

}  // namespace

void add_tokenize_commands(sdx::cli::CommandLine& app) {
  add_tokenize(app);
  add_detokenize(app);
}

}  // namespace sardonyx::cli
