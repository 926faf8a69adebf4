// External data: where a model may keep its weights, and where it may not.
#include "onnx/external_data.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "onnx/fields.h"
#include "onnx/model_file.h"
#include "onnx/tensor_data.h"
#include "temp_folder.h"
#include "wire_builder.h"

namespace sdx::onnx {
namespace {

using test::Message;
using test::TempFolder;
namespace fs = std::filesystem;

/// A model with one uint8 initializer of 4 elements, kept outside.
std::string model_with(std::initializer_list<std::pair<std::string_view, std::string_view>> entries,
                       DataType type = DataType::kUint8, int64_t elements = 4) {
  namespace f = fields::tensor;
  Message tensor = Message().integer(f::kDims, elements).integer(f::kDataType, static_cast<int64_t>(type));
  tensor.bytes(f::kName, "w").integer(f::kDataLocation, 1);
  for (const auto& [key, value] : entries) {
    tensor.message(f::kExternalData, Message().bytes(fields::entry::kKey, key).bytes(fields::entry::kValue, value));
  }
  return Message().message(fields::model::kGraph, Message().message(fields::graph::kInitializer, tensor)).str();
}

std::string weights_of(const ModelFile& file) {
  return std::string(file.tensor_bytes(file.model().graph.initializers.at(0)).text());
}

Error error_of(const fs::path& model) {
  try {
    weights_of(ModelFile::open(model));
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "weights were read from a forbidden or broken place";
  return Error(ErrorKind::kInternal, "no error");
}

TEST(ExternalData, ReadsTheNamedRange) {
  TempFolder folder;
  const auto model = folder.write(
      "m.onnx",
      model_with(
          {{"location", "sub/w.bin"}, {"offset", "2"}, {"length", "4"}, {"checksum", "wrong"}, {"other", "key"}}));
  folder.write("sub/w.bin", "..abcd..");
  EXPECT_EQ(weights_of(ModelFile::open(model)), "abcd");
}

TEST(ExternalData, NeedsNeitherOffsetNorLength) {
  TempFolder folder;
  const auto model = folder.write("m.onnx", model_with({{"location", "w.bin"}}));
  folder.write("w.bin", "abcdef");
  const ModelFile file = ModelFile::open(model);
  EXPECT_EQ(weights_of(file), "abcd");
  std::vector<std::byte> filled(4);
  file.fill(file.model().graph.initializers[0], filled);
  EXPECT_EQ(filled[3], std::byte{'d'});
  file.read_ahead(file.model().graph.initializers[0]);
  file.release(file.model().graph.initializers[0]);
  EXPECT_EQ(weights_of(file), "abcd");
}

TEST(ExternalData, BytesOutliveTheModel) {
  TempFolder folder;
  const auto model = folder.write("m.onnx", model_with({{"location", "w.bin"}}));
  folder.write("w.bin", "abcd");
  SharedBytes bytes;
  {
    const ModelFile file = ModelFile::open(model);
    bytes = file.tensor_bytes(file.model().graph.initializers[0]);
  }
  EXPECT_EQ(bytes.text(), "abcd");
}

TEST(ExternalData, MapsAFileOnce) {
  TempFolder folder;
  folder.write("w.bin", "abcd");
  const auto model = folder.write("m.onnx", model_with({{"location", "./w.bin"}}));
  const ModelFile file = ModelFile::open(model);
  const TensorView& tensor = file.model().graph.initializers[0];
  EXPECT_EQ(file.tensor_bytes(tensor).bytes.data(), file.tensor_bytes(tensor).bytes.data());
}

TEST(ExternalData, TensorsWithoutElementsNeedNoFile) {
  TempFolder folder;
  const auto model = folder.write("m.onnx", model_with({{"location", "absent"}}, DataType::kFloat, 0));
  EXPECT_EQ(weights_of(ModelFile::open(model)), "");
}

TEST(ExternalData, RejectsForbiddenLocations) {
  TempFolder folder;
  folder.write("secret", "abcd");
  for (const std::string_view location :
       {std::string_view("../secret"), std::string_view("a/../w"), std::string_view("/etc/passwd"),
        std::string_view(""), std::string_view("w\0x", 3), std::string_view("..")}) {
    const Error error = error_of(folder.write("models/m.onnx", model_with({{"location", location}})));
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel) << error.what();
    EXPECT_NE(error.message().find("external location"), std::string::npos) << error.what();
  }
  EXPECT_EQ(error_of(folder.write("models/m.onnx", model_with({}))).kind(), ErrorKind::kInvalidModel);
}

TEST(ExternalData, RejectsLinksOutOfTheFolder) {
  TempFolder folder;
  const auto secret = folder.write("secret", "abcd");
  const auto model = folder.write("models/m.onnx", model_with({{"location", "w.bin"}}));
  fs::create_symlink(secret, folder.path() / "models/w.bin");
  const Error error = error_of(model);
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel);
  EXPECT_NE(error.message().find("outside"), std::string::npos) << error.what();
  EXPECT_EQ(error.trail().front(), "tensor 'w'");

