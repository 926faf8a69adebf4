# Tokenizers stand alone above base/.
find_package(simdjson REQUIRED)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
sardonyx_folder(text LINKS base PRIVATE simdjson::simdjson PkgConfig::utf8proc PkgConfig::pcre2)
