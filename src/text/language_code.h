// The language codes of Marian's texts: ">>fra<<" before a text names the language to translate it into.
#pragma once

#include <string_view>

#include "text/normalizer.h"

namespace sdx::text {

/// The language code that `text` begins with, or nothing. As transformers' MarianTokenizer has it, a code reaches from
/// ">>" to the last "<<" of the line, with at least one character between them.
std::string_view leading_language_code(std::string_view text);

/// Removes every language code; the leading one is cut off before.
NormalizerPtr make_language_code_removal();

}  // namespace sdx::text
