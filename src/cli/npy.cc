// NumPy's .npy format: the header, byte order, memory order and element types.
#include "cli/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/packed.h"

namespace sdx::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] void broken(std::string_view why) { fail(ErrorKind::kInvalidInput, "the .npy data are broken: ", why); }

struct Header {
  char order = '|';   ///< '<', '>', '=' or '|'
  char kind = 0;      ///< 'f', 'i', 'u', 'b', 'c', 'U', 'S' or 'V'
  int64_t width = 0;  ///< bytes of an element; characters for 'U'
  bool fortran = false;
  std::vector<int64_t> shape;
};

/// The text after `'key':`, without leading blanks.
std::string_view value_of(std::string_view dict, std::string_view key) {
  const size_t at = dict.find(key);
  if (at == std::string_view::npos) broken(cat("the header has no ", key));
  std::string_view rest = dict.substr(at + key.size());
  const size_t begin = rest.find_first_not_of(" :");
  if (begin == std::string_view::npos) broken(cat(key, " has no value"));
  return rest.substr(begin);
}

int64_t number(std::string_view text) {
  int64_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || out < 0) broken("a number in the header is none");
  return out;
}

std::vector<int64_t> shape_of(std::string_view text) {
  const size_t close = text.find(')');
  if (text.empty() || text[0] != '(' || close == std::string_view::npos) broken("the shape is no tuple");
  std::vector<int64_t> out;
  std::string_view list = text.substr(1, close - 1);
  while (true) {
    const size_t begin = list.find_first_not_of(" ,");
    if (begin == std::string_view::npos) return out;
    list.remove_prefix(begin);
    const size_t end = std::min(list.find_first_of(" ,"), list.size());
    out.push_back(number(list.substr(0, end)));
    list.remove_prefix(end);
    if (out.size() > kMaxRank) broken(cat("it has more than ", kMaxRank, " dimensions"));
  }
}

Header parse_header(std::string_view dict) {
  Header h;
  std::string_view descr = value_of(dict, "'descr'");
  const char quote = descr[0];
  const size_t close = descr.find(quote, 1);
  if ((quote != '\'' && quote != '"') || close == std::string_view::npos || close < 3)
    broken("the type is no plain string");
  descr = descr.substr(1, close - 1);
  h.order = descr[0];
  h.kind = descr[1];
  if (h.kind == 'O') broken("it holds pickled objects; save an array of numbers or strings");
  h.width = descr.size() > 2 ? number(descr.substr(2)) : 0;
  if (h.width > 1 << 28) broken(cat("elements of ", h.width, " bytes are too wide"));
  h.fortran = value_of(dict, "'fortran_order'").starts_with("True");
  h.shape = shape_of(value_of(dict, "'shape'"));
  return h;
}

bool is_raw8(DType t) {
  return t == DType::kF8E4M3FN || t == DType::kF8E4M3FNUZ || t == DType::kF8E5M2 || t == DType::kF8E5M2FNUZ ||
         t == DType::kF8E8M0;
}
bool is_packed(DType t) { return t != DType::kUndefined && t != DType::kString && dtype_bits(t) < 8; }

DType element_type(const Header& h, DType wanted) {
  const bool raw = h.kind == 'V' || h.kind == 'u' || h.kind == 'i';
  if (raw && h.width == 1 && (is_raw8(wanted) || is_packed(wanted))) return wanted;
  if ((h.kind == 'V' || h.kind == 'u') && h.width == 2 && wanted == DType::kBF16) return wanted;
  struct Row {
    char kind;
    int64_t width;
    DType type;
  };
  static constexpr Row kRows[] = {{'f', 2, DType::kF16}, {'f', 4, DType::kF32},   {'f', 8, DType::kF64},
                                  {'i', 1, DType::kI8},  {'i', 2, DType::kI16},   {'i', 4, DType::kI32},
                                  {'i', 8, DType::kI64}, {'u', 1, DType::kU8},    {'u', 2, DType::kU16},
                                  {'u', 4, DType::kU32}, {'u', 8, DType::kU64},   {'b', 1, DType::kBool},
                                  {'c', 8, DType::kC64}, {'c', 16, DType::kC128}, {'V', 2, DType::kBF16}};
  if (h.kind == 'U' || h.kind == 'S') return DType::kString;
  for (const Row& r : kRows) {
    if (r.kind == h.kind && r.width == h.width) return r.type;
  }
  broken(cat("elements of type '", h.kind, h.width, "' have no counterpart among the tensor types"));
}

