// A SentencePiece model as the parts of a tokenizer: a normaliser, a model and a decoder.
#pragma once

#include <cstdint>
#include <memory>

#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/sentencepiece.h"
#include "text/vocab.h"

namespace sdx::text {

using SentencePiecePtr = std::shared_ptr<const SentencePiece>;

/// Offsets come out as libsentencepiece's spans: a character that was removed belongs to the piece before it.
NormalizerPtr make_spm_normalizer(SentencePiecePtr spm);

/// A model whose ids are those of `vocab` and whose pieces are looked up there by their text; `unknown` is the token
/// for pieces that `vocab` lacks. Throws InvalidModel where `vocab` lacks `unknown`.
std::unique_ptr<Model> make_spm_model(SentencePiecePtr spm, Vocab vocab, const std::string& unknown);

enum class SpmDecoding : uint8_t {
  kPlain,
  kMarian,  ///< a space after each verbatim token, none at both ends
};

/// Joins pieces as the model does; the tokens in `verbatim` stand for themselves.
DecoderPtr make_spm_decoder(SentencePiecePtr spm, std::vector<std::string> verbatim,
                            SpmDecoding decoding = SpmDecoding::kPlain);

}  // namespace sdx::text
