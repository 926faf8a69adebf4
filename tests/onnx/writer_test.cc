// Writing models: what is read back equals what was written, in one file and in two.
#include "onnx/writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "onnx/reader.h"
#include "onnx/tensor_data.h"
#include "sample_model.h"
#include "shared_models.h"
#include "temp_folder.h"

namespace sdx::onnx {
namespace {

using test::Message;
using test::TempFolder;
namespace f = fields;
namespace fs = std::filesystem;

/// All attribute kinds, types, sparse tensors and encodings that the small model lacks.
std::string rich_model() {
  using Kind = AttributeView::Kind;
  const Message tensor =
      Message().integer(f::tensor::kDataType, 7).integer(f::tensor::kInt64Data, 3).bytes(f::tensor::kDoc, "doc");
  Message strings = Message().integer(f::tensor::kDataType, 8).integer(f::tensor::kDims, 2);
  strings.bytes(f::tensor::kStringData, "").bytes(f::tensor::kStringData, std::string("a\0b", 3));
  Message sparse = Message().message(f::sparse_tensor::kValues, tensor).message(f::sparse_tensor::kIndices, tensor);
  sparse.integer(f::sparse_tensor::kDims, 9);
  const Message float_type = Message().message(f::type::kTensor, Message().integer(f::tensor_type::kElemType, 1));
  const Message map_type = Message().message(
      f::type::kMap, Message().integer(f::map_type::kKeyType, 8).message(f::map_type::kValueType, float_type));
  Message op = test::node("Everything").bytes(f::node::kDoc, "d");
  const auto add = [&](Kind kind, auto fill) {
    Message attribute = test::attribute(kind_name(kind), kind);
    fill(attribute);
    op.message(f::node::kAttribute, attribute);
  };
  add(Kind::kString, [](Message& m) { m.bytes(f::attribute::kS, std::string(5000, 's')); });
  add(Kind::kFloats, [](Message& m) {
    m.packed_floats(f::attribute::kFloats, {1, 2}).float32(f::attribute::kFloats, 3);
  });
  add(Kind::kStrings, [](Message& m) { m.bytes(f::attribute::kStrings, "a").bytes(f::attribute::kStrings, ""); });
  add(Kind::kTensor, [&](Message& m) { m.message(f::attribute::kT, strings); });
  add(Kind::kTensors,
      [&](Message& m) { m.message(f::attribute::kTensors, tensor).message(f::attribute::kTensors, strings); });
  add(Kind::kGraphs, [&](Message& m) { m.message(f::attribute::kGraphs, Message().bytes(f::graph::kName, "g")); });
  add(Kind::kSparseTensor, [&](Message& m) { m.message(f::attribute::kSparseTensor, sparse); });
  add(Kind::kSparseTensors, [&](Message& m) { m.message(f::attribute::kSparseTensors, sparse); });
  add(Kind::kType, [&](Message& m) { m.message(f::attribute::kTp, map_type); });
  add(Kind::kTypes, [&](Message& m) { m.message(f::attribute::kTypeProtos, float_type); });
  add(Kind::kInts, [](Message&) {});
  add(Kind::kInt, [](Message& m) { m.bytes(f::attribute::kRefAttrName, "outer").bytes(f::attribute::kDoc, "d"); });
  const Message sequence =
      Message().message(f::type::kSequence, Message().message(f::element_type::kElement, map_type));
  const Message optional_type =
      Message().message(f::type::kOptional, Message().message(f::element_type::kElement, sequence));
  Message graph = Message().message(f::graph::kNode, op).message(f::graph::kSparseInitializer, sparse);
  for (const Message& type : {optional_type, Message().message(f::type::kOpaque, Message()), Message()}) {
    graph.message(f::graph::kValueInfo, Message().bytes(f::value_info::kName, "v").message(f::value_info::kType, type));
  }
  return test::small_model().message(f::model::kGraph, graph).integer(f::model::kModelVersion, 4).str();
}

TEST(Writer, WritesWhatWasRead) {
  for (const std::string& bytes : {test::small_model().str(), rich_model()}) {
    const ModelView model = read_model(bytes);
    const std::string written = write_model(model);
    EXPECT_TRUE(read_model(written) == model);
    EXPECT_EQ(write_model(read_model(written)), written);
  }
}

TEST(Writer, WritesTensors) {
  Message message = Message().integer(f::tensor::kDataType, 1).packed(f::tensor::kDims, {2, 2});
  message.bytes(f::tensor::kName, "w").float32(f::tensor::kFloatData, 1).packed_floats(f::tensor::kFloatData, {2, 3});
  message.float32(f::tensor::kFloatData, 4);
  const TensorView tensor = read_tensor(message.str());
  const std::string written = write_tensor(tensor);
  EXPECT_TRUE(read_tensor(written) == tensor);
  EXPECT_EQ(read_tensor(written).runs.size(), 1u);
}

TEST(Writer, WritesEveryTinyModel) {
  const auto files = test::tiny_models();
  if (files.empty()) GTEST_SKIP() << "no shared models";
  for (const auto& path : files) {
    const ModelFile file = ModelFile::open(path);
    const std::string written = write_model(file.model());
    EXPECT_TRUE(read_model(written) == file.model()) << path;
  }
}

/// Tensors a (64 KiB), b (9 bytes), c (2 MiB), d (2000 bytes, as int64_data) and e (empty).
std::string heavy_model() {
  Message graph;
  const auto add = [&](const char* name, int64_t size, char fill) {
    Message tensor = Message().integer(f::tensor::kDims, size).integer(f::tensor::kDataType, 3);
    tensor.bytes(f::tensor::kName, name).bytes(f::tensor::kRawData, std::string(static_cast<size_t>(size), fill));
    graph.message(f::graph::kInitializer, tensor);
  };
  add("a", 65536, 'a');
  add("b", 9, 'b');
  add("c", 2 << 20, 'c');
  Message d = Message().integer(f::tensor::kDims, 250).integer(f::tensor::kDataType, 7).bytes(f::tensor::kName, "d");
  for (int i = 0; i < 250; ++i) d.integer(f::tensor::kInt64Data, -i);
  graph.message(f::graph::kInitializer, d);
  add("e", 0, 'e');
  return test::model_of(graph).str();
}

void expect_same_weights(const ModelFile& a, const ModelFile& b) {
  ASSERT_EQ(a.model().graph.initializers.size(), b.model().graph.initializers.size());
  for (size_t i = 0; i < a.model().graph.initializers.size(); ++i) {
    const TensorView& x = a.model().graph.initializers[i];
    const TensorView& y = b.model().graph.initializers[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.dims, y.dims);
    EXPECT_EQ(x.type, y.type);
    EXPECT_EQ(a.tensor_bytes(x).text(), b.tensor_bytes(y).text()) << x.name;
  }
}

size_t count_files(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Writer, KeepsSmallModelsInOneFile) {
  TempFolder folder;
  const ModelFile original = ModelFile::open(folder.write("in/m.onnx", heavy_model()));
  const fs::path out = folder.path() / "out";
  fs::create_directory(out);
  save_model(original, out / "m.onnx");
  EXPECT_EQ(count_files(out), 1u);
  EXPECT_TRUE(ModelFile::open(out / "m.onnx").model() == original.model());
}

TEST(Writer, MovesWeightsToASecondFile) {
  TempFolder folder;
  const ModelFile original = ModelFile::open(folder.write("in/m.onnx", heavy_model()));
  const fs::path out = folder.path() / "out";
  fs::create_directory(out);
  save_model(original, out / "m.onnx", {.inline_limit = 100'000});
  EXPECT_EQ(count_files(out), 2u);
  EXPECT_LT(fs::file_size(out / "m.onnx"), 1000u);
  const ModelFile saved = ModelFile::open(out / "m.onnx");
  expect_same_weights(original, saved);
  const auto& tensors = saved.model().graph.initializers;
  const std::vector<bool> moved = {true, false, true, true, false};
  for (size_t i = 0; i < tensors.size(); ++i) EXPECT_EQ(tensors[i].external, moved[i]) << tensors[i].name;
  EXPECT_EQ(external_place(tensors[0]).location, "m.onnx_data");
  EXPECT_EQ(external_place(tensors[2]).offset % 4096, 0u);
  EXPECT_EQ(external_place(tensors[3]).offset % 64, 0u);
}

TEST(Writer, MovesWeightsBackIntoTheModel) {
  TempFolder folder;
  const ModelFile original = ModelFile::open(folder.write("m.onnx", heavy_model()));
  save_model(original, folder.path() / "two.onnx", {.inline_limit = 0, .data_name = "weights.bin"});
  const ModelFile two = ModelFile::open(folder.path() / "two.onnx");
  save_model(two, folder.path() / "one.onnx");
  fs::remove(folder.path() / "weights.bin");
  const ModelFile one = ModelFile::open(folder.path() / "one.onnx");
  expect_same_weights(original, one);
  EXPECT_FALSE(one.model().graph.initializers[0].external);
}

TEST(Writer, ReplacesTheFilesItReadsFrom) {
  TempFolder folder;
  const fs::path path = folder.write("m.onnx", heavy_model());
  for (int round = 0; round < 2; ++round) {
    const ModelFile file = ModelFile::open(path);
    save_model(file, path, {.inline_limit = 0, .smallest_external = 5});
  }
  const ModelFile original = ModelFile::open(folder.write("original.onnx", heavy_model()));
  expect_same_weights(original, ModelFile::open(path));
  EXPECT_EQ(count_files(folder.path()), 3u);
}

TEST(Writer, LeavesNothingBehindWhenItFails) {
  TempFolder folder;
  const ModelFile original = ModelFile::open(folder.write("in/m.onnx", heavy_model()));
  const fs::path out = folder.path() / "out";
  fs::create_directory(out);
  const auto broken = [](const TensorView&) -> SharedBytes { throw Error(ErrorKind::kResource, "gone"); };
  EXPECT_THROW(save_model(original.model(), out / "m.onnx", broken, {.inline_limit = 0}), Error);
  EXPECT_EQ(count_files(out), 0u);
  EXPECT_THROW(save_model(original, out / "m.onnx", {.inline_limit = 0, .data_name = "../x"}), Error);
  EXPECT_THROW(save_model(original, out / "m.onnx", {.inline_limit = 0, .data_name = "m.onnx"}), Error);
  EXPECT_THROW(save_model(original, folder.path() / "absent/m.onnx"), Error);
  EXPECT_EQ(count_files(out), 0u);
}

}  // namespace
}  // namespace sdx::onnx