  fs::remove(folder.path() / "models/w.bin");
  fs::create_directory_symlink(folder.path(), folder.path() / "models/up");
  EXPECT_EQ(error_of(folder.write("models/n.onnx", model_with({{"location", "up/secret"}}))).kind(),
            ErrorKind::kInvalidModel);
}

TEST(ExternalData, FollowsLinksWithinTheFolder) {
  TempFolder folder;
  const auto model = folder.write("models/m.onnx", model_with({{"location", "w.bin"}}));
  folder.write("models/real/w", "abcd");
  fs::create_symlink("real/w", folder.path() / "models/w.bin");
  EXPECT_EQ(weights_of(ModelFile::open(model)), "abcd");
}

TEST(ExternalData, ReadsTheHubCache) {
  TempFolder folder;
  folder.write("hub/models--a--b/blobs/1111", model_with({{"location", "model.onnx_data"}}));
  folder.write("hub/models--a--b/blobs/2222", "abcd");
  const fs::path snapshot = folder.path() / "hub/models--a--b/snapshots/rev/onnx";
  fs::create_directories(snapshot);
  fs::create_symlink("../../../blobs/1111", snapshot / "model.onnx");
  fs::create_symlink("../../../blobs/2222", snapshot / "model.onnx_data");
  EXPECT_EQ(weights_of(ModelFile::open(snapshot / "model.onnx")), "abcd");

  fs::create_directory_symlink(folder.path() / "hub", folder.path() / "cache");
  EXPECT_EQ(weights_of(ModelFile::open(folder.path() / "cache/models--a--b/snapshots/rev/onnx/model.onnx")), "abcd");

  const std::string bytes = model_with({{"location", "model.onnx_data"}});
  const ModelFile from_memory = ModelFile::from_bytes({std::as_bytes(std::span(bytes)), nullptr}, snapshot);
  EXPECT_EQ(weights_of(from_memory), "abcd");
}

TEST(ExternalData, OtherReposBlobsStayClosed) {
  TempFolder folder;
  folder.write("hub/models--other/blobs/3333", "abcd");
  folder.write("hub/models--a--b/blobs/1111", model_with({{"location", "model.onnx_data"}}));
  const fs::path snapshot = folder.path() / "hub/models--a--b/snapshots/rev";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/1111", snapshot / "model.onnx");
  fs::create_symlink("../../../models--other/blobs/3333", snapshot / "model.onnx_data");
  EXPECT_EQ(error_of(snapshot / "model.onnx").kind(), ErrorKind::kInvalidModel);
}

TEST(ExternalData, ReadsFoldersOfLinksIntoTheHubCache) {
  TempFolder folder;
  const auto model = folder.write("cache/models--a--b/blobs/1111", model_with({{"location", "model.onnx_data"}}));
  const auto weights = folder.write("cache/models--a--b/blobs/2222", "abcd");
  fs::create_directories(folder.path() / "mine");
  fs::create_symlink(model, folder.path() / "mine/model.onnx");
  fs::create_symlink(weights, folder.path() / "mine/model.onnx_data");
  EXPECT_EQ(weights_of(ModelFile::open(folder.path() / "mine/model.onnx")), "abcd");
}

TEST(ExternalData, ChecksOffsetsAndLengths) {
  TempFolder folder;
  folder.write("w.bin", "abcdef");
  const auto message = [&](std::string_view offset, std::string_view length) {
    return error_of(folder.write("m.onnx", model_with({{"location", "w.bin"}, {"offset", offset}, {"length", length}})))
        .message();
  };
  EXPECT_NE(message("3", "4").find("only 6"), std::string::npos);
  EXPECT_NE(message("7", "4").find("only 6"), std::string::npos);
  EXPECT_NE(message("18446744073709551615", "4").find("only 6"), std::string::npos);
  EXPECT_NE(message("18446744073709551616", "4").find("not a number"), std::string::npos);
  EXPECT_NE(message("-1", "4").find("not a number"), std::string::npos);
  EXPECT_NE(message("1x", "4").find("not a number"), std::string::npos);
  EXPECT_NE(message("0", "5").find("length is 5"), std::string::npos);
}

TEST(ExternalData, SaysWhichFileIsMissingOrNotAFile) {
  TempFolder folder;
  const auto model = folder.write("m.onnx", model_with({{"location", "w.bin"}}));
  EXPECT_EQ(error_of(model).kind(), ErrorKind::kInvalidModel);
  EXPECT_NE(error_of(model).message().find("w.bin"), std::string::npos);
  fs::create_directory(folder.path() / "w.bin");
  EXPECT_NE(error_of(model).message().find("no regular file"), std::string::npos);
  fs::remove(folder.path() / "w.bin");
  ASSERT_EQ(::mkfifo((folder.path() / "w.bin").c_str(), 0600), 0);
  EXPECT_NE(error_of(model).message().find("no regular file"), std::string::npos);
}

TEST(ExternalData, ServesModelsFromMemory) {
  const std::string bytes = model_with({{"location", "w.bin"}, {"offset", "1"}});
  ModelFile file = ModelFile::from_bytes({std::as_bytes(std::span(bytes)), nullptr});
  try {
    weights_of(file);
    FAIL() << "there is no such file";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput) << error.what();
  }
  const std::string weights = "xabcd";
  file.provide_external("./w.bin", {std::as_bytes(std::span(weights)), nullptr});
  EXPECT_EQ(weights_of(file), "abcd");
  EXPECT_THROW(file.provide_external("../w.bin", {}), Error);
}

TEST(ExternalData, ReadsBeyondTwoGigabytes) {
  TempFolder folder;
  const auto model = folder.write("m.onnx", model_with({{"location", "w.bin"}, {"offset", "5000000000"}}));
  const auto weights = folder.write("w.bin", "");
  fs::resize_file(weights, 5'000'000'004);  // sparse
  {
    std::fstream out(weights, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(5'000'000'000);
    out << "abcd";
  }
  EXPECT_EQ(weights_of(ModelFile::open(model)), "abcd");
}

}  // namespace
}  // namespace sdx::onnx
