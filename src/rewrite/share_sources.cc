// share_sources: rows that read one source read its keys and values where they are, instead of copies for each.
#include <algorithm>

#include "ops/op_table.h"
#include "rewrite/decoder_passes.h"
#include "rewrite/own_nodes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

class SourceSharer {
 public:
  SourceSharer(Graph& graph, std::span<const std::string> names) : graph_(graph) {
    for (const std::string& name : names) inputs_.push_back(find(name));
  }

  std::vector<bool> run() {
    // Keys and values of one attention are shared together or not at all.
    while (drop_unfit()) continue;
    std::vector<bool> shared;
    for (ValueId v : inputs_) shared.push_back(v != kNone);
    const auto any = std::ranges::find_if(inputs_, [](ValueId v) { return v != kNone; });
    if (any == inputs_.end()) return shared;
    const Shape shape = graph_.fact(*any).shape;
    rows_ = graph_.add_input(kSourceRows, ir::Fact::tensor(DType::kI64, Shape({shape[0]})));
    keys_ = graph_.add_known("source.keys", ir::Fact::known({shape[2]}));
    const Dim sources = graph_.symbols().symbol("sources");
    for (ValueId& v : inputs_) {
      if (v != kNone) v = share(v, sources);
    }
    for (NodeId id : graph_.order()) {
      if (reads_shared(graph_.node(id))) read_rows(id);
    }
    remove_dead(graph_);
    verify(graph_, "sharing sources");
    return shared;
  }

 private:
  ValueId find(const std::string& name) const {
    const auto it = std::ranges::find_if(graph_.inputs(), [&](ValueId v) { return graph_.value(v).name == name; });
    if (it == graph_.inputs().end()) return kNone;
    const ir::Fact& fact = graph_.fact(*it);
    const bool fits = fact.dtype == DType::kF32 && fact.shape.has_rank() && fact.rank() == 4 &&
                      fact.shape[0].symbol() && fact.shape[1].known() && fact.shape[2].symbol() &&
                      fact.shape[3].known();
    return fits ? *it : kNone;
  }

  bool is_shared(ValueId v) const { return v != kNone && std::ranges::find(inputs_, v) != inputs_.end(); }
  bool reads_shared(const Node& n) const { return is_own(n, "FusedAttention") && is_shared(n.inputs[1]); }

  /// The operand as attention's keys or values, laid out as the caches are.
  bool fits(const Node& n, ValueId v) const {
    if (!is_own(n, "FusedAttention") || n.inputs.size() > 5) return false;
    for (const char* layout : {"k_layout", "v_layout"}) {
      if (attribute<std::string>(n, layout, "bhsd") != "bhsd") return false;
    }
    const bool elsewhere = n.inputs[0] == v || std::find(n.inputs.begin() + 3, n.inputs.end(), v) != n.inputs.end();
    return !elsewhere && is_shared(n.inputs[1]) && is_shared(n.inputs[2]);
  }

  bool drop_unfit() {
    bool dropped = false;
    const auto same = [&](ValueId v) {
      const auto first = std::ranges::find_if(inputs_, [](ValueId other) { return other != kNone; });
      return graph_.fact(v).shape[0] == graph_.fact(*first).shape[0] &&
             graph_.fact(v).shape[2] == graph_.fact(*first).shape[2];
    };
    for (ValueId& v : inputs_) {
      if (v == kNone) continue;
      const auto users = graph_.users(v);
      if (!users.empty() && same(v) &&
          std::ranges::all_of(users, [&](NodeId id) { return fits(graph_.node(id), v); })) {
        continue;
      }
      v = kNone;
      dropped = true;
    }
    return dropped;
  }

  /// An input of another batch size in place of the old one. An output that is the input itself becomes the new one.
  ValueId share(ValueId v, const Dim& sources) {
    Shape shape = graph_.fact(v).shape;
    shape[0] = sources;
    const ValueId fresh = graph_.add_input(graph_.value(v).name, ir::Fact::tensor(DType::kF32, std::move(shape)));
    std::vector<ValueId> inputs;
    for (ValueId input : graph_.inputs()) {
      if (input != fresh) inputs.push_back(input == v ? fresh : input);
    }
    graph_.set_inputs(std::move(inputs));
    graph_.replace_uses(v, fresh);
    return fresh;
  }

  void read_rows(NodeId id) {
    const Node& n = graph_.node(id);
    std::vector<ValueId> inputs = n.inputs;
    inputs.resize(5, kNone);
    inputs.insert(inputs.end(), {keys_, rows_});
    const ValueId old = n.outputs[0];
    const std::string name = n.name, output = graph_.value(old).name;
    graph_.replace_uses(old,
                        graph_.call(*n.op, n.attrs, std::move(inputs), {name, 1, {output}, {}, {}, "share-sources"}));
  }

  Graph& graph_;
  std::vector<ValueId> inputs_;  ///< of each name, kNone where it is not shared
  ValueId rows_ = kNone, keys_ = kNone;
};

}  // namespace

std::vector<bool> share_sources(Graph& graph, std::span<const std::string> names) {
  return SourceSharer(graph, names).run();
}

}  // namespace sdx::rewrite
