// Sequences, maps and optionals from standalone files, and the data of the standard's own tests.
#include "onnx/value_view.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "onnx/fields.h"
#include "onnx/model_file.h"
#include "onnx/tensor_data.h"
#include "shared_models.h"
#include "temp_folder.h"
#include "wire_builder.h"

namespace sdx::onnx {
namespace {

using test::Message;
namespace f = fields;
using Kind = TypeView::Kind;

Message tensor(int64_t value) {
  return Message().integer(f::tensor::kDataType, 7).packed(f::tensor::kInt64Data, {value});
}

int64_t scalar(const ValueView& value) {
  EXPECT_EQ(value.kind, Kind::kTensor);
  int64_t out = 0;
  fill_inline(value.tensor, std::as_writable_bytes(std::span(&out, 1)));
  return out;
}

TEST(Value, ReadsSequences) {
  Message message = Message().bytes(f::sequence::kName, "s").integer(f::sequence::kElemType, 1);
  message.message(f::sequence::kTensors, tensor(5)).message(f::sequence::kTensors, tensor(6));
  const ValueView value = read_value(message.str(), Kind::kSequence);
  EXPECT_EQ(value.name, "s");
  ASSERT_EQ(value.elements.size(), 2u);
  EXPECT_EQ(scalar(value.elements[0]), 5);
  EXPECT_EQ(scalar(value.elements[1]), 6);
}

TEST(Value, ReadsOptionals) {
  const Message sequence = Message().integer(f::sequence::kElemType, 1).message(f::sequence::kTensors, tensor(9));
  const Message full = Message().integer(f::optional::kElemType, 3).message(f::optional::kSequence, sequence);
  const ValueView value = read_value(full.str(), Kind::kOptional);
  EXPECT_EQ(scalar(value.elements.at(0).elements.at(0)), 9);
  EXPECT_TRUE(read_value("", Kind::kOptional).elements.empty());
}

TEST(Value, ReadsMaps) {
  Message values = Message().integer(f::sequence::kElemType, 1);
  values.message(f::sequence::kTensors, tensor(1)).message(f::sequence::kTensors, tensor(2));
  const Message by_name = Message()
                              .integer(f::map::kKeyType, 8)
                              .bytes(f::map::kStringKeys, "a")
                              .bytes(f::map::kStringKeys, "b")
                              .message(f::map::kValues, values);
  EXPECT_EQ(read_value(by_name.str(), Kind::kMap).string_keys, (std::vector<std::string_view>{"a", "b"}));
  const Message by_number =
      Message().integer(f::map::kKeyType, 7).packed(f::map::kKeys, {3, 4}).message(f::map::kValues, values);
  const ValueView value = read_value(by_number.str(), Kind::kMap);
  EXPECT_EQ(value.keys, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(scalar(value.elements.at(1)), 2);
}

TEST(Value, RejectsContradictions) {
  const Message wrong = Message().integer(f::sequence::kElemType, 4).message(f::sequence::kTensors, tensor(5));
  EXPECT_THROW(read_value(wrong.str(), Kind::kSequence), Error);
  const Message lonely = Message().integer(f::map::kKeyType, 7).packed(f::map::kKeys, {3});
  EXPECT_THROW(read_value(lonely.str(), Kind::kMap), Error);
  EXPECT_THROW(read_value("", Kind::kOpaque), Error);
  Message deep;
  for (int i = 0; i < 1000; ++i) {
    deep = Message().integer(f::optional::kElemType, 5).message(f::optional::kOptional, deep);
  }
  EXPECT_THROW(read_value(deep.str(), Kind::kOptional), Error);
}

void decode(const ValueView& value) {
  if (value.kind == Kind::kTensor && value.tensor.type == DataType::kString) string_elements(value.tensor);
  if (value.kind == Kind::kTensor && value.tensor.type != DataType::kString) inline_bytes(value.tensor);
  for (const ValueView& element : value.elements) decode(element);
}

void read_case(const std::filesystem::path& set, const GraphView& graph) {
  const auto read_all = [&](const std::vector<ValueInfoView>& values, const char* prefix) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto path = set / (prefix + std::to_string(i) + ".pb");
      if (!std::filesystem::exists(path)) continue;
      SCOPED_TRACE(path.string());
      const SharedBytes bytes = MappedFile::share(MappedFile::open(path));
      const ValueView value = read_value(bytes.text(), values[i].type.kind);
      decode(value);
      if (value.kind != Kind::kTensor) continue;
      EXPECT_EQ(value.tensor.type, values[i].type.elem_type);
      if (values[i].type.has_shape) {
        EXPECT_EQ(value.tensor.dims.size(), values[i].type.dims.size());
      }
    }
  };
  read_all(graph.inputs, "input_");
  read_all(graph.outputs, "output_");
}

TEST(Value, ReadsTheDataOfTheStandardsTests) {
  const auto archive = test::shared_folder() / "onnx-node-tests" / "onnx-1.22-backend-tests.tar.xz";
  if (!std::filesystem::exists(archive)) GTEST_SKIP() << "no shared test archive";
  test::TempFolder folder;
  const std::string command = "tar xf '" + archive.string() + "' -C '" + folder.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  int models = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (entry.path().filename() != "model.onnx") continue;
    SCOPED_TRACE(entry.path().string());
    ++models;
    const ModelFile file = ModelFile::open(entry.path());
    for (const auto& set : std::filesystem::directory_iterator(entry.path().parent_path())) {
      if (set.is_directory()) read_case(set.path(), file.model().graph);
    }
  }
  EXPECT_GT(models, 1000);
}

}  // namespace
}  // namespace sdx::onnx
