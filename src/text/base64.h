// Base64 decoding (RFC 4648, section 4).
#pragma once

#include <string>
#include <string_view>

namespace sdx::text {

/// Throws InvalidModel where `text` is not base64; `what` names it.
std::string decode_base64(std::string_view text, std::string_view what);

}  // namespace sdx::text
