// Decoding of tensor elements from every field, and the checks before it.
#include "onnx/tensor_data.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/limits.h"
#include "onnx/fields.h"
#include "onnx/reader.h"
#include "wire_builder.h"

namespace sdx::onnx {
namespace {

using test::Message;
namespace f = fields::tensor;

Message tensor(DataType type, std::initializer_list<int64_t> dims) {
  return Message().packed(f::kDims, dims).integer(f::kDataType, static_cast<int64_t>(type));
}

/// The elements as values of T; both ways of getting them must agree.
template <class T>
std::vector<T> elements(const Message& message) {
  const TensorView view = read_tensor(message.str());
  const SharedBytes bytes = inline_bytes(view);
  std::vector<std::byte> filled(storage_bytes(view));
  fill_inline(view, filled);
  EXPECT_TRUE(std::equal(filled.begin(), filled.end(), bytes.bytes.begin(), bytes.bytes.end()));
  std::vector<T> values(filled.size() / sizeof(T));
  if (!filled.empty()) std::memcpy(values.data(), filled.data(), filled.size());
  return values;
}

Error error_of(const Message& message) {
  try {
    inline_bytes(read_tensor(message.str()));
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "a bad tensor was accepted";
  return Error(ErrorKind::kInternal, "no error");
}

TEST(TensorData, DecodesFloatsHoweverTheyAreEncoded) {
  const std::vector<float> wanted = {1.5f, -0.0f, std::numeric_limits<float>::infinity()};
  Message packed = tensor(DataType::kFloat, {3});
  packed.packed_floats(f::kFloatData, {1.5f, -0.0f, std::numeric_limits<float>::infinity()});
  EXPECT_EQ(elements<float>(packed), wanted);
  Message single = tensor(DataType::kFloat, {3});
  for (const float value : wanted) single.float32(f::kFloatData, value);
  EXPECT_EQ(elements<float>(single), wanted);
  EXPECT_EQ(read_tensor(single.str()).runs.size(), 1u) << "consecutive single values are one run";
  Message mixed = tensor(DataType::kFloat, {3});
  mixed.packed_floats(f::kFloatData, {1.5f}).float32(f::kFloatData, -0.0f).bytes(f::kName, "between");
  mixed.packed_floats(f::kFloatData, {std::numeric_limits<float>::infinity()});
  EXPECT_EQ(elements<float>(mixed), wanted);
}

TEST(TensorData, DecodesEveryTypedField) {
  EXPECT_EQ(elements<double>(tensor(DataType::kDouble, {2}).packed_doubles(f::kDoubleData, {0.1, -2})),
            (std::vector<double>{0.1, -2}));
  EXPECT_EQ(elements<int64_t>(tensor(DataType::kInt64, {2}).packed(f::kInt64Data, {-1, int64_t{1} << 62})),
            (std::vector<int64_t>{-1, int64_t{1} << 62}));
  EXPECT_EQ(elements<int64_t>(tensor(DataType::kInt64, {2}).integer(f::kInt64Data, -5).integer(f::kInt64Data, 300)),
            (std::vector<int64_t>{-5, 300}));
  EXPECT_EQ(elements<uint64_t>(tensor(DataType::kUint64, {1}).packed(f::kUint64Data, {-1})),
            (std::vector<uint64_t>{~uint64_t{0}}));
  EXPECT_EQ(elements<uint32_t>(tensor(DataType::kUint32, {1}).packed(f::kUint64Data, {0xffffffff})),
            (std::vector<uint32_t>{0xffffffff}));
  EXPECT_EQ(elements<int32_t>(tensor(DataType::kInt32, {2}).packed(f::kInt32Data, {-1, 1 << 30})),
            (std::vector<int32_t>{-1, 1 << 30}));
  EXPECT_EQ(elements<int16_t>(tensor(DataType::kInt16, {2}).packed(f::kInt32Data, {-32768, 5})),
            (std::vector<int16_t>{-32768, 5}));
  EXPECT_EQ(elements<uint16_t>(tensor(DataType::kFloat16, {1}).packed(f::kInt32Data, {0xbc00})),
            (std::vector<uint16_t>{0xbc00}));
  EXPECT_EQ(elements<uint16_t>(tensor(DataType::kBfloat16, {1}).packed(f::kInt32Data, {0xbf80})),
            (std::vector<uint16_t>{0xbf80}));
  EXPECT_EQ(elements<int8_t>(tensor(DataType::kInt8, {2}).packed(f::kInt32Data, {-128, 127})),
            (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kFloat8E4M3FN, {1}).packed(f::kInt32Data, {0x7e})),
            (std::vector<uint8_t>{0x7e}));
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kBool, {3}).packed(f::kInt32Data, {0, 1, 7})),
            (std::vector<uint8_t>{0, 1, 1}));
  EXPECT_EQ(elements<float>(tensor(DataType::kComplex64, {1}).packed_floats(f::kFloatData, {1, 2})),
            (std::vector<float>{1, 2}));
  EXPECT_EQ(elements<double>(tensor(DataType::kComplex128, {1}).packed_doubles(f::kDoubleData, {1, 2})),
            (std::vector<double>{1, 2}));
}

