// The subcommands tokenize and detokenize: flags, lines in, lines out.
#include "cli/tokenize.h"

#include <unistd.h>

#include <algorithm>
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
  if (flags.padding == "none" || flags.padding == "do_not_pad") {
    options.own_padding = false;
  } else if (!flags.padding.empty()) {
    Padding p;
    if (flags.padding == "max_length") {
      p.length = *flags.max_length;
    } else if (flags.padding != "longest") {
      p.length = std::stoull(flags.padding);
    }
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

/// Lines of input that failed: each has an object with "error" in its place, and the command fails at the end.
class Failures {
 public:
  void add(uint64_t line, ErrorKind kind, const std::string& message) {
    if (count_++ > 0) return;
    kind_ = kind;
    first_ = "line " + std::to_string(line) + ": " + message;
  }

  void raise() const {
    if (count_ == 0) return;
    std::fflush(stdout);
    const std::string all = count_ == 1 ? first_ : first_ + " (and " + std::to_string(count_ - 1) + " more lines)";
    throw Error(kind_, all, all, {});
  }

 private:
  uint64_t count_ = 0;
  ErrorKind kind_ = ErrorKind::InvalidInput;
  std::string first_;
};

/// The text or pair of a line of input, as it stands or as JSON. Throws InvalidInput.
std::vector<std::string> texts_of(std::string_view line, bool json) {
  if (!json) return {std::string(line)};
  bool array = false;
  auto texts = parse_strings(line, array);
  if (texts && !texts->empty() && texts->size() <= 2) return std::move(*texts);
  constexpr const char* kMessage = "the line is neither a JSON string nor an array of one or two strings";
  throw Error(ErrorKind::InvalidInput, kMessage, kMessage, {});
}

Encoding encode(const Tokenizer& tokenizer, const std::vector<std::string>& texts, const EncodeOptions& options) {
  return texts.size() == 2 ? tokenizer.encode({texts[0], texts[1]}, options) : tokenizer.encode(texts[0], options);
}

/// Calls `answer(line, out)` for each line of standard input and prints what it appends to `out`.
template <class Answer>
void answer_lines(Answer answer) {
  Failures failures;
  LineReader reader([] { std::fflush(stdout); });
  std::string out;
  uint64_t number = 0;
  for (std::string_view line; reader.next(line);) {
    ++number;
    try {
      answer(line, out);
    } catch (const Error& e) {
      out.clear();
      append_error(out, e.what());
      failures.add(number, e.kind(), e.what());
    }
    print_line(out);
  }
  failures.raise();
}

void tokenize_lines(const Tokenizer& tokenizer, const TokenizeFlags& flags) {
  const EncodeOptions options = encode_options(flags);
  answer_lines([&](std::string_view line, std::string& out) {
    append_encoding(out, encode(tokenizer, texts_of(line, flags.jsonl), options));
  });
}

/// As tokenize_lines, but every line is padded to the longest of all, which takes reading them all first.
void tokenize_lines_together(const Tokenizer& tokenizer, const TokenizeFlags& flags) {
  EncodeOptions options = encode_options(flags);
  EncodeOptions bare = options;
  bare.with_tokens = bare.own_padding = false;
  bare.padding.reset();
  std::vector<std::string> lines;
  uint64_t longest = 0;
  LineReader reader([] {});
  for (std::string_view line; reader.next(line);) {
    lines.emplace_back(line);
    try {
      longest = std::max<uint64_t>(longest, encode(tokenizer, texts_of(line, flags.jsonl), bare).ids.size());
    } catch (const Error&) {
      continue;  // reported in its turn below
    }
  }
  options.padding->length = longest;
  Failures failures;
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    try {
      append_encoding(out, encode(tokenizer, texts_of(lines[i], flags.jsonl), options));
    } catch (const Error& e) {
      out.clear();
      append_error(out, e.what());
      failures.add(i + 1, e.kind(), e.what());
    }
    print_line(out);
  }
  failures.raise();
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
  if (flags.json || flags.jsonl) {
    return flags.padding == "longest" ? tokenize_lines_together(tokenizer, flags) : tokenize_lines(tokenizer, flags);
  }
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
  answer_lines([&](std::string_view line, std::string& out) {
    const auto ids = parse_ids(line);
    constexpr const char* kMessage = "the line is not a JSON array of ids";
    if (!ids) throw Error(ErrorKind::InvalidInput, kMessage, kMessage, {});
    const std::string text = tokenizer.decode(*ids, options);
    flags.json ? append_json_string(out, text) : static_cast<void>(out += text);
  });
}

void add_tokenize(sdx::cli::CommandLine& app) {
  sdx::cli::Subcommand* command =
      app.add_subcommand("tokenize", "Turn text into tokens with the tokenizer of a folder");
  auto flags = std::make_shared<TokenizeFlags>();
  command->add_option("FOLDER", flags->folder, "Hub folder, a tokenizer.json, or a SentencePiece model")->required();
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
  command
      ->add_option(
          "--padding", flags->padding,
          "Pad to N tokens, to the \"longest\" line (also where no value is given) or to \"max_length\"; \"none\": "
          "do not; by default what the files say")
      ->value_if_bare("longest")
      ->check({[](const std::string& value) {
                 const bool number =
                     !value.empty() && value.size() < 10 && value.find_first_not_of("0123456789") == std::string::npos;
                 const bool named =
                     value == "none" || value == "do_not_pad" || value == "longest" || value == "max_length";
                 return number || named ? std::string() : "must be a number, longest, max_length or none";
               },
               "number, longest, max_length or none"});
  command->add_option("--padding-side", flags->padding_side, "Where padding goes")->check(sides);
  command->add_option("--pad-to-multiple-of", flags->multiple_of, "Round the padded length up");
  command->footer(
      "Examples:\n"
      "  sardonyx tokenize models/bert \"Hello world\"\n"
      "  cat texts.txt | sardonyx tokenize models/bert --json\n"
      "  echo '[\"a question\", \"its context\"]' | sardonyx tokenize models/bert --jsonl --json --max-length 32 "
      "--stride 8");
  command->final_callback([flags] {
    if (flags->padding == "max_length" && !flags->max_length) {
      throw sdx::cli::UsageError{"--padding: max_length needs --max-length, the length to pad to"};
    }
    run_tokenize(*flags);
  });
}

void add_detokenize(sdx::cli::CommandLine& app) {
  sdx::cli::Subcommand* command = app.add_subcommand("detokenize", "Turn token ids back into text");
  auto flags = std::make_shared<DetokenizeFlags>();
  command->add_option("FOLDER", flags->folder, "Hub folder, a tokenizer.json, or a SentencePiece model")->required();
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
