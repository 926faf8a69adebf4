// FieldCursor: decoding of tags and values, and the wording of wire errors.
#include "onnx/wire.h"

#include <protozero/exception.hpp>

#include <bit>
#include <cstring>

#include "base/error.h"

namespace sdx::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are taken from the file as they are");

using protozero::pbf_wire_type;

const char* wire_type_name(pbf_wire_type type) {
  switch (type) {
    case pbf_wire_type::varint: return "a varint";
    case pbf_wire_type::fixed64: return "8 fixed bytes";
    case pbf_wire_type::length_delimited: return "a length-delimited value";
    case pbf_wire_type::fixed32: return "4 fixed bytes";
    default: return "an unknown wire type";
  }
}

template <class T>
T load(const char* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

}  // namespace

std::string FieldCursor::place(const char* name) const {
  if (name == nullptr) return cat("field ", field_, " of a ", message_name_);
  return cat("field '", name, "' of a ", message_name_);
}

void FieldCursor::bad_wire_type(pbf_wire_type wanted, const char* name) const {
  fail(ErrorKind::kInvalidModel, place(name), " holds ", wire_type_name(wire_type_), " but must hold ",
       wire_type_name(wanted), "; the file is damaged or not an ONNX file");
}

void FieldCursor::read_tag() {
  tag_at_ = at_;
  field_ = 0;
  const uint64_t tag = varint("tag");
  const uint64_t number = tag >> 3;
  constexpr uint64_t kMaxFieldNumber = (1u << 29) - 1;
  if (number == 0 || number > kMaxFieldNumber) {
    fail(ErrorKind::kInvalidModel, "a ", message_name_, " has a field numbered ", number,
         " but numbers start at 1 and end at ", kMaxFieldNumber, "; the file is damaged or not an ONNX file");
  }
  field_ = static_cast<uint32_t>(number);
  wire_type_ = pbf_wire_type(tag & 7);
  switch (wire_type_) {
    case pbf_wire_type::varint:
    case pbf_wire_type::fixed64:
    case pbf_wire_type::length_delimited:
    case pbf_wire_type::fixed32: return;
    default:
      fail(ErrorKind::kInvalidModel, place(nullptr), " has wire type ", tag & 7,
           " but ONNX uses 0, 1, 2 and 5; the file is damaged or not an ONNX file");
  }
}

uint64_t FieldCursor::varint(const char* name) {
  try {
    return protozero::decode_varint(&at_, end_);
  } catch (const protozero::end_of_buffer_exception&) {
    fail(ErrorKind::kInvalidModel, place(name), " is cut off within a number; the file is damaged or incomplete");
  } catch (const protozero::varint_too_long_exception&) {
    fail(ErrorKind::kInvalidModel, place(name), " holds a number of more than 10 bytes; the file is damaged");
  }
}

const char* FieldCursor::fixed(size_t size, const char* name) {
  if (static_cast<size_t>(end_ - at_) < size) {
    fail(ErrorKind::kInvalidModel, place(name), " needs ", size, " bytes but ", end_ - at_,
         " are left; the file is damaged or incomplete");
  }
  const char* value = at_;
  at_ += size;
  return value;
}

std::string_view FieldCursor::sized(const char* name) {
  const uint64_t length = varint(name);
  if (length > static_cast<uint64_t>(end_ - at_)) {
    fail(ErrorKind::kInvalidModel, place(name), " claims ", length, " bytes but ", end_ - at_,
         " are left; the file is damaged or incomplete");
  }
  const char* value = at_;
  at_ += length;
  return {value, static_cast<size_t>(length)};
}

float FieldCursor::float32(const char* name) {
  require(pbf_wire_type::fixed32, name);
  return load<float>(fixed(sizeof(float), name));
}

double FieldCursor::float64(const char* name) {
  require(pbf_wire_type::fixed64, name);
  return load<double>(fixed(sizeof(double), name));
}

void FieldCursor::integers(const char* name, std::vector<int64_t>& out) {
  if (!packed()) {
    out.push_back(integer(name));
    return;
  }
  FieldCursor run(sized(name), message_name_);
  while (run.at_ != run.end_) out.push_back(static_cast<int64_t>(run.varint(name)));
}

void FieldCursor::floats(const char* name, std::vector<float>& out) {
  if (!packed()) {
    out.push_back(float32(name));
    return;
  }
  const std::string_view run = sized(name);
  if (run.size() % sizeof(float) != 0) {
    fail(ErrorKind::kInvalidModel, place(name), " has ", run.size(),
         " bytes of packed floats, not a multiple of 4; the file is damaged");
  }
  if (run.empty()) return;
  const size_t old_size = out.size();
  out.resize(old_size + run.size() / sizeof(float));
  std::memcpy(out.data() + old_size, run.data(), run.size());
}

std::string_view FieldCursor::tagged(pbf_wire_type type, const char* name) {
  require(type, name);
  skip();
  return {tag_at_, static_cast<size_t>(at_ - tag_at_)};
}

void FieldCursor::skip() {
  switch (wire_type_) {
    case pbf_wire_type::varint: varint(nullptr); return;
    case pbf_wire_type::fixed64: fixed(8, nullptr); return;
    case pbf_wire_type::fixed32: fixed(4, nullptr); return;
    default: sized(nullptr); return;
  }
}

std::string_view peek_string(std::string_view message, uint32_t field) {
  std::string_view found;
  try {
    FieldCursor cursor(message, "message");
    while (cursor.next()) {
      if (cursor.field() == field) {
        found = cursor.bytes("name");
      } else {
        cursor.skip();
      }
    }
  } catch (const Error&) {
    // What was found before the damage is still the best name there is.
  }
  return found;
}

std::string escaped(std::string_view text) {
  constexpr size_t kLongest = 80;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  if (text.size() > kLongest) out += "…";
  return out;
}

std::string quoted(std::string_view text) { return "'" + escaped(text) + "'"; }

}  // namespace sdx::onnx
