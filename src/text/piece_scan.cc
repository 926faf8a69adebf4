// scan_pieces: finds the vocabulary, cuts its text into sections and reads them at the same time.
#include "text/piece_scan.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <new>
#include <vector>

#include "base/parallel.h"
#include "text/score.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kSectionBytes = size_t{1} << 19;
/// Entries rarely have fewer bytes.
constexpr size_t kUsualEntry = 24;
constexpr size_t kMaxText = size_t{1} << 30;

using Text = UnigramPieces::Array<char>;

bool is_white(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;

/// Eight bytes, the first one lowest.
uint64_t load_eight(const char* p) {
  uint64_t bytes;
  std::memcpy(&bytes, p, 8);
  return std::endian::native == std::endian::little ? bytes : __builtin_bswap64(bytes);
}

/// The number of bytes before the first quote, backslash or control character, or 8.
int plain_bytes(uint64_t bytes) {
  // A borrow only marks bytes behind the first one that is marked rightly.
  const auto below = [](uint64_t x, uint64_t limit) { return (x - kOnes * limit) & ~x & kHigh; };
  return std::countr_zero(below(bytes ^ kOnes * '"', 1) | below(bytes ^ kOnes * '\\', 1) | below(bytes, 0x20)) / 8;
}

bool are_digits(uint64_t bytes) {
  return (bytes & kOnes * 0xF0) == kOnes * 0x30 && ((bytes + kOnes * 6) & kOnes * 0xF0) == kOnes * 0x30;
}

/// The number of eight digits, put together by twos.
uint64_t number_of(uint64_t digits) {
  digits -= kOnes * '0';
  digits = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FF;
  digits = (digits * 100 + (digits >> 16)) & 0x0000FFFF0000FFFF;
  return (digits * 10000 + (digits >> 32)) & 0xFFFFFFFF;
}

/// A place in a JSON text. Its functions move on and are false where the text goes on in another way.
class Cursor {
 public:
  Cursor(std::string_view text, size_t at) : text_(text), p_(text.data() + at), end_(text.data() + text.size()) {}

  size_t position() const { return static_cast<size_t>(p_ - text_.data()); }

  void skip_white() {
    while (p_ < end_ && is_white(*p_)) ++p_;
  }
  /// The character, and white space before and behind it.
  bool take(char c) {
    skip_white();
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    skip_white();
    return true;
  }

  /// What stands between two quotes, as it is written.
  bool raw_string(std::string_view& out) {
    if (p_ == end_ || *p_ != '"') return false;
    const char* const begin = ++p_;
    for (; p_ < end_ && *p_ != '"'; ++p_) {
      if (*p_ == '\\' && ++p_ == end_) return false;
    }
    if (p_ == end_) return false;
    out = {begin, static_cast<size_t>(p_++ - begin)};
    return true;
  }

  /// Any value, without a look at its form.
  bool skip_value() {
    int64_t depth = 0;
    for (std::string_view ignored; p_ < end_; ++p_) {
      if (*p_ == '"') {
        if (!raw_string(ignored)) return false;
        --p_;
      } else if (*p_ == '{' || *p_ == '[') {
        ++depth;
      } else if (*p_ == '}' || *p_ == ']') {
        if (depth-- == 0) return true;
      } else if (*p_ == ',' && depth == 0) {
        return true;
      }
    }
    return false;
  }

  /// Moves to the value of a key of the object that begins here.
  bool enter(std::string_view key) {
    if (!take('{')) return false;
    std::string_view name;
    while (raw_string(name) && name.find('\\') == std::string_view::npos && take(':')) {
      if (name == key) return true;
      if (!skip_value() || !take(',')) return false;
    }
    return false;
  }

  /// Appends a string to `out`.
  bool string(Text& out) {
    if (p_ == end_ || *p_ != '"') return false;
    for (++p_;;) {
      const char* const begin = p_;
      skip_plain();
      out.insert(out.end(), begin, p_);
      if (p_ == end_ || static_cast<uint8_t>(*p_) < 0x20) return false;
      if (*p_++ == '"') return true;
      if (!escape(out)) return false;
    }
  }

  /// A number as the reference reads it.
  bool number(double& out) {
    const char* const begin = p_;
    const bool negative = p_ < end_ && *p_ == '-';
    p_ += negative ? 1 : 0;
    const char* const whole = p_;
    uint64_t digits = 0;
    read_digits(digits);
    const auto before = p_ - whole;
    if (before == 0 || before > kMostDigits || (before > 1 && *whole == '0')) return false;
    int64_t behind = 0;
    if (p_ < end_ && *p_ == '.') {
      const char* const fraction = ++p_;
      read_digits(digits);
      behind = p_ - fraction;
      if (behind == 0) return false;
    }
    const bool has_exponent = p_ < end_ && (*p_ == 'e' || *p_ == 'E');
    if (has_exponent || before + behind > kMostDigits) return any_number(begin, out);
    const double value = static_cast<double>(digits) / kPowers[behind];
    out = negative ? -value : value;
    return true;
  }

 private:
  /// So many digits fit in 64 bits whatever they are, and ten to this power in a double.
  static constexpr int64_t kMostDigits = 18;
  static constexpr double kPowers[kMostDigits + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                                      1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

  /// Moves to the next quote, backslash or control character.
  void skip_plain() {
    for (int plain = 8; plain == 8 && end_ - p_ >= 8; p_ += plain) plain = plain_bytes(load_eight(p_));
    while (p_ < end_ && *p_ != '"' && *p_ != '\\' && static_cast<uint8_t>(*p_) >= 0x20) ++p_;
  }

  /// Appends digits to a number, whether they fit in it or not.
  void read_digits(uint64_t& number) {
    for (uint64_t eight; end_ - p_ >= 8 && are_digits(eight = load_eight(p_)); p_ += 8)
      number = number * 100'000'000 + number_of(eight);
    for (; p_ < end_ && is_digit(*p_); ++p_) number = number * 10 + static_cast<uint64_t>(*p_ - '0');
  }

  /// The rest of a number that began at `begin` and has digits in front and behind a point, or an exponent.
  bool any_number(const char* begin, double& out) {
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      p_ += p_ < end_ && (*p_ == '+' || *p_ == '-') ? 1 : 0;
      const char* const exponent = p_;
      while (p_ < end_ && is_digit(*p_)) ++p_;
      if (p_ == exponent) return false;
    }
    double exact = 0;
    const auto [last, error] = std::from_chars(begin, p_, exact);
    out = twice_rounded(exact);
    return error == std::errc() && last == p_;
  }

  /// What follows a backslash; surrogates are left to the parser.
  bool escape(Text& out) {
    if (p_ == end_) return false;
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char name = *p_++;
    if (const size_t i = kNames.find(name); i != std::string_view::npos) {
      out.push_back(kMeanings[i]);
      return true;
    }
    if (name != 'u' || end_ - p_ < 4) return false;
    uint32_t code = 0;
    if (std::from_chars(p_, p_ + 4, code, 16).ptr != p_ + 4 || (code >= 0xD800 && code < 0xE000)) return false;
    p_ += 4;
    char bytes[4];
    out.insert(out.end(), bytes, bytes + encode_utf8(code, bytes));
    return true;
  }

  std::string_view text_;
  const char *p_, *end_;
};

/// A part of the list: entries from `begin` on up to the one at `end`, or to the end of the list.
struct Section {
  size_t begin, end;
  UnigramPieces pieces;
  bool good = false, last = false;
  size_t list_end = 0;  ///< behind the list's bracket and white space, in the last section

  void read(std::string_view json) try {
    Cursor cursor(json, begin);
    pieces.storage.reserve((end - begin) / 2);
    pieces.ranges.reserve((end - begin) / kUsualEntry);
    pieces.scores.reserve((end - begin) / kUsualEntry);
    while (!last && cursor.position() < end) {
      if (!read_entry(cursor)) return;
      if (cursor.take(',')) continue;
      if (!cursor.take(']')) return;
      last = true;
    }
    list_end = cursor.position();
    good = (last || list_end == end) && simdjson::validate_utf8(json.data() + begin, list_end - begin);
  } catch (const std::bad_alloc&) {
    good = false;
  }

  bool read_entry(Cursor& cursor) {
    Text& storage = pieces.storage;
    const size_t first = storage.size();
    double score = 0;
    if (!cursor.take('[') || !cursor.string(storage) || !cursor.take(',') || !cursor.number(score) ||
        !cursor.take(']') || storage.size() - first > kMaxPieceBytes) {
      return false;
    }
    pieces.ranges.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(storage.size() - first)});
    pieces.scores.push_back(score);
    return true;
  }
};

