// Folding constants and known values.
#include <algorithm>
#include <atomic>

#include "base/mapped_file.h"
#include "ir/evaluate.h"
#include "ops/op_table.h"
#include "rewrite/passes.h"
#include "tensor/memory_budget.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

constexpr int64_t kAlwaysBytes = 1 << 20;
constexpr int64_t kLargeBytes = 1 << 16;
constexpr int64_t kStagedBytes = 32 << 20;

/// Packed weights take the place of what they are made of.
bool packs(const Node& n) { return n.op->domain == ops::kOwnDomain; }

bool foldable(const Graph& graph, const Node& n) {
  const ir::Traits& t = n.op->traits;
  if (t.impure || t.data_dependent || t.returns_values || n.op->bodies > 0 || n.outputs.empty()) return false;
  return std::ranges::all_of(n.inputs, [&](ValueId v) { return v == kNone || graph.fact(v).is_constant(); }) &&
         std::ranges::all_of(n.outputs, [&](ValueId v) {
           return v == kNone || (graph.fact(v).kind == ir::Kind::kTensor && graph.fact(v).shape.extents().has_value());
         });
}

int64_t bytes_of(const Graph& graph, std::span<const ValueId> values) {
  int64_t total = 0;
  for (ValueId v : values) {
    if (v != kNone) total += dtype_bytes(graph.fact(v).dtype, graph.fact(v).shape.extents()->count());
  }
  return total;
}

std::vector<Tensor> inputs_of(const Graph& graph, const Node& n) {
  std::vector<Tensor> out;
  for (ValueId v : n.inputs) out.push_back(v == kNone ? Tensor() : graph.fact(v).constant);
  return out;
}

/// A copy of a constant that lies in a file and is read once, in memory that the next one takes again; or the constant
/// itself. Mapping its pages takes several times as long where a virtual machine's host maps them too.
Tensor staged(const Tensor& constant, Progress& progress) {
  const auto& file_holding = progress.options.files->file_holding;
  const int64_t bytes = constant.defined() ? constant.view().bytes() : 0;
  // Where the memory limit is near, constants stay in their file.
  constexpr int64_t kRoom = 16 * kStagedBytes;
  const auto& budget = MemoryScope::current();
  if (budget && budget->limit() > 0 && budget->limit() - budget->used() < kRoom) {
    progress.staging = {};
    return constant;
  }
  if (bytes < kLargeBytes || bytes > kStagedBytes || !file_holding) return constant;
  const std::span<const std::byte> from{constant.view().data, static_cast<size_t>(bytes)};
  const auto file = file_holding(from);
  if (!file) return constant;
  if (!progress.staging.defined() || progress.staging.view().bytes() < bytes) {
    progress.staging = {};
    progress.staging = Tensor(DType::kU8, {bytes});
  }
  std::byte* const to = progress.staging.mutable_view().data;
  constexpr int64_t kPart = 1 << 20;
  std::atomic<bool> all = true;
  progress.parallel.run(bytes, kPart, [&](int64_t begin, int64_t end, int) {
    const auto at = static_cast<size_t>(begin), count = static_cast<size_t>(end - begin);
    if (!file->read(from.subspan(at, count), to + at)) all = false;
  });
  if (!all) return constant;
  return {constant.dtype(), constant.extents(), progress.staging.owner(), to};
}

std::vector<Tensor> evaluate(const Node& n, const std::vector<Tensor>& inputs, Progress& progress) {
  std::vector<ir::Slot> slots(n.inputs.size() + n.outputs.size());
  std::vector<ir::Slot*> in, out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(n.inputs[i] == kNone ? nullptr : &slots[i]);
    if (!in.back()) continue;
    Tensor given = packs(n) && i == 0 ? staged(inputs[i], progress) : inputs[i];
    const bool bytewise = i < 32 && (n.op->traits.misaligned >> i & 1);
    if (!bytewise && !is_aligned(given.view())) {
      Tensor copy(given.dtype(), given.extents());
      ir::copy_elements(given.view(), copy.mutable_view());
      given = copy;
    }
    ir::fill(slots[i], given);
  }
  for (size_t i = 0; i < n.outputs.size(); ++i)
    out.push_back(n.outputs[i] == kNone ? nullptr : &slots[inputs.size() + i]);
  // Packed weights stay; what other operators make of constants is mostly packed in turn.
  PagePool* const pool = packs(n) ? &progress.packed : nullptr;
  ir::PlainHost host;
  ir::run_concrete({*n.op, n.attrs, {}}, in, out, host, progress.parallel, pool);
  std::vector<Tensor> results;
  for (ir::Slot* s : out) results.push_back(s ? ir::to_value(*s).tensor() : Tensor());
  return results;
}

