// vocab.json and merges.txt as GPT-2, OPT, RoBERTa, DeBERTa, Blenderbot, CLIP and Whisper use them.
#include <string_view>

#include "base/error.h"
#include "text/folder_parts.h"
#include "text/json_reader.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxMergesBytes = size_t{1} << 28;

/// Two tokens a line, best first; a first line that begins with "#version" is no merge.
Merges parse_merges(const std::string& text) {
  Merges merges;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorKind::kInvalidModel, "merges.txt has the line \"", line.substr(0, 60),
           "\" but a merge is two tokens with one space between them; correct it");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

enum class Family : uint8_t { kGpt2, kRoberta, kDeberta, kBlenderbot, kClip, kWhisper };

Family family_of(const FolderConfig& config, const Vocab& vocab) {
  const std::string name = config.family();
  for (const char* known : {"gpt2", "gptneo", "gptj", "codegen", "phi", "opt"}) {
    if (name == known) return Family::kGpt2;
  }
  for (const char* known : {"roberta", "bart", "longformer", "led"}) {
    if (name == known) return Family::kRoberta;
  }
  if (name == "deberta") return Family::kDeberta;
  if (name == "blenderbot") return Family::kBlenderbot;
  if (name == "clip") return Family::kClip;
  if (name == "whisper") return Family::kWhisper;
  if (!name.empty()) {
    fail(ErrorKind::kUnsupportedModel, "the tokenizer family \"", name,
         "\" cannot be rebuilt from vocab.json and merges.txt; export tokenizer.json with the model");
  }
  if (vocab.find("<|startoftext|>") != kNone) return Family::kClip;
  return vocab.find("<s>") != kNone && vocab.find("<mask>") != kNone ? Family::kRoberta : Family::kGpt2;
}

bool in_bars(const std::string& token) { return token.size() > 4 && token.starts_with("<|") && token.ends_with("|>"); }
bool never(const std::string&) { return false; }

/// The special tokens that a family has by itself.
std::vector<AddedToken> own_tokens(Family family) {
  std::vector<AddedToken> tokens;
  const auto add = [&](const char* content) { tokens.push_back(special_token(content)); };
  if (family == Family::kRoberta || family == Family::kBlenderbot) {
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}) add(token);
    tokens.back().lstrip = true;
  } else if (family == Family::kDeberta) {
    for (const char* token : {"[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"}) add(token);
    tokens.back().lstrip = true;
  } else {
    if (family == Family::kClip) add("<|startoftext|>");
    add("<|endoftext|>");
  }
  return tokens;
}

PostProcessorPtr roberta_processing(const Model& model, const char* classifier, const char* separator, bool trim,
                                    bool prefix) {
  const int32_t cls = model.find(classifier), sep = model.find(separator);
  if (cls == kNone || sep == kNone) {
    fail(ErrorKind::kInvalidModel, "vocab.json lacks \"", cls == kNone ? classifier : separator, "\"; fetch it again");
  }
  return make_roberta_processing({separator, static_cast<uint32_t>(sep)}, {classifier, static_cast<uint32_t>(cls)},
                                 trim, prefix);
}

/// CLIP cuts words without their spaces, in lower case, and marks their ends.
void add_clip_steps(TokenizerParts& parts) {
  std::vector<NormalizerPtr> steps;
  steps.push_back(make_unicode_normalizer(UnicodeForm::kNfc));
  steps.push_back(make_replace(Pattern::regex("\\s+"), " "));
  steps.push_back(make_lowercase());
  parts.normalizer = make_normalizer_sequence(std::move(steps));
  std::vector<PreTokenizerPtr> cuts;
  cuts.push_back(make_split(
      Pattern::regex(
          "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"),
      SplitBehavior::kRemoved, true));
  cuts.push_back(make_byte_level({false, true, true}));
  parts.pretokenizer = make_pretokenizer_sequence(std::move(cuts));
  std::vector<DecoderPtr> joins;
  joins.push_back(make_byte_level_decoder());
  joins.push_back(make_replace_decoder(Pattern::literal("</w>"), " "));
  joins.push_back(make_strip_decoder(U' ', UINT64_MAX, UINT64_MAX));
  parts.decoder = make_decoder_sequence(std::move(joins));
}

void set_roberta_roles(TokenizerParts& parts) {
  set_roles(parts, {{"bos", "<s>"}, {"eos", "</s>"}, {"sep", "</s>"}, {"cls", "<s>"}});
  set_roles(parts, {{"unk", "<unk>"}, {"pad", "<pad>"}, {"mask", "<mask>"}});
}

