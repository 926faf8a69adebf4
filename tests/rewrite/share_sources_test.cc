// share_sources: rows that read one source give what they give with copies of it.
#include <gtest/gtest.h>

#include <random>

#include "engine/execution.h"
#include "ir/text.h"
#include "ops/op_table.h"
#include "plan/program.h"
#include "rewrite/decoder_passes.h"

namespace sdx::rewrite {
namespace {

constexpr const char* kText =
    "input %q: float32[batch,2,3,4]\n"
    "input %keys: float32[batch,2,source,4]\n"
    "input %values: float32[batch,2,source,4]\n"
    "%y = sardonyx.FusedAttention{heads=2, q_layout=\"bhsd\", k_layout=\"bhsd\", v_layout=\"bhsd\", "
    "out_layout=\"bhsd\"}(%q, %keys, %values)\n";

const std::vector<std::string> kNames = {"keys", "", "values"};

Tensor random_tensor(const Extents& extents, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Tensor t(DType::kF32, extents);
  std::generate_n(t.mutable_view().as<float>(), extents.count(), [&] { return uniform(random); });
  return t;
}

Tensor run(ir::Graph graph, const std::vector<Value>& values) {
  const auto program = plan::make_program(std::move(graph));
  engine::Execution execution(*program);
  return execution.run(values, {}, {}, {})[0].tensor();
}

/// Item sources[i] for each i.
Tensor repeated(const Tensor& t, const std::vector<int64_t>& sources) {
  Extents extents = t.extents();
  const int64_t size = extents.count() / extents[0];
  extents[0] = static_cast<int64_t>(sources.size());
  std::vector<float> out;
  for (int64_t s : sources) out.insert(out.end(), t.as<float>() + s * size, t.as<float>() + (s + 1) * size);
  return Tensor::from<float>(extents, out);
}

TEST(ShareSources, RowsReadTheirSource) {
  ir::Graph shared = ir::parse(cat(kText, "output %y\n"), ops::find);
  EXPECT_EQ(share_sources(shared, kNames), (std::vector<bool>{true, false, true}));
  const std::vector<int64_t> sources = {1, 0, 1, 1};
  const Tensor q = random_tensor({4, 2, 3, 4}, 1), k = random_tensor({2, 2, 5, 4}, 2),
               v = random_tensor({2, 2, 5, 4}, 3);
  std::vector<Value> values;
  for (ir::ValueId input : shared.inputs()) {
    const std::string& name = shared.value(input).name;
    values.emplace_back(name == "q"        ? q
                        : name == "keys"   ? k
                        : name == "values" ? v
                                           : Tensor::from<int64_t>({4}, sources));
  }
  const Tensor y = run(std::move(shared), values);
  const Tensor wanted =
      run(ir::parse(cat(kText, "output %y\n"), ops::find), {q, repeated(k, sources), repeated(v, sources)});
  EXPECT_EQ(y, wanted);
}

TEST(ShareSources, LeavesWhatOthersReadToo) {
  ir::Graph graph = ir::parse(cat(kText, "%z = Neg(%keys)\noutput %y\noutput %z\n"), ops::find);
  const size_t inputs = graph.inputs().size();
  // Values alone would not do: attention reads both by the same rows.
  EXPECT_EQ(share_sources(graph, kNames), (std::vector<bool>{false, false, false}));
  EXPECT_EQ(graph.inputs().size(), inputs);
}

TEST(ShareSources, LeavesQueries) {
  ir::Graph graph = ir::parse(
      "input %x: float32[batch,2,source,4]\n%y = sardonyx.FusedAttention{heads=2, q_layout=\"bhsd\", "
      "k_layout=\"bhsd\", "
      "v_layout=\"bhsd\", out_layout=\"bhsd\"}(%x, %x, %x)\noutput %y\n",
      ops::find);
  EXPECT_EQ(share_sources(graph, std::vector<std::string>{"x"}), std::vector<bool>{false});
}

}  // namespace
}  // namespace sdx::rewrite