void tell_read(const std::vector<Tensor>& inputs, const Progress& progress) {
  for (const Tensor& t : inputs) {
    const auto& has_read = progress.options.files->has_read;
    if (!has_read || !t.defined() || t.view().bytes() < kLargeBytes) continue;
    has_read({t.view().data, static_cast<size_t>(t.view().bytes())});
  }
}

/// The fact without what says how it was computed: known from symbols that every run binds.
bool is_stable(const ir::Fact& fact, const Progress& progress) {
  if (fact.kind != ir::Kind::kTensor || !fact.values || !fact.shape.has_rank()) return false;
  return progress.knows(*fact.values) && progress.knows(fact.shape.dims());
}

bool fold_node(Graph& graph, NodeId id, Progress& progress) {
  const Node& n = graph.node(id);
  const int64_t bytes = bytes_of(graph, n.outputs);
  const auto inputs = inputs_of(graph, n);
  FoldCache::Entry& known = progress.folded.entry(graph, n, inputs);
  if (known.complete()) {
    if (known.is_new) tell_read(inputs, progress);
  } else {
    // What is not packed now is packed in every run.
    if (!packs(n) && bytes > kAlwaysBytes && bytes > progress.fold_left) return false;
    progress.folded.check(inputs);
    try {
      progress.folded.keep(known, evaluate(n, inputs, progress));
    } catch (Error& e) {
      e.within(cat("node '", n.name, "' (", n.op->name, ")"));
      throw;
    }
    tell_read(inputs, progress);
    if (!packs(n)) progress.fold_left -= bytes;
  }
  const std::vector<ValueId> outputs = n.outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNone) continue;
    const std::string name = graph.value(outputs[i]).name;
    graph.replace_uses(outputs[i], graph.add_constant(name, known.outputs[i]));
  }
  graph.remove(id);
  return true;
}

/// Nodes of large constants, the largest first: while one is folded, its operands and its result are resident.
bool fold_large(Graph& graph, Progress& progress) {
  if (!progress.allowed("fold-constant")) return false;
  std::vector<std::pair<int64_t, NodeId>> large;
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& n = graph.node(id);
    if (!n.op || !foldable(graph, n)) continue;
    if (const int64_t bytes = bytes_of(graph, n.inputs); bytes >= kLargeBytes) large.emplace_back(-bytes, id);
  }
  std::ranges::sort(large);
  bool changed = false;
  for (const auto& [bytes, id] : large) {
    if (!progress.allowed("fold-constant") || !fold_node(graph, id, progress)) continue;
    progress.count("fold-constant");
    changed = true;
  }
  return changed;
}

}  // namespace

bool fold(Graph& graph, Progress& progress) {
  bool changed = fold_large(graph, progress);
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (progress.allowed("fold-constant") && foldable(graph, n) && fold_node(graph, id, progress)) {
      progress.count("fold-constant");
      changed = true;
      continue;
    }
    const std::vector<ValueId> outputs = graph.node(id).outputs;
    for (ValueId v : outputs) {
      if (v == kNone || !progress.allowed("fold-known")) continue;
      const ir::Fact fact = graph.fact(v);
      const bool constant = fact.is_constant();
      if (!constant && (!progress.options.known_values || !is_stable(fact, progress))) continue;
      const std::string name = graph.value(v).name;
      graph.replace_uses(v, constant ? graph.add_constant(name, fact.constant) : graph.add_known(name, fact));
      progress.count("fold-known");
      changed = true;
    }
  }
  changed |= remove_dead(graph);
  progress.folded.drop_unused();
  return changed;
}

}  // namespace sdx::rewrite
