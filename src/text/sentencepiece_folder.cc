// Loading folders that hold SentencePiece files: T5, XLM-R, ALBERT, Llama and Marian by their conventions.
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "text/folder_parts.h"
#include "text/json_reader.h"
#include "text/language_code.h"
#include "text/loaders.h"
#include "text/spm_parts.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxModelBytes = size_t{1} << 30;

SentencePiecePtr read_model(const std::string& path) try {
  return std::make_shared<SentencePiece>(SentencePiece::parse(read_file(path, kMaxModelBytes)));
} catch (Error& error) {
  error.within(path);
  throw;
}

/// Ids as in the file.
Vocab plain_vocab(const SentencePiece& spm) {
  Vocab vocab;
  for (size_t i = 0; i < spm.size(); ++i) vocab.add(spm.pieces()[i].text, i);
  return vocab;
}

/// XLM-R's ids: <s> <pad> </s> <unk>, then the file's pieces from its fourth on, shifted by one, then <mask>.
Vocab shifted_vocab(const SentencePiece& spm) {
  Vocab vocab;
  uint64_t id = 0;
  for (const char* name : {"<s>", "<pad>", "</s>", "<unk>"}) vocab.add(name, id++);
  for (size_t i = 3; i < spm.size(); ++i) vocab.add(spm.pieces()[i].text, i + 1);
  vocab.add("<mask>", spm.size() + 1);
  return vocab;
}

bool is_shifted(const SentencePiece& spm) {
  return spm.size() > 3 && spm.pieces()[0].text == "<unk>" && spm.pieces()[1].text == "<s>" &&
         spm.pieces()[2].text == "</s>";
}

/// Control and unknown pieces, as special tokens.
std::vector<AddedToken> control_tokens(const SentencePiece& spm) {
  std::vector<AddedToken> list;
  for (const SpmEntry& entry : spm.pieces()) {
    if (entry.type == PieceType::kControl || entry.type == PieceType::kUnknown)
      list.push_back(special_token(entry.text));
  }
  return list;
}

enum class Family : uint8_t { kT5, kXlmRoberta, kAlbert, kLlama };

Family family_of(const std::string& file, const FolderConfig& config, const SentencePiece& spm) {
  const std::string name = config.family();
  if (name == "t5" || name == "mt5") return Family::kT5;
  if (name == "xlmroberta" || name == "barthez") return Family::kXlmRoberta;
  if (name == "albert") return Family::kAlbert;
  if (name == "llama") return Family::kLlama;
  if (!name.empty()) {
    fail(ErrorKind::kUnsupportedModel, "the tokenizer family \"", name, "\" cannot be rebuilt from ", file,
         " alone; export tokenizer.json with the model");
  }
  if (file == "sentencepiece.bpe.model") return Family::kXlmRoberta;
  if (file == "tokenizer.model") return Family::kLlama;
  return spm.id_of("[CLS]") != spm.unknown_id() ? Family::kAlbert : Family::kT5;
}

/// What surrounds texts in a family, and the roles of its tokens.
void add_family(TokenizerParts& parts, Family family, const FolderConfig& config) {
  const Model& model = *parts.model;
  if (family == Family::kXlmRoberta) {
    parts.post_processor = make_surroundings(model, {"<s>", "A", "</s>"}, {"<s>", "A", "</s>", "</s>", "B", "</s>"});
    set_roles(parts, {{"bos", "<s>"}, {"eos", "</s>"}, {"sep", "</s>"}, {"cls", "<s>"}, {"mask", "<mask>"}});
  } else if (family == Family::kAlbert) {
    parts.post_processor = make_surroundings(model, {"[CLS]", "A", "[SEP]"}, {"[CLS]", "A", "[SEP]", "B/1", "[SEP]/1"});
    set_roles(parts, {{"bos", "[CLS]"}, {"eos", "[SEP]"}, {"sep", "[SEP]"}, {"cls", "[CLS]"}, {"mask", "[MASK]"}});
  } else if (family == Family::kLlama) {
    const std::string bos = config.flag("add_bos_token").value_or(true) ? "<s>" : "";
    const std::string eos = config.flag("add_eos_token").value_or(false) ? "</s>" : "";
    parts.post_processor = make_surroundings(model, {bos, "A", eos}, {bos, "A", eos, bos + "/1", "B/1", eos + "/1"});
    set_roles(parts, {{"bos", "<s>"}, {"eos", "</s>"}});
  } else {
    parts.post_processor = make_surroundings(model, {"A", "</s>"}, {"A", "</s>", "B", "</s>"});
    set_roles(parts, {{"eos", "</s>"}});
  }
  set_roles(parts, {{"unk", "<unk>"}, {"pad", "<pad>"}});
}