void append_utf8(std::string& out, uint32_t c) {
  if (c > 0x10FFFF) broken("a character is beyond Unicode");
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3F)),
            static_cast<char>(0x80 | ((c >> 6) & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

std::string text_element(std::string_view bytes, const Header& h) {
  if (h.kind == 'S') return std::string(bytes.substr(0, bytes.find_last_not_of('\0') + 1));
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 4) {
    uint32_t c;
    std::memcpy(&c, bytes.data() + i, 4);
    if (h.order == '>') c = __builtin_bswap32(c);
    if (c == 0) break;
    append_utf8(out, c);
  }
  return out;
}

/// Where element `i` of the row-major order lies in a column-major file.
int64_t fortran_index(int64_t i, const Extents& extents) {
  int64_t at = 0;
  for (int d = extents.rank() - 1; d >= 0; --d) {
    at += i % extents[d] * extents.product(0, d);
    i /= extents[d];
  }
  return at;
}

/// Elements in the host's byte order and row-major.
std::string plain_elements(std::string_view data, const Header& h, const Extents& extents, int64_t size) {
  std::string out(data);
  const bool swap = h.order == '>' && h.kind != 'U' && h.kind != 'S';
  const int64_t unit = h.kind == 'c' ? size / 2 : size;
  if (swap) {
    for (size_t i = 0; i < out.size(); i += static_cast<size_t>(unit))
      std::reverse(out.begin() + i, out.begin() + i + unit);
  }
  if (!h.fortran || extents.rank() < 2) return out;
  std::string ordered(out.size(), '\0');
  for (int64_t i = 0; i * size < static_cast<int64_t>(out.size()); ++i) {
    std::memcpy(ordered.data() + i * size, out.data() + fortran_index(i, extents) * size, static_cast<size_t>(size));
  }
  return ordered;
}

void pack(std::string_view codes, const View& out) {
  std::memset(out.data, 0, static_cast<size_t>(out.bytes()));
  for (size_t i = 0; i < codes.size(); ++i) {
    packed_set(out.as<uint8_t>(), static_cast<int64_t>(i), dtype_bits(out.dtype), static_cast<uint8_t>(codes[i]));
  }
}

}  // namespace

Tensor read_npy(std::string_view bytes, DType wanted) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 10) broken("the magic number is missing");
  const int major = static_cast<uint8_t>(bytes[6]);
  const size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) broken("it ends in the header");
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, prefix - 8);
  if (length > bytes.size() - prefix) broken("it ends in the header");
  const Header h = parse_header(bytes.substr(prefix, length));
  const DType dtype = element_type(h, wanted);
  const Extents extents{std::span<const int64_t>(h.shape)};
  const int64_t size = h.kind == 'U' ? h.width * 4 : h.width;
  std::string_view data = bytes.substr(prefix + length);
  const auto needed = checked_mul(extents.count(), size);
  if (!needed || static_cast<uint64_t>(*needed) > data.size()) {
    broken(cat("shape ", extents.text(), " needs more than the ", data.size(), " bytes that are there"));
  }
  const std::string plain = plain_elements(data.substr(0, static_cast<size_t>(*needed)), h, extents, size);
  Tensor out(dtype, extents);
  if (dtype == DType::kString) {
    for (int64_t i = 0; i < extents.count(); ++i) {
      out.mutable_view().as<std::string>()[i] =
          text_element(std::string_view(plain).substr(static_cast<size_t>(i * size), static_cast<size_t>(size)), h);
    }
  } else if (is_packed(dtype)) {
    pack(plain, out.mutable_view());
  } else if (!plain.empty()) {
    std::memcpy(out.mutable_view().data, plain.data(), plain.size());
  }
  return out;
}

namespace {

std::string descr_of(DType type) {
  switch (type) {
    case DType::kBool: return "|b1";
    case DType::kU8: return "|u1";
    case DType::kI8: return "|i1";
    case DType::kBF16: return "<V2";
    case DType::kC64: return "<c8";
    case DType::kC128: return "<c16";
    case DType::kI4:
    case DType::kI2: return "|i1";
    case DType::kU4:
    case DType::kU2:
    case DType::kF4E2M1: return "|u1";
    default: break;
  }
  if (is_raw8(type)) return "|V1";
  const char kind = is_float(type)                                                      ? 'f'
                    : type == DType::kU16 || type == DType::kU32 || type == DType::kU64 ? 'u'
                                                                                        : 'i';
  return cat('<', kind, dtype_bits(type) / 8);
}

std::vector<uint32_t> code_points(const std::string& text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t k = 1; k < length && i + k < text.size(); ++k) c = c << 6 | (static_cast<uint8_t>(text[i + k]) & 0x3F);
    out.push_back(c);
    i += length;
  }
  return out;
}

std::string string_elements(const ConstView& view, size_t& widest) {
  std::vector<std::vector<uint32_t>> all;
  widest = 1;
  for (int64_t i = 0; i < view.count(); ++i) {
    all.push_back(code_points(view.as<std::string>()[i]));
    widest = std::max(widest, all.back().size());
  }
  std::string out;
  for (auto& points : all) {
    points.resize(widest);
    out.append(reinterpret_cast<const char*>(points.data()), widest * 4);
  }
  return out;
}

std::string unpacked(const ConstView& view) {
  const int bits = dtype_bits(view.dtype);
  const bool is_signed = view.dtype == DType::kI4 || view.dtype == DType::kI2;
  std::string out;
  for (int64_t i = 0; i < view.count(); ++i) {
    const uint8_t code = packed_get(view.as<uint8_t>(), i, bits);
    out += static_cast<char>(is_signed ? sign_extend(code, bits) : code);
  }
  return out;
}

}  // namespace

std::string write_npy(const ConstView& view) {
  std::string body, descr;
  if (view.dtype == DType::kString) {
    size_t widest = 0;
    body = string_elements(view, widest);
    descr = cat("<U", widest);
  } else {
    descr = descr_of(view.dtype);
    body = is_packed(view.dtype)
               ? unpacked(view)
               : std::string(reinterpret_cast<const char*>(view.data), static_cast<size_t>(view.bytes()));
  }
  std::string shape;
  for (int64_t size : view.extents) shape += cat(size, ", ");
  if (view.rank() > 1) shape.resize(shape.size() - 2);
  std::string header = cat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  // NumPy aligns the elements to 64 bytes.
  header.append(63 - (kMagic.size() + 4 + header.size()) % 64, ' ');
  header += '\n';
  std::string out(kMagic);
  out += {'\1', '\0', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return out + header + body;
}

}  // namespace sdx::cli