/// Where an entry seems to begin at or behind `at`: its bracket, which follows the bracket and comma of another. Inside
/// a string it may look the same; the section before then ends elsewhere.
size_t entry_from(std::string_view json, size_t at) {
  while ((at = json.find(']', at)) != std::string_view::npos) {
    Cursor cursor(json, at++);
    if (!cursor.take(']') || !cursor.take(',')) continue;
    const size_t entry = cursor.position();
    if (cursor.take('[') && cursor.position() < json.size() && json[cursor.position()] == '"') return entry;
  }
  return json.size();
}

/// Reads the list whose first entry is at `begin`; false where a section does not end where the next one begins.
bool read_sections(std::string_view json, size_t begin, size_t section_bytes, std::vector<Section>& sections) {
  sections.clear();
  for (size_t at = begin; at < json.size();) {
    const size_t end = json.size() - at > section_bytes ? entry_from(json, at + section_bytes) : json.size();
    sections.push_back({at, end, {}});
    at = end;
  }
  Parallel(0).run(static_cast<int64_t>(sections.size()), 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) sections[static_cast<size_t>(i)].read(json);
  });
  for (size_t i = 0; i < sections.size() && sections[i].good; ++i) {
    if (!sections[i].last) continue;
    sections.resize(i + 1);
    return true;
  }
  return false;
}