TEST(TensorData, KeepsNarrowElementsPacked) {
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kUint4, {3}).packed(f::kInt32Data, {0x21, 0x03})),
            (std::vector<uint8_t>{0x21, 0x03}));
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kInt2, {5}).packed(f::kInt32Data, {0xe4, 0x01})),
            (std::vector<uint8_t>{0xe4, 0x01}));
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kFloat4E2M1, {2, 1}).bytes(f::kRawData, "\x7f")),
            (std::vector<uint8_t>{0x7f}));
  EXPECT_NE(error_of(tensor(DataType::kInt4, {3}).bytes(f::kRawData, "\x21")).message().find("takes 2"),
            std::string::npos);
}

TEST(TensorData, MakesRawBoolsZeroOrOne) {
  EXPECT_EQ(elements<uint8_t>(tensor(DataType::kBool, {3}).bytes(f::kRawData, std::string("\0\1\xff", 3))),
            (std::vector<uint8_t>{0, 1, 1}));
}

TEST(TensorData, CountsElements) {
  EXPECT_EQ(element_count({}), 1);
  const std::vector<int64_t> empty = {int64_t{1} << 60, int64_t{1} << 60, 0};
  EXPECT_EQ(element_count(empty), 0);
  EXPECT_TRUE(elements<float>(tensor(DataType::kFloat, {0, 5})).empty());
}

TEST(TensorData, RejectsBadDimensions) {
  EXPECT_NE(error_of(tensor(DataType::kFloat, {2, -1})).message().find("negative"), std::string::npos);
  EXPECT_EQ(error_of(tensor(DataType::kFloat, {1ll << 32, 1ll << 32})).kind(), ErrorKind::kResource);
  EXPECT_EQ(error_of(tensor(DataType::kFloat, {kMaxElements, 2})).kind(), ErrorKind::kResource);
}

TEST(TensorData, AllocatesNothingForElementsThatAreNotThere) {
  const Error error = error_of(tensor(DataType::kFloat, {int64_t{1} << 40}));
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel);
  EXPECT_NE(error.message().find("has 0 stored numbers"), std::string::npos) << error.what();
  EXPECT_NE(error_of(tensor(DataType::kFloat, {int64_t{1} << 40}).bytes(f::kRawData, "abcd")).message().find("4 bytes"),
            std::string::npos);
}

TEST(TensorData, RejectsDataThatDoNotFitTheType) {
  EXPECT_NE(error_of(tensor(DataType::kInt8, {1}).packed(f::kInt32Data, {256})).message().find("256"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(DataType::kInt64, {1}).packed(f::kInt32Data, {1})).message().find("other types"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(static_cast<DataType>(99), {1}).bytes(f::kRawData, "a")).message().find("data type 99"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(DataType::kString, {1}).bytes(f::kStringData, "a")).message().find("string"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(DataType::kInt64, {1}).bytes(f::kInt64Data, "\x80")).message().find("cut off"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(DataType::kInt64, {1}).bytes(f::kInt64Data, "\x01\x80")).message().find("cut off"),
            std::string::npos);
  const std::string long_varint = std::string(10, '\x80') + '\1';
  EXPECT_NE(error_of(tensor(DataType::kInt64, {1}).bytes(f::kInt64Data, long_varint)).message().find("more than 10"),
            std::string::npos);
  EXPECT_NE(error_of(tensor(DataType::kFloat, {1}).bytes(f::kFloatData, "abc")).message().find("multiple of 4"),
            std::string::npos);
  Message twice = tensor(DataType::kFloat, {1}).packed_floats(f::kFloatData, {1}).bytes(f::kRawData, "abcd");
  EXPECT_NE(error_of(twice).message().find("both"), std::string::npos);
}

TEST(TensorData, ReadsStrings) {
  const Message message = tensor(DataType::kString, {2}).bytes(f::kStringData, "a").bytes(f::kStringData, "");
  const TensorView view = read_tensor(message.str());
  const auto strings = string_elements(view);
  EXPECT_EQ(std::vector<std::string_view>(strings.begin(), strings.end()), (std::vector<std::string_view>{"a", ""}));
  EXPECT_THROW(string_elements(read_tensor(tensor(DataType::kString, {3}).bytes(f::kStringData, "a").str())), Error);
}

TEST(TensorData, ComparesEncodedNumbersByValue) {
  const Message packed = tensor(DataType::kInt64, {2}).packed(f::kInt64Data, {7, -7});
  const Message single = tensor(DataType::kInt64, {2}).integer(f::kInt64Data, 7).integer(f::kInt64Data, -7);
  const Message other = tensor(DataType::kInt64, {2}).packed(f::kInt64Data, {7, 7});
  EXPECT_TRUE(read_tensor(packed.str()) == read_tensor(single.str()));
  EXPECT_FALSE(read_tensor(packed.str()) == read_tensor(other.str()));
}

}  // namespace
}  // namespace sdx::onnx
