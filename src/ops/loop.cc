// Loop: a body that runs while its condition holds, up to a number of times.
#include "ops/family.h"
#include "ops/stacked.h"

namespace sdx::ops {
namespace {

constexpr int kTrips = 0, kCondition = 1, kFirstCarried = 2;

int carried_count(InferContext& c) { return std::max(0, c.input_count() - kFirstCarried); }

void check_control(InferContext& c) {
  if (c.has(kTrips)) c.require_dtype(kTrips, {DType::kI64});
  if (c.has(kCondition)) c.require_dtype(kCondition, {DType::kBool});
  for (int i : {kTrips, kCondition}) {
    if (c.has(i) && c.input(i).shape.has_rank()) {
      c.require_equal(c.input(i).shape.count(), 1, "the elements of a loop's trip count or condition and 1");
    }
  }
}

/// Outputs: the carried values, then the scan outputs, stacked along a new first axis.
void infer(InferContext& c) {
  check_control(c);
  if (c.bodies().size() != 1) c.invalid("Loop needs the attribute 'body'");
  const ir::Graph& body = c.bodies()[0];
  const int carried_values = carried_count(c);
  const auto given = static_cast<int>(body.outputs().size()) - 1;
  if (given < carried_values || c.output_count() > given ||
      static_cast<int>(body.inputs().size()) < carried_values + 2) {
    c.invalid("the loop carries ", carried_values, " values and has ", c.output_count(),
              " outputs, but its body takes ", body.inputs().size(), " inputs and gives ", given + 1, " outputs");
  }
  const Fact& condition = body.fact(body.outputs()[0]);
  if (condition.kind != ir::Kind::kTensor || (condition.dtype != DType::kUndefined && condition.dtype != DType::kBool))
    c.invalid("the first output of the body is ", condition.text(),
              " but must be the loop's condition, a tensor of bool");
  for (int i = 0; i < c.output_count(); ++i) {
    const Fact& fact = body.fact(body.outputs()[static_cast<size_t>(i) + 1]);
    if (i < carried_values) {
      c.set(i, carried(c.input(i + kFirstCarried), fact, c.symbols()));
      continue;
    }
    Shape shape;
    if (fact.shape.has_rank()) {
      const Shape item = loosened(fact.shape, c.symbols());
      shape = Shape({c.symbols().fresh()});
      for (const Dim& d : item.dims()) shape.push_back(d);
    }
    c.set(i, fact.dtype, std::move(shape));
  }
}

bool is_true(const Value& value) {
  if (!value.is_tensor() || value.tensor().dtype() != DType::kBool)
    fail(ErrorKind::kInvalidModel,
         "the condition that the body of a loop returns is no tensor of bool; correct the model");
  return value.tensor().extents().count() == 1 && *value.tensor().as<bool>();
}

void run(RunContext& c) {
  ir::RunHost& host = c.host();
  const int carried_values = std::max(0, c.input_count() - kFirstCarried);
  const int64_t trips =
      c.has_input(kTrips) ? only_element<int64_t>(c.input(kTrips)) : std::numeric_limits<int64_t>::max();
  Tensor condition = Tensor::scalar<bool>(!c.has_input(kCondition) || only_element<bool>(c.input(kCondition)));
  std::vector<Value> values;
  for (int i = 0; i < carried_values; ++i) values.push_back(c.input_value(i + kFirstCarried));
  std::vector<Stacked> stacks(static_cast<size_t>(std::max(0, c.output_count() - carried_values)));
  for (int64_t trip = 0; trip < trips && *condition.as<bool>(); ++trip) {
    host.check_cancelled();
    std::vector<Value> inputs{shaped_like(Tensor::scalar(trip), host.body_input(0, 0)),
                              shaped_like(condition, host.body_input(0, 1))};
    for (Value& v : values) inputs.push_back(std::move(v));
    std::vector<Value> results = host.run_body(0, inputs);
    condition = Tensor::scalar<bool>(is_true(results[0]));
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::move(results[i + 1]);
    for (size_t i = 0; i < stacks.size(); ++i) stacks[i].add(std::move(results[i + 1 + values.size()]));
  }
  for (int i = 0; i < c.output_count(); ++i) {
    if (!c.wants(i)) continue;
    if (i < carried_values)
      c.set_output(i, std::move(values[static_cast<size_t>(i)]));
    else
      c.set_output(i, stacks[static_cast<size_t>(i - carried_values)].finish(host.body_output(0, i + 1), 0, false));
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Loop",
     .inputs = {0, ir::kVariadic},
     .outputs = {1, ir::kVariadic},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.returns_values = true},
     .bodies = 1,
     .body_names = {"body"}},
};

}  // namespace

std::span<const Op> loop_family() { return kFamily; }

}  // namespace sdx::ops