/// GPT-2's texts stand alone, or behind the first token where add_bos_token asks for it, as OPT's files do.
void add_gpt2_steps(TokenizerParts& parts, const FolderConfig& config) {
  const auto named = config.special("bos_token");
  const std::string bos = named ? named->content : "<|endoftext|>";
  if (config.flag("add_bos_token").value_or(false)) {
    parts.post_processor = make_surroundings(*parts.model, {bos, "A"}, {bos, "A", "B/1"});
  } else {
    parts.post_processor = make_byte_level_processing(false, true);
  }
  set_roles(parts, {{"bos", bos}, {"eos", "<|endoftext|>"}, {"unk", "<|endoftext|>"}});
}

void add_family(TokenizerParts& parts, Family family, const FolderConfig& config) {
  const Model& model = *parts.model;
  const bool prefix = config.flag("add_prefix_space").value_or(false);
  if (family == Family::kClip) {
    add_clip_steps(parts);
    parts.post_processor = roberta_processing(model, "<|startoftext|>", "<|endoftext|>", false, false);
    set_roles(
        parts,
        {{"bos", "<|startoftext|>"}, {"eos", "<|endoftext|>"}, {"unk", "<|endoftext|>"}, {"pad", "<|endoftext|>"}});
    return;
  }
  parts.pretokenizer = make_byte_level({prefix, true, true});
  parts.decoder = make_byte_level_decoder();
  if (family == Family::kRoberta) {
    parts.post_processor = roberta_processing(model, "<s>", "</s>", true, prefix);
    set_roberta_roles(parts);
  } else if (family == Family::kWhisper) {
    parts.post_processor =
        make_surroundings(model, {"<|startoftranscript|>", "<|notimestamps|>", "A", "<|endoftext|>"},
                          {"<|startoftranscript|>", "<|notimestamps|>", "A", "B/1", "<|endoftext|>/1"});
    set_roles(parts,
              {{"bos", "<|endoftext|>"}, {"eos", "<|endoftext|>"}, {"unk", "<|endoftext|>"}, {"pad", "<|endoftext|>"}});
  } else if (family == Family::kDeberta) {
    parts.post_processor = make_surroundings(model, {"[CLS]", "A", "[SEP]"}, {"[CLS]", "A", "[SEP]", "B/1", "[SEP]/1"});
    set_roles(parts, {{"bos", "[CLS]"}, {"eos", "[SEP]"}, {"sep", "[SEP]"}, {"cls", "[CLS]"}});
    set_roles(parts, {{"unk", "[UNK]"}, {"pad", "[PAD]"}, {"mask", "[MASK]"}});
  } else if (family == Family::kBlenderbot) {
    parts.post_processor = make_surroundings(model, {"A", "</s>"}, {"A", "B/1"});
    set_roberta_roles(parts);
  } else {
    add_gpt2_steps(parts, config);
  }
}

}  // namespace

TokenizerParts load_byte_level_folder(const std::string& folder, const FolderConfig& config) {
  Vocab vocab = read_vocab_json(folder + "/vocab.json");
  const std::string merges = read_file(folder + "/merges.txt", kMaxMergesBytes);
  const Family family = family_of(config, vocab);
  TokenizerParts parts;
  for (AddedToken& token : own_tokens(family)) {
    if (vocab.find(token.content) != kNone || family == Family::kWhisper)
      parts.added_tokens.push_back(std::move(token));
  }
  if (family == Family::kWhisper && vocab.find("<|endoftext|>") == kNone) vocab.add("<|endoftext|>", vocab.id_limit());
  add_configured_tokens(config, family == Family::kWhisper ? in_bars : never, vocab, parts.added_tokens);
  BpeOptions options;
  if (family == Family::kClip) {
    options.suffix = "</w>";
    options.unknown = "<|endoftext|>";
  }
  parts.model = make_bpe(std::move(vocab), parse_merges(merges), std::move(options), true);
  add_family(parts, family, config);
  if (!parts.model->takes_raw_bytes()) {
    std::vector<PreTokenizerPtr> steps;
    steps.push_back(std::move(parts.pretokenizer));
    steps.push_back(make_byte_level({false, false, false}));
    parts.pretokenizer = make_pretokenizer_sequence(std::move(steps));
  }
  return parts;
}

}  // namespace sdx::text
