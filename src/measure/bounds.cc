// Bounds: the roofline of single instructions.
#include "measure/bounds.h"

#include <algorithm>
#include <map>

#include "measure/statistics.h"

namespace sdx::measure {
namespace {

/// Handing a loop to other threads and back costs about this.
constexpr double kOverheadMs = 0.002;

std::string sizes_of(const engine::Sample& sample) {
  std::string out;
  for (const auto& [dtype, extents] : sample.inputs) out += cat(out.empty() ? "" : " ", extents.text());
  out += " ->";
  for (const auto& [dtype, extents] : sample.outputs) out += cat(" ", extents.text());
  return out;
}

double ms_of(const engine::Sample& s) { return std::chrono::duration<double, std::milli>(s.end - s.begin).count(); }

/// The median time of instruction `i` of a run that makes the same instructions each time.
double typical_ms(const std::vector<std::vector<engine::Sample>>& runs, size_t i) {
  std::vector<double> times;
  for (const auto& run : runs) {
    if (i < run.size() && run[i].instruction == runs.front()[i].instruction) times.push_back(ms_of(run[i]));
  }
  return quantile(times, 0.5);
}

}  // namespace

std::string_view bound_name(Bound bound) {
  switch (bound) {
    case Bound::kArithmetic: return "arithmetic";
    case Bound::kMemory: return "memory";
    case Bound::kCache: return "cache";
    case Bound::kOverhead: return "overhead";
  }
  return "";
}

Roofline::Roofline(const Ceiling& ceiling, double all_weight_bytes, double rows)
    : ceiling_(ceiling), last_level_(static_cast<double>(last_level_cache_bytes())), rows_(rows) {
  weights_in_memory_ = all_weight_bytes > last_level_;
}

Attainable Roofline::of(const Cost& cost) const {
  const double moved = cost.moved_bytes * rows_;
  double memory = weights_in_memory_ ? cost.weight_bytes : 0, cache = cost.weight_bytes - memory;
  (moved > last_level_ ? memory : cache) += moved;
  Attainable out;
  auto raise = [&](double seconds, Bound bound) {
    if (seconds * 1e3 <= out.ms) return;
    out = {seconds * 1e3, bound};
  };
  raise(cost.operations * rows_ / ceiling_.flops, Bound::kArithmetic);
  raise(memory / ceiling_.memory, Bound::kMemory);
  raise(cache / ceiling_.cache, Bound::kCache);
  if (out.ms < kOverheadMs) out.bound = Bound::kOverhead;
  return out;
}

std::vector<Group> explain(const plan::Program& program, const std::vector<std::vector<engine::Sample>>& runs,
                           const Ceiling& ceiling) {
  const CostModel model(program);
  const auto weights = static_cast<double>(program.constant_bytes());
  const Roofline once(ceiling, weights), twice(ceiling, weights, 2);
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (size_t i = 0; i < runs.front().size(); ++i) {
    const engine::Sample& sample = runs.front()[i];
    if (!sample.instruction->bodies.empty()) continue;
    const std::string op(sample.instruction->op->name), sizes = sizes_of(sample);
    Group& group = groups[{op, sizes}];
    const Cost cost = model.of(sample);
    const Attainable best = once.of(cost);
    if (group.count++ == 0) {
      group.op = op;
      group.sizes = sizes;
      group.example = sample.instruction->name;
      group.rule = sample.instruction->rule;
      group.attainable.bound = best.bound;
    }
    group.ms += typical_ms(runs, i);
    group.cost += cost;
    group.attainable.ms += best.ms;
    group.attainable_twice_ms += twice.of(cost).ms;
  }
  std::vector<Group> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::ranges::sort(out,
                    [](const Group& a, const Group& b) { return a.ms - a.attainable.ms > b.ms - b.attainable.ms; });
  return out;
}

}  // namespace sdx::measure
