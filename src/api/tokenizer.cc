// The public Tokenizer: conversions between public and internal types.
#include "sardonyx/tokenizer.h"

#include "api/translate.h"
#include "text/tokenizer.h"

namespace sardonyx {
namespace {

using sdx::api::guarded;
namespace text = sdx::text;

text::Direction direction(Side side) { return side == Side::Left ? text::Direction::kLeft : text::Direction::kRight; }

text::EncodeOptions internal(const EncodeOptions& options, const text::Tokenizer& tokenizer) {
  text::EncodeOptions out;
  out.add_special_tokens = options.add_special_tokens;
  out.offsets = options.offsets == OffsetUnit::Bytes ? text::OffsetUnit::kBytes : text::OffsetUnit::kCharacters;
  out.own_truncation = options.own_truncation;
  out.own_padding = options.own_padding;
  if (const auto& t = options.truncation) {
    const auto strategy = static_cast<text::TruncationStrategy>(static_cast<int>(t->strategy));
    out.truncation = text::Truncation{t->max_length, t->stride, strategy, direction(t->side)};
  }
  if (const auto& p = options.padding) {
    text::Padding padding = tokenizer.default_padding();
    padding.length = p->length;
    padding.direction = direction(p->side);
    padding.multiple_of = p->multiple_of;
    out.padding = padding;
  }
  return out;
}

Encoding external(const text::Encoding& e, const text::Tokenizer& tokenizer, bool with_tokens) {
  Encoding out;
  out.ids.assign(e.ids.begin(), e.ids.end());
  out.type_ids.assign(e.type_ids.begin(), e.type_ids.end());
  out.attention_mask.assign(e.attention_mask.begin(), e.attention_mask.end());
  out.special_tokens_mask.assign(e.special_tokens_mask.begin(), e.special_tokens_mask.end());
  out.offsets.reserve(e.size());
  for (const text::Align& o : e.offsets) out.offsets.emplace_back(o.begin, o.end);
  out.word_ids.assign(e.word_ids.begin(), e.word_ids.end());
  out.sequence_ids.assign(e.sequence_ids.begin(), e.sequence_ids.end());
  if (with_tokens) out.tokens = tokenizer.tokens(e);
  for (const text::Encoding& window : e.overflowing)
    out.overflowing.push_back(external(window, tokenizer, with_tokens));
  return out;
}

text::DecodeOptions internal(const DecodeOptions& options) {
  return {options.skip_special_tokens, options.clean_up_spaces};
}

uint32_t checked_id(int64_t id) {
  if (id < 0 || id > UINT32_MAX) {
    sdx::fail(sdx::ErrorKind::kInvalidInput, "the id ", id, " is out of range; ids are between 0 and ", UINT32_MAX);
  }
  return static_cast<uint32_t>(id);
}

}  // namespace

struct Tokenizer::Impl {
  text::Tokenizer tokenizer;
};

struct Tokenizer::Stream::Impl {
  text::StreamDecoder decoder;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::string& path) {
  return guarded([&] { return Tokenizer(std::make_unique<Impl>(Impl{text::Tokenizer::load(path)})); });
}

Encoding Tokenizer::encode(const TextInput& input, const EncodeOptions& options) const {
  return std::move(encode_batch({input}, options)[0]);
}

std::vector<Encoding> Tokenizer::encode_batch(const std::vector<TextInput>& inputs,
                                              const EncodeOptions& options) const {
  return guarded([&] {
    std::vector<text::Input> texts;
    texts.reserve(inputs.size());
    for (const TextInput& input : inputs) texts.push_back({input.first, input.second});
    const auto encodings =
        impl_->tokenizer.encode_batch(texts, internal(options, impl_->tokenizer), sdx::Parallel(options.threads));
    std::vector<Encoding> out;
    out.reserve(encodings.size());
    for (const text::Encoding& e : encodings) out.push_back(external(e, impl_->tokenizer, options.with_tokens));
    return out;
  });
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, const DecodeOptions& options) const {
  return guarded([&] {
    std::vector<uint32_t> checked;
    checked.reserve(ids.size());
    for (const int64_t id : ids) checked.push_back(checked_id(id));
    return impl_->tokenizer.decode(checked, internal(options));
  });
}

std::optional<int64_t> Tokenizer::token_to_id(std::string_view token) const {
  const auto id = impl_->tokenizer.token_to_id(token);
  return id ? std::optional<int64_t>(*id) : std::nullopt;
}

std::optional<std::string> Tokenizer::id_to_token(int64_t id) const {
  return guarded([&] { return impl_->tokenizer.id_to_token(checked_id(id)); });
}

bool Tokenizer::is_special(int64_t id) const {
  return guarded([&] { return impl_->tokenizer.is_special(checked_id(id)); });
}

size_t Tokenizer::vocab_size(bool with_added) const { return impl_->tokenizer.vocab_size(with_added); }

std::optional<std::string> Tokenizer::special_token(const std::string& role) const {
  const auto& all = impl_->tokenizer.special_tokens();
  const auto it = all.find(role);
  return it == all.end() ? std::nullopt : std::optional<std::string>(it->second);
}

Tokenizer::Stream Tokenizer::stream(const DecodeOptions& options) const {
  return Stream(std::make_unique<Stream::Impl>(Stream::Impl{{impl_->tokenizer, internal(options)}}));
}

Tokenizer::Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Stream::~Stream() = default;
Tokenizer::Stream::Stream(Stream&&) noexcept = default;
Tokenizer::Stream& Tokenizer::Stream::operator=(Stream&&) noexcept = default;

std::string Tokenizer::Stream::push(int64_t id) {
  return guarded([&] { return impl_->decoder.push(checked_id(id)); });
}

std::string Tokenizer::Stream::finish() {
  return guarded([&] { return impl_->decoder.finish(); });
}

}  // namespace sardonyx
