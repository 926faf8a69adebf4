// The public Model and Session on a model that computes y = relu(x).
#include "sardonyx/model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sardonyx {
namespace {

const std::string kRelu = SARDONYX_SOURCE_DIR "/fuzz/corpus/onnx_reader/relu";

Tensors negative_and_positive() { return {{"x", Tensor::of<float>({1, 3, 1}, {-1, 2, -3})}}; }

template <class F>
ErrorKind kind_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::Internal;
}

TEST(Model, DescribesItself) {
  const Model model = Model::load(kRelu);
  ASSERT_EQ(model.inputs().size(), 1u);
  EXPECT_EQ(model.inputs()[0].name, "x");
  EXPECT_EQ(model.inputs()[0].type, DataType::Float32);
  ASSERT_TRUE(model.inputs()[0].shape.has_value());
  EXPECT_EQ(model.inputs()[0].shape->size(), 3u);
  EXPECT_GE(model.instructions(), 1u);
}

TEST(Model, LogsTheStepsOfLoading) {
  Options options;
  std::string lines;
  options.log = [&](std::string_view line) { lines += line; };
  Model::load(kRelu, options);
  EXPECT_NE(lines.find("instructions"), std::string::npos) << lines;
}

TEST(Model, NamesAMissingFile) {
  EXPECT_EQ(kind_of([] { Model::load("no/such/file.onnx"); }), ErrorKind::InvalidInput);
}

TEST(Session, RunsOnNamedTensors) {
  const Session session(Model::load(kRelu));
  const Tensors out = session.run(negative_and_positive());
  const float* y = out.at("y").data<float>();
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], 2);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(kind_of([&] { out.at("y").data<int64_t>(); }), ErrorKind::InvalidInput);
}

TEST(Session, BorrowsInputsAndFillsLentOutputs) {
  const Session session(Model::load(kRelu));
  float x[] = {5, -6, 7}, y[] = {-1, -1, -1};
  const Tensors in{{"x", Tensor::borrow(DataType::Float32, {1, 3, 1}, x)}},
      lent{{"y", Tensor::borrow(DataType::Float32, {1, 3, 1}, y)}};
  const Tensors out = session.run(in, {}, lent);
  EXPECT_EQ(out.at("y").raw(), y);
  EXPECT_EQ(y[0], 5);
  EXPECT_EQ(y[1], 0);
  x[1] = 8;
  session.run(in, {}, lent);
  EXPECT_EQ(y[1], 8);
}

TEST(Session, RefusesWhatDoesNotFit) {
  const Session session(Model::load(kRelu));
  EXPECT_EQ(kind_of([&] { session.run({}); }), ErrorKind::InvalidInput);
  EXPECT_EQ(kind_of([&] { session.run({{"x", Tensor::of<int64_t>({1, 3, 1}, {1, 2, 3})}}); }), ErrorKind::InvalidInput);
  EXPECT_EQ(kind_of([&] { session.run({{"x", Tensor::of<float>({3}, {1, 2, 3})}}); }), ErrorKind::InvalidInput);
  Tensors extra = negative_and_positive();
  extra["z"] = extra["x"];
  EXPECT_EQ(kind_of([&] { session.run(extra); }), ErrorKind::InvalidInput);
  EXPECT_EQ(kind_of([] { Tensor::of<float>({2}, {1}); }), ErrorKind::InvalidInput);
  EXPECT_EQ(kind_of([] { Tensor(DataType::Float32, {-1}); }), ErrorKind::InvalidInput);
}

TEST(Session, StopsWhenAskedTo) {
  const Session session(Model::load(kRelu));
  RunOptions cancelled, late;
  cancelled.cancel.emplace().cancel();
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(kind_of([&] { session.run(negative_and_positive(), cancelled); }), ErrorKind::Cancelled);
  EXPECT_EQ(kind_of([&] { session.run(negative_and_positive(), late); }), ErrorKind::Cancelled);
}

TEST(Session, ProfilesItsOperators) {
  const Session session(Model::load(kRelu));
  std::vector<ProfileEntry> profile;
  RunOptions options;
  options.profile = &profile;
  session.run(negative_and_positive(), options);
  ASSERT_EQ(profile.size(), 1u);
  EXPECT_EQ(profile[0].op, "Relu");
  EXPECT_GE(profile[0].duration.count(), 0);
}

TEST(Session, RunsInSeveralThreadsAtOnce) {
  const Session session(Model::load(kRelu));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto x = static_cast<float>(t * 100 + i);
        const Tensors out = session.run({{"x", Tensor::of<float>({1, 3, 1}, {x, -x, x + 1})}});
        const float* y = out.at("y").data<float>();
        wrong += y[0] != x || y[1] != 0 || y[2] != x + 1;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sardonyx
