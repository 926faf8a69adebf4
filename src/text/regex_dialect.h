// Oniguruma's dialect of regular expressions in PCRE2's.
#pragma once

#include <string>
#include <string_view>

namespace sdx::text {

/// Rewrites `pattern` for PCRE2 with UTF, UCP and MULTILINE: character classes of the same meaning and Unicode version,
/// intersections and negated classes within classes, options and escapes that the two spell differently.
/// Throws Resource where classes nest too deep. What neither knows is left for PCRE2 to refuse.
std::string translate_pattern(std::string_view pattern);

}  // namespace sdx::text