/// The pieces of all sections, one behind the other.
UnigramPieces join(const std::vector<Section>& sections) {
  struct Place {
    size_t bytes = 0, count = 0;
  };
  std::vector<Place> places(sections.size() + 1);
  for (size_t i = 0; i < sections.size(); ++i) {
    const UnigramPieces& pieces = sections[i].pieces;
    places[i + 1] = {places[i].bytes + pieces.storage.size(), places[i].count + pieces.scores.size()};
  }
  UnigramPieces all;
  all.storage.resize(places.back().bytes);
  all.ranges.resize(places.back().count);
  all.scores.resize(places.back().count);
  Parallel(0).run(static_cast<int64_t>(sections.size()), 1, [&](int64_t first, int64_t last, int) {
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
      const UnigramPieces& pieces = sections[i].pieces;
      const auto& [bytes, count] = places[i];
      std::copy(pieces.storage.begin(), pieces.storage.end(), all.storage.data() + bytes);
      std::copy(pieces.scores.begin(), pieces.scores.end(), all.scores.data() + count);
      for (size_t k = 0; k < pieces.ranges.size(); ++k) {
        const auto& [begin, length] = pieces.ranges[k];
        all.ranges[count + k] = {begin + static_cast<uint32_t>(bytes), length};
      }
    }
  });
  return all;
}

}  // namespace

std::optional<ScannedPieces> scan_pieces(std::string_view json) {
  if (json.size() > kMaxText) return std::nullopt;
  Cursor cursor(json, json.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0);
  if (!cursor.enter("model") || !cursor.enter("vocab")) return std::nullopt;
  const size_t list = cursor.position();
  if (!cursor.take('[')) return std::nullopt;
  const size_t begin = cursor.position();
  std::vector<Section> sections;
  // A section that began inside a string is rare enough to read all again.
  if (!read_sections(json, begin, kSectionBytes, sections) && !read_sections(json, begin, json.size(), sections))
    return std::nullopt;
  ScannedPieces out;
  out.rest.append(json.substr(0, list)).append("[]").append(json.substr(sections.back().list_end));
  out.pieces = join(sections);
  return out;
}

}  // namespace sdx::text
