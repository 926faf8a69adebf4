// Builds protobuf messages by hand, so that tests do not depend on the writer under test.
#pragma once

#include <protozero/pbf_writer.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sdx::onnx::test {

/// A message as bytes; each call appends one field.
class Message {
 public:
  Message& integer(uint32_t field, int64_t value) {
    protozero::pbf_writer(bytes_).add_int64(field, value);
    return *this;
  }
  Message& bytes(uint32_t field, std::string_view value) {
    protozero::pbf_writer(bytes_).add_bytes(field, value.data(), value.size());
    return *this;
  }
  Message& message(uint32_t field, const Message& value) { return bytes(field, value.str()); }
  Message& float32(uint32_t field, float value) {
    protozero::pbf_writer(bytes_).add_float(field, value);
    return *this;
  }
  Message& float64(uint32_t field, double value) {
    protozero::pbf_writer(bytes_).add_double(field, value);
    return *this;
  }
  Message& packed(uint32_t field, std::initializer_list<int64_t> values) {
    protozero::pbf_writer(bytes_).add_packed_int64(field, values.begin(), values.end());
    return *this;
  }
  Message& packed_floats(uint32_t field, std::initializer_list<float> values) {
    protozero::pbf_writer(bytes_).add_packed_float(field, values.begin(), values.end());
    return *this;
  }
  Message& packed_doubles(uint32_t field, std::initializer_list<double> values) {
    protozero::pbf_writer(bytes_).add_packed_double(field, values.begin(), values.end());
    return *this;
  }
  Message& raw(std::string_view encoded) {
    bytes_ += encoded;
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace sdx::onnx::test
