// FieldCursor: walks the fields of one protobuf message, with every length checked and every error naming its field.
#pragma once

#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdx::onnx {

/// A cursor over the encoded bytes of one message. Call next(), look at field(), then read the value with the one
/// method that fits it (or skip()), and so on. All methods throw Error InvalidModel when the bytes break the encoding.
/// Strings borrow from the message.
class FieldCursor {
 public:
  /// `message_name` is used in errors and must outlive the cursor.
  FieldCursor(std::string_view message, const char* message_name)
      : at_(message.data()), end_(message.data() + message.size()), message_name_(message_name) {}

  /// Moves on to the next field; false at the end of the message.
  bool next() {
    if (at_ == end_) return false;
    read_tag();
    return true;
  }
  /// Number of the current field.
  uint32_t field() const { return field_; }

  /// An int32, int64, uint64, bool or enum field.
  int64_t integer(const char* name) {
    require(protozero::pbf_wire_type::varint, name);
    return static_cast<int64_t>(varint(name));
  }
  float float32(const char* name);
  double float64(const char* name);
  /// A string, bytes or message field.
  std::string_view bytes(const char* name) {
    require(protozero::pbf_wire_type::length_delimited, name);
    return sized(name);
  }
  /// One occurrence of a repeated integer field, packed or not, appended to `out`.
  void integers(const char* name, std::vector<int64_t>& out);
  /// One occurrence of a repeated float field, packed or not, appended to `out`.
  void floats(const char* name, std::vector<float>& out);
  /// True when the current occurrence of a repeated numeric field is packed.
  bool packed() const { return wire_type_ == protozero::pbf_wire_type::length_delimited; }
  /// Steps over the value of the current field, whose wire type must be `type`, and returns its tag and value as bytes.
  std::string_view tagged(protozero::pbf_wire_type type, const char* name);
  /// Steps over a field that nobody reads.
  void skip();

 private:
  void read_tag();
  uint64_t varint(const char* name);
  std::string_view sized(const char* name);
  const char* fixed(size_t size, const char* name);
  void require(protozero::pbf_wire_type type, const char* name) const {
    if (wire_type_ != type) bad_wire_type(type, name);
  }
  [[noreturn]] void bad_wire_type(protozero::pbf_wire_type wanted, const char* name) const;
  std::string place(const char* name) const;

  const char* at_;
  const char* end_;
  const char* message_name_;
  const char* tag_at_ = nullptr;
  uint32_t field_ = 0;
  protozero::pbf_wire_type wire_type_ = protozero::pbf_wire_type::unknown;
};

/// The last string in field `field` of a message that may be damaged; empty when there is none. For error messages.
std::string_view peek_string(std::string_view message, uint32_t field);

/// `text` for an error message: control and non-ASCII bytes escaped, cut after 80 bytes.
std::string escaped(std::string_view text);
/// The same in single quotes.
std::string quoted(std::string_view text);

}  // namespace sdx::onnx