/// T5's sentinels <extra_id_99> … <extra_id_0>, which follow the pieces.
void add_sentinels(const SentencePiece& spm, const FolderConfig& config, Vocab& vocab,
                   std::vector<AddedToken>& tokens) {
  const auto found = config.tokenizer.find("extra_ids");
  const bool given = found != config.tokenizer.end() && found->is_number_unsigned();
  const uint64_t count = given ? std::min<uint64_t>(found->get<uint64_t>(), 10'000) : 100;
  for (uint64_t i = 0; i < count; ++i) {
    tokens.push_back(special_token("<extra_id_" + std::to_string(count - 1 - i) + ">"));
    vocab.add(tokens.back().content, spm.size() + i);
  }
}

/// XLM-R's tokens that the model file does not mark as special. Its <mask> takes the spaces before it along; Barthez's
/// does not.
void add_pad_and_mask(const FolderConfig& config, const Vocab& vocab, std::vector<AddedToken>& tokens) {
  for (const char* name : {"<pad>", "<mask>"}) {
    const bool there =
        std::any_of(tokens.begin(), tokens.end(), [&](const AddedToken& t) { return t.content == name; });
    if (there || vocab.find(name) == kNone) continue;
    tokens.push_back(special_token(name));
    tokens.back().lstrip = name == std::string_view("<mask>") && config.family() == "xlmroberta";
  }
}

/// AlbertTokenizer's own clean-up, before the model's.
void add_albert_steps(const FolderConfig& config, std::vector<NormalizerPtr>& steps) {
  steps.push_back(make_replace(Pattern::literal("``"), "\""));
  steps.push_back(make_replace(Pattern::literal("''"), "\""));
  if (!config.flag("keep_accents").value_or(false)) {
    steps.push_back(make_unicode_normalizer(UnicodeForm::kNfkd));
    steps.push_back(make_strip_accents());
  }
  if (config.flag("do_lower_case").value_or(true)) steps.push_back(make_lowercase());
}

bool never(const std::string&) { return false; }

std::vector<std::string> contents_of(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> list;
  for (const AddedToken& token : tokens) list.push_back(token.content);
  return list;
}

TokenizerParts load_single(const std::string& folder, const std::string& file, const FolderConfig& config) {
  const SentencePiecePtr spm = read_model(folder + "/" + file);
  const Family family = family_of(file, config, *spm);
  const bool shifted = family == Family::kXlmRoberta && is_shifted(*spm);
  Vocab vocab = shifted ? shifted_vocab(*spm) : plain_vocab(*spm);
  TokenizerParts parts;
  parts.added_tokens = control_tokens(*spm);
  if (family == Family::kXlmRoberta) add_pad_and_mask(config, vocab, parts.added_tokens);
  if (family == Family::kT5) add_sentinels(*spm, config, vocab, parts.added_tokens);
  add_configured_tokens(config, never, vocab, parts.added_tokens);
  parts.model = make_spm_model(spm, std::move(vocab), spm->piece(spm->unknown_id()).text);
  std::vector<NormalizerPtr> steps;
  if (config.family() == "albert") add_albert_steps(config, steps);
  steps.push_back(make_spm_normalizer(spm));
  parts.normalizer = steps.size() == 1 ? std::move(steps.front()) : make_normalizer_sequence(std::move(steps));
  parts.decoder = make_spm_decoder(spm, contents_of(parts.added_tokens));
  add_family(parts, family, config);
  return parts;
}

/// Marian: source.spm cuts, vocab.json numbers, target.spm joins; a language code before the text is a token of its
/// own.
TokenizerParts load_marian(const std::string& folder, const FolderConfig& config) {
  if (config.flag("separate_vocabs").value_or(false)) {
    fail(ErrorKind::kUnsupportedModel,
         "the tokenizer has a vocabulary of its own for each language (separate_vocabs), which is not supported; use a "
         "model with one vocab.json for both");
  }
  const SentencePiecePtr source = read_model(folder + "/source.spm");
  const bool two = file_exists(folder + "/target.spm");
  const SentencePiecePtr target = two ? read_model(folder + "/target.spm") : source;
  Vocab vocab = read_vocab_json(folder + "/vocab.json");
  TokenizerParts parts;
  for (const char* name : {"</s>", "<unk>", "<pad>"}) parts.added_tokens.push_back(special_token(name));
  add_configured_tokens(config, never, vocab, parts.added_tokens);
  parts.model = make_spm_model(source, std::move(vocab), "<unk>");
  std::vector<NormalizerPtr> steps;
  steps.push_back(make_language_code_removal());
  steps.push_back(make_spm_normalizer(source));
  parts.normalizer = make_normalizer_sequence(std::move(steps));
  parts.unknown_language_code = static_cast<uint32_t>(parts.model->find("<unk>"));
  parts.post_processor = make_surroundings(*parts.model, {"A", "</s>"}, {"A", "B", "</s>"});
  parts.decoder = make_spm_decoder(target, contents_of(parts.added_tokens), SpmDecoding::kMarian);
  set_roles(parts, {{"eos", "</s>"}, {"unk", "<unk>"}, {"pad", "<pad>"}});
  return parts;
}

}  // namespace

TokenizerParts load_sentencepiece_file(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  return load_single(folder, path.substr(slash + 1), FolderConfig::load(folder));
}

std::optional<TokenizerParts> load_sentencepiece_folder(const std::string& folder, const FolderConfig& config) {
  if (file_exists(folder + "/source.spm") && file_exists(folder + "/vocab.json")) return load_marian(folder, config);
  for (const char* file : {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model"}) {
    if (file_exists(folder + "/" + file)) return load_single(folder, file, config);
  }
  return std::nullopt;
}

}  // namespace sdx::text
