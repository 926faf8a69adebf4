// keep_caches: appending to caches in place of Concat.
#include <algorithm>
#include <optional>

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

/// One pair as it stands in the graph.
struct Found {
  size_t pair;
  ValueId past, present, fresh;
};

class CacheKeeper {
 public:
  CacheKeeper(Graph& graph, std::span<const CachePair> pairs) : graph_(graph), pairs_(pairs) {}

  std::vector<bool> run() {
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (auto found = find(i)) found_.push_back(*found);
    }
    // Keys and values of one attention are kept together or not at all.
    while (std::erase_if(found_, [&](const Found& f) { return !readers_fit(f); }) > 0) continue;
    std::vector<bool> kept(pairs_.size(), false);
    if (found_.empty()) return kept;
    add_inputs();
    for (const Found& f : found_) {
      append(f);
      kept[f.pair] = true;
    }
    for (NodeId id : graph_.order()) {
      if (is_own(graph_.node(id), "FusedAttention") && appended(graph_.node(id).inputs[1]) != kNone) read_cache(id);
    }
    remove_dead(graph_);
    for (size_t i = 0; i < found_.size(); ++i) graph_.replace_uses(found_[i].present, appended_[i]);
    remove_dead(graph_);
    verify(graph_, "keeping caches");
    return kept;
  }

 private:
  std::optional<Found> find(size_t pair) const {
    const auto& names = graph_.output_names();
    const auto output = std::ranges::find(names, pairs_[pair].present);
    const auto input =
        std::ranges::find_if(graph_.inputs(), [&](ValueId v) { return graph_.value(v).name == pairs_[pair].past; });
    if (output == names.end() || input == graph_.inputs().end()) return std::nullopt;
    const ValueId present = graph_.outputs()[static_cast<size_t>(output - names.begin())];
    const ir::Fact& past = graph_.fact(*input);
    const bool fits = past.dtype == DType::kF32 && past.shape.has_rank() && past.rank() == 4 && past.shape[1].known() &&
                      past.shape[2].symbol() && past.shape[3].known();
    const NodeId producer = graph_.value(present).producer;
    if (!fits || producer == kNone || graph_.users(*input) != std::vector<NodeId>{producer} || graph_.is_output(*input))
      return std::nullopt;
    const Node& concat = graph_.node(producer);
    const int64_t axis = attribute<int64_t>(concat, "axis", 0);
    if (concat.op->name != "Concat" || concat.inputs.size() != 2 || concat.inputs[0] != *input ||
        (axis != 2 && axis != -2))
      return std::nullopt;
    return Found{pair, *input, present, concat.inputs[1]};
  }

  bool is_found(ValueId present) const {
    return std::ranges::any_of(found_, [&](const Found& f) { return f.present == present; });
  }
  bool readers_fit(const Found& f) const {
    return std::ranges::all_of(graph_.users(f.present), [&](NodeId id) {
      const Node& n = graph_.node(id);
      if (!is_own(n, "FusedAttention") || n.inputs.size() > 5 || n.inputs[0] == f.present) return false;
      const bool laid_out = attribute<std::string>(n, "k_layout", "bhsd") == "bhsd" &&
                            attribute<std::string>(n, "v_layout", "bhsd") == "bhsd";
      return laid_out && is_found(n.inputs[1]) && is_found(n.inputs[2]);
    });
  }

  void add_inputs() {
    const Shape past = graph_.fact(found_.front().past).shape;
    const Shape present = graph_.fact(found_.front().present).shape;
    slots_ = graph_.add_input(kCacheSlots, ir::Fact::tensor(DType::kI64, Shape({past[0]})));
    graph_.add_input(kCachePast, ir::Fact::tensor(DType::kU8, Shape({past[2]})));
    past_ = graph_.add_known("cache.length", ir::Fact::known({past[2]}));
    keys_ = graph_.add_known("cache.keys", ir::Fact::known({present[2]}));
  }

  void append(const Found& f) {
    const Shape past = graph_.fact(f.past).shape;
    const Dim slots = graph_.symbols().symbol("cache_slots"), capacity = graph_.symbols().symbol("cache_capacity");
    const std::string name = graph_.value(f.past).name;
    const ValueId cache =
        graph_.add_input(name, ir::Fact::tensor(DType::kF32, Shape({slots, past[1], capacity, past[3]})));
    std::vector<ValueId> inputs;
    for (ValueId v : graph_.inputs()) {
      if (v != cache) inputs.push_back(v == f.past ? cache : v);
    }
    graph_.set_inputs(std::move(inputs));
    ValueId fresh = f.fresh;
    std::string layout = "bhsd";
    if (const NodeId id = graph_.value(fresh).producer; id != kNone && graph_.node(id).op->name == "Transpose") {
      if (attribute<std::vector<int64_t>>(graph_.node(id), "perm", {}) == std::vector<int64_t>{0, 2, 1, 3}) {
        fresh = graph_.node(id).inputs[0];
        layout = "bshd";
      }
    }
    const ir::Op& op = ops::get("CacheAppend", ops::kOwnDomain);
    const std::string output = graph_.value(f.present).name;
    appended_.push_back(graph_.call(op, op.parse({{"layout", layout}}), {cache, fresh, past_, slots_},
                                    {output, 1, {output}, {}, {}, "keep-caches"}));
  }

  ValueId appended(ValueId present) const {
    for (size_t i = 0; i < found_.size(); ++i) {
      if (found_[i].present == present) return appended_[i];
    }
    return kNone;
  }

  void read_cache(NodeId id) {
    const Node& n = graph_.node(id);
    std::vector<ValueId> inputs = n.inputs;
    inputs.resize(5, kNone);
    inputs[1] = appended(inputs[1]);
    inputs[2] = appended(inputs[2]);
    inputs.insert(inputs.end(), {keys_, slots_});
    const ValueId old = n.outputs[0];
    const std::string name = n.name, output = graph_.value(old).name;
    graph_.replace_uses(old,
                        graph_.call(*n.op, n.attrs, std::move(inputs), {name, 1, {output}, {}, {}, "keep-caches"}));
  }

  Graph& graph_;
  std::span<const CachePair> pairs_;
  std::vector<Found> found_;
  std::vector<ValueId> appended_;
  ValueId slots_ = kNone, past_ = kNone, keys_ = kNone;
};

}  // namespace

std::vector<bool> keep_caches(Graph& graph, std::span<const CachePair> pairs) {
  return CacheKeeper(graph, pairs).run();
}

}  // namespace sdx::rewrite
