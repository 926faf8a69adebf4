// Finding everything in a model that this build cannot run, before anything is built.
#include <set>

#include "import/import.h"
#include "ops/op_table.h"

namespace sdx::import {
namespace {

using FunctionKey = std::pair<std::string_view, std::string_view>;

class GapFinder {
 public:
  explicit GapFinder(const onnx::ModelView& model) : model_(model) {
    for (const auto& f : model.functions) functions_.insert({plain(f.domain), f.name});
    walk(model.graph.nodes, model.opset_imports);
    for (const auto& f : model.functions) walk(f.nodes, f.opset_imports);
  }
  std::vector<Gap> take() {
    std::vector<Gap> out;
    for (auto& [op, gap] : gaps_) out.push_back(std::move(gap));
    return out;
  }

 private:
  static std::string_view plain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

  void walk(const std::vector<onnx::NodeView>& nodes, const std::vector<onnx::OpsetView>& opsets) {
    for (const onnx::NodeView& node : nodes) {
      const std::string_view domain = plain(node.domain);
      if (!ops::find(domain, node.op_type) && !functions_.contains({domain, node.op_type})) add(node, domain, opsets);
      for (const auto& a : node.attributes) {
        for (const auto& g : a.graphs) walk(g.nodes, opsets);
      }
    }
  }

  void add(const onnx::NodeView& node, std::string_view domain, const std::vector<onnx::OpsetView>& opsets) {
    int64_t version = 1;
    for (const auto& o : opsets) {
      if (plain(o.domain) == domain) version = o.version;
    }
    const std::string op = cat(domain.empty() ? "ai.onnx" : domain, "::", node.op_type, "@", version);
    Gap& gap =
        gaps_.try_emplace(op, Gap{op, "no such operator in this build", 0, std::string(node.name)}).first->second;
    ++gap.count;
  }

  const onnx::ModelView& model_;
  std::set<FunctionKey> functions_;
  std::map<std::string, Gap> gaps_;
};

}  // namespace

std::vector<Gap> find_gaps(const onnx::ModelView& model) { return GapFinder(model).take(); }

}  // namespace sdx::import
