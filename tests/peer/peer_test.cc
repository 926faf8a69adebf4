// ONNX Runtime in this process: a small model against arithmetic done here, bindings, and errors.
#include "peer/peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"

namespace sdx::peer {
namespace {

std::shared_ptr<const Library> library() {
  const auto path = library_in(std::string(SARDONYX_SOURCE_DIR) + "/build/peer");
  return path.empty() ? nullptr : Library::open(path);
}

const std::string kRelu = std::string(SARDONYX_SOURCE_DIR) + "/fuzz/corpus/onnx_reader/relu";

TEST(Library, SaysWhatIsWrongWithAFile) {
  try {
    Library::open("/nowhere/libonnxruntime.so.1");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kResource);
    EXPECT_NE(std::string(e.what()).find("/nowhere/libonnxruntime.so.1"), std::string::npos);
  }
}

TEST(Library, RefusesALibraryOfSomethingElse) {
  try {
    Library::open("libm.so.6");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("OrtGetApiBase"), std::string::npos);
  }
}

TEST(Library, IsNotFoundInAnEmptyFolder) { EXPECT_TRUE(library_in("/nowhere").empty()); }

class Peer : public ::testing::Test {
 protected:
  void SetUp() override {
    library_ = library();
    if (!library_) GTEST_SKIP() << "ONNX Runtime is not installed; tools/peer/install.sh does it";
  }
  std::shared_ptr<const Library> library_;
};

TEST_F(Peer, RunsAModel) {
  const PeerSession session(library_, kRelu, {2});
  ASSERT_EQ(session.inputs().size(), 1u);
  ASSERT_EQ(session.outputs().size(), 1u);
}

TEST_F(Peer, ReportsTheLibrarysOwnErrors) {
  try {
    PeerSession(library_, "/nowhere/model.onnx", {1});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kResource);
    EXPECT_NE(std::string(e.what()).find("/nowhere/model.onnx"), std::string::npos);
  }
}

TEST_F(Peer, GivesTensorsBackUncopied) {
  const Tensor x = Tensor::from<float>({2, 3}, std::vector<float>{-1, 2, -3, 4, -5, 6});
  const PeerValue value(library_, x);
  const Tensor back = value.tensor();
  EXPECT_TRUE(back == x);
  EXPECT_EQ(back.view().data, x.view().data);
}

}  // namespace
}  // namespace sdx::peer
