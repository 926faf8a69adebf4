// Packed weights in a folder and between models of one process: found again, and never believed when damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "engine/model.h"
#include "temp_folder.h"

namespace sdx::engine {
namespace {

namespace fs = std::filesystem;
using onnx::test::TempFolder;

const fs::path kModel = SARDONYX_SOURCE_DIR "/models/demo/onnx/model.onnx";

std::shared_ptr<const Model> load(const fs::path& folder, const fs::path& model = kModel) {
  ModelOptions options;
  if (!folder.empty()) options.rewrite.weights = std::make_shared<rewrite::WeightFolder>(folder);
  return Model::load(model, options);
}

std::vector<float> logits(std::shared_ptr<const Model> model) {
  Session session(model);
  std::vector<Value> inputs;
  for (const Port& port : model->inputs()) {
    const bool is_past = port.name.starts_with("past");
    Extents extents = is_past ? Extents{1, 0, 0, 0} : Extents{1, 5};
    for (int d = 0; is_past && d < 4; ++d) {
      if (port.fact.shape[d].known()) extents[d] = *port.fact.shape[d].evaluate({});
    }
    Tensor t(port.fact.dtype, extents);
    for (int64_t i = 0; !is_past && i < extents.count(); ++i)
      t.mutable_view().as<int64_t>()[i] = port.name == "attention_mask" ? 1 : i;
    inputs.emplace_back(t);
  }
  const auto outputs = session.run(inputs);
  const auto values = outputs[0].tensor().values<float>();
  return {values.begin(), values.end()};
}

/// Where the program's constants of at least 64 KiB lie.
std::set<const std::byte*> large_constants(const Model& model) {
  std::set<const std::byte*> out;
  for (const auto& slot : model.program().slots) {
    if (slot.fact.is_constant() && slot.fact.constant.view().bytes() >= (1 << 16))
      out.insert(slot.fact.constant.view().data);
  }
  return out;
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& ending) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ending) out.push_back(entry.path());
  }
  return out;
}

void flip(const fs::path& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const char c = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(c ^ 0x10));
}

class WeightFolderTest : public testing::Test {
 protected:
  fs::path kept() const { return temporary_.path() / "weights"; }

  const TempFolder temporary_;
  const std::vector<float> plain_ = logits(load({}));
};

TEST_F(WeightFolderTest, GivesTheSameResultsFromMappedWeights) {
  EXPECT_EQ(logits(load(kept())), plain_);
  const auto written = files_in(kept(), ".weight");
  ASSERT_FALSE(written.empty());
  const auto times = [&] {
    std::set<std::pair<fs::path, fs::file_time_type>> out;
    for (const auto& path : files_in(kept(), ".weight")) out.emplace(path, fs::last_write_time(path));
    return out;
  };
  const auto before = times();
  EXPECT_EQ(logits(load(kept())), plain_);
  EXPECT_EQ(times(), before);
}

TEST_F(WeightFolderTest, PacksAgainWhatIsDamaged) {
  load(kept());
  for (const auto& path : files_in(kept(), ".weight")) flip(path, fs::file_size(path) - 77);
  EXPECT_EQ(logits(load(kept())), plain_);
  EXPECT_EQ(logits(load(kept())), plain_);
  for (const auto& path : files_in(kept(), ".weight")) flip(path, 3);
  EXPECT_EQ(logits(load(kept())), plain_);
  for (const auto& path : files_in(kept(), ".weight")) fs::resize_file(path, fs::file_size(path) - 1);
  EXPECT_EQ(logits(load(kept())), plain_);
  for (const auto& path : files_in(kept(), ".weight")) fs::resize_file(path, 0);
  EXPECT_EQ(logits(load(kept())), plain_);
}

TEST_F(WeightFolderTest, FilesMayBeDeletedAtAnyTime) {
  const auto model = load(kept());
  fs::remove_all(kept());
  EXPECT_EQ(logits(model), plain_);
  load(kept());
  fs::resize_file(kept() / "secret", 5);
  EXPECT_EQ(logits(load(kept())), plain_);
  const auto files = files_in(kept(), ".weight");
  fs::remove(files[0]);
  EXPECT_EQ(logits(load(kept())), plain_);
}

TEST_F(WeightFolderTest, KnowsWeightsByTheirContent) {
  const fs::path copy = temporary_.path() / "model.onnx";
  fs::copy_file(kModel, copy);
  load(kept());
  const size_t count = files_in(kept(), ".weight").size();
  EXPECT_EQ(logits(load(kept(), copy)), plain_);
  EXPECT_EQ(files_in(kept(), ".weight").size(), count);

  // One bit in the middle of each 64 KiB: every large weight is another now, under the same name, size and time.
  const auto time = fs::last_write_time(copy);
  for (uint64_t at = fs::file_size(copy) / 2; at + 4 < fs::file_size(copy) * 3 / 4; at += 1 << 14)
    flip(copy, at / 4 * 4);
  fs::last_write_time(copy, time);
  EXPECT_EQ(logits(load(kept(), copy)), logits(load({}, copy)));
  EXPECT_GT(files_in(kept(), ".weight").size(), count);
}

TEST_F(WeightFolderTest, RemembersFilesThatHaveSettled) {
  load(kept());
  const auto sources = files_in(kept(), ".source");
  ASSERT_FALSE(sources.empty());
  for (const auto& path : sources) flip(path, fs::file_size(path) - 1);
  EXPECT_EQ(logits(load(kept())), plain_);
}

TEST_F(WeightFolderTest, RefusesWhatIsNoFolder) {
  const fs::path path = temporary_.write("file", "x");
  try {
    load(path);
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kResource);
    EXPECT_NE(std::string(e.what()).find(path.string()), std::string::npos) << e.what();
  }
}

TEST(SharedWeights, AreThoseOfEqualContentInOneProcess) {
  const TempFolder temporary;
  const fs::path copy = temporary.path() / "model.onnx";
  fs::copy_file(kModel, copy);
  auto first = load({});
  const auto second = load({}, copy);
  const auto plain = logits(first);
  const auto one = large_constants(*first), other = large_constants(*second);
  std::vector<const std::byte*> both;
  std::ranges::set_intersection(one, other, std::back_inserter(both));
  EXPECT_FALSE(both.empty());
  first = nullptr;
  EXPECT_EQ(logits(second), plain);
}

}  // namespace
}  // namespace sdx::engine
