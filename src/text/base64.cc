// Base64 decoding.
#include "text/base64.h"

#include <array>
#include <cstdint>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr std::array<int8_t, 256> make_digits() {
  std::array<int8_t, 256> table{};
  for (auto& d : table) d = -1;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kDigits.size(); ++i) table[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  return table;
}

constexpr std::array<int8_t, 256> kDigits = make_digits();

}  // namespace

std::string decode_base64(std::string_view text, std::string_view what) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = kDigits[static_cast<uint8_t>(c)];
    if (digit < 0) fail(ErrorKind::kInvalidModel, what, " is not base64; get the file again");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

}  // namespace sdx::text
