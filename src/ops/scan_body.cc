// Scan: a body that runs once for each element of its scan inputs.
#include "ops/family.h"
#include "ops/stacked.h"

namespace sdx::ops {
namespace {

struct ScanAttrs {
  int64_t num_scan_inputs = 1;
  std::vector<int64_t> scan_input_axes, scan_input_directions, scan_output_axes, scan_output_directions;
  bool batched = false;  ///< opset 8: input 0 is sequence_lens, and axis 0 of everything is a batch
  bool operator==(const ScanAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("num_scan_inputs", &ScanAttrs::num_scan_inputs),
                      field("scan_input_axes", &ScanAttrs::scan_input_axes),
                      field("scan_input_directions", &ScanAttrs::scan_input_directions),
                      field("scan_output_axes", &ScanAttrs::scan_output_axes),
                      field("scan_output_directions", &ScanAttrs::scan_output_directions),
                      field("batched", &ScanAttrs::batched)};
  }
  static int64_t entry(const std::vector<int64_t>& list, int i) {
    return static_cast<size_t>(i) < list.size() ? list[static_cast<size_t>(i)] : 0;
  }
};

void upgrade(Call& c) {
  if (c.version >= 9) return;
  c.attrs["batched"] = int64_t{1};
  if (auto it = c.attrs.find("directions"); it != c.attrs.end()) {
    auto directions = std::move(it->second);
    c.attrs.erase(it);
    c.attrs["scan_input_directions"] = std::move(directions);
  }
}

/// How the operands divide.
struct Parts {
  int first, states, scans;  ///< first: index of the first state
  Parts(const ScanAttrs& a, int inputs)
      : first(a.batched ? 1 : 0),
        states(inputs - first - static_cast<int>(a.num_scan_inputs)),
        scans(static_cast<int>(a.num_scan_inputs)) {}
};

Shape with_axis(InferContext& c, const Shape& item, int64_t axis, const Dim& size) {
  const int at = c.axis(axis, item.rank() + 1, "scan_output_axes");
  Shape out{std::vector<Dim>{}};
  for (int i = 0; i <= item.rank(); ++i) {
    if (i == at) out.push_back(size);
    if (i < item.rank()) out.push_back(item[i]);
  }
  return out;
}

/// The number of iterations (and the batch size), where scan inputs must agree.
Dim common_length(InferContext& c, const ScanAttrs& a, const Parts& parts, Dim& batch) {
  std::optional<Dim> length, items;
  for (int i = 0; i < parts.scans; ++i) {
    const int input = parts.first + parts.states + i;
    c.require_rank(input, a.batched ? 2 : 1);
    const Shape& s = c.input(input).shape;
    if (!s.has_rank()) continue;
    const int64_t axis = a.batched ? 1 : ScanAttrs::entry(a.scan_input_axes, i);
    const Dim size = s[c.axis(axis, s.rank(), "scan_input_axes")];
    if (length) c.require_equal(*length, size, "the lengths of scan inputs");
    length = size;
    if (!a.batched) continue;
    if (items) c.require_equal(*items, s[0], "the batch sizes of scan inputs");
    items = s[0];
  }
  batch = items.value_or(c.symbols().fresh());
  return length.value_or(c.symbols().fresh());
}

void infer(InferContext& c) {
  const auto& a = c.attrs<ScanAttrs>();
  if (a.num_scan_inputs < 1 || a.num_scan_inputs > c.input_count()) {
    c.invalid("attribute 'num_scan_inputs' is ", a.num_scan_inputs, " but the node has ", c.input_count(), " inputs");
  }
  const Parts parts(a, c.input_count());
  if (c.bodies().size() != 1) c.invalid("Scan needs the attribute 'body'");
  const ir::Graph& body = c.bodies()[0];
  if (parts.states < 0 || static_cast<int>(body.inputs().size()) < parts.states + parts.scans ||
      static_cast<int>(body.outputs().size()) < std::max(parts.states, c.output_count())) {
    c.invalid("the scan has ", parts.states, " states, ", parts.scans, " scan inputs and ", c.output_count(),
              " outputs, but its body takes ", body.inputs().size(), " inputs and gives ", body.outputs().size());
  }
  for (int i = parts.first; i < c.input_count(); ++i) {
    if (c.input(i).kind != ir::Kind::kTensor)
      c.invalid("input ", i, " of Scan is ", c.input(i).text(), " but must be a tensor");
  }
  Dim batch;
  const Dim length = common_length(c, a, parts, batch);
  for (int i = 0; i < c.output_count(); ++i) {
    const Fact& fact = body.fact(body.outputs()[static_cast<size_t>(i)]);
    if (i < parts.states && !a.batched) {
      c.set(i, carried(c.input(parts.first + i), fact, c.symbols()));
      continue;
    }
    Shape shape = loosened(fact.shape, c.symbols());
    if (shape.has_rank() && i >= parts.states) {
      shape = with_axis(c, shape, a.batched ? 0 : ScanAttrs::entry(a.scan_output_axes, i - parts.states), length);
    }
    if (shape.has_rank() && a.batched) shape = with_axis(c, shape, 0, batch);
    c.set(i, fact.dtype, std::move(shape));
  }
}

/// Throws InvalidInput unless the tensor has `length` elements along the axis, which comes back non-negative.
int checked_axis(const Tensor& t, int64_t axis, int64_t length) {
  const int64_t rank = t.extents().rank(), at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank || t.extents()[static_cast<int>(at)] < length) {
    fail(ErrorKind::kInvalidInput, "a scan input of shape ", t.extents().text(), " has no ", length,
         " elements along axis ", axis);
  }
  return static_cast<int>(at);
}

/// Runs the body over scan inputs of one item; gives the final states, then the stacked outputs.
std::vector<Value> scan(RunContext& c, std::vector<Value> states, const std::vector<Tensor>& inputs, int64_t length,
                        int outputs) {
  const auto& a = c.attrs<ScanAttrs>();
  std::vector<Stacked> stacks(static_cast<size_t>(outputs) - states.size());
  for (int64_t i = 0; i < length; ++i) {
    c.host().check_cancelled();
    std::vector<Value> given = std::move(states);
    for (size_t j = 0; j < inputs.size(); ++j) {
      const int64_t axis = a.batched ? 0 : ScanAttrs::entry(a.scan_input_axes, static_cast<int>(j));
      const bool reverse = ScanAttrs::entry(a.scan_input_directions, static_cast<int>(j)) == 1;
      const int at = checked_axis(inputs[j], axis, length);
      given.push_back(slice_at(inputs[j], at, reverse ? length - 1 - i : i));
    }
    const size_t count = given.size() - inputs.size();
    std::vector<Value> results = c.host().run_body(0, given);
    states.assign(std::make_move_iterator(results.begin()),
                  std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(count)));
    for (size_t j = 0; j < stacks.size(); ++j) stacks[j].add(std::move(results[count + j]));
  }
  for (size_t j = 0; j < stacks.size(); ++j) {
    const int index = outputs - static_cast<int>(stacks.size() - j);
    const int64_t axis = a.batched ? 0 : ScanAttrs::entry(a.scan_output_axes, static_cast<int>(j));
    const bool reverse = ScanAttrs::entry(a.scan_output_directions, static_cast<int>(j)) == 1;
    states.push_back(stacks[j].finish(c.host().body_output(0, index), axis, reverse));
  }
  return states;
}

/// Zeros after the elements of a sequence that is shorter than the longest of its batch.
Tensor padded(const Tensor& t, int64_t length) {
  if (t.extents()[0] == length) return t;
  Extents extents = t.extents();
  extents[0] = length;
  Tensor out(t.dtype(), extents);
  const int64_t bytes = t.view().bytes();
  if (t.dtype() == DType::kString) fail(ErrorKind::kUnsupportedModel, "padding of string sequences");
  std::fill(out.mutable_view().data + bytes, out.mutable_view().data + out.view().bytes(), std::byte{});
  std::copy(t.view().data, t.view().data + bytes, out.mutable_view().data);
  return out;
}

void run_batched(RunContext& c, const Parts& parts) {
  const int outputs = std::max(c.output_count(), parts.states);
  std::vector<Tensor> operands;
  for (int i = parts.first; i < c.input_count(); ++i) operands.push_back(c.input_value(i).tensor());
  const Extents& first = operands.back().extents();
  for (const Tensor& t : operands)
    checked_axis(t, 0, first.rank() < 2 ? std::numeric_limits<int64_t>::max() : first[0]);
  if (c.has_input(0) && c.input(0).count() < first[0])
    fail(ErrorKind::kInvalidInput, "sequence_lens has ", c.input(0).count(), " entries for ", first[0], " sequences");
  std::vector<Stacked> stacks(static_cast<size_t>(outputs));
  for (int64_t b = 0; b < first[0]; ++b) {
    int64_t length = first[1];
    if (c.has_input(0)) length = std::clamp<int64_t>(c.input(0).as<int64_t>()[b], 0, length);
    std::vector<Value> states;
    std::vector<Tensor> scans;
    for (int i = 0; i < parts.states; ++i) states.push_back(slice_at(operands[static_cast<size_t>(i)], 0, b));
    for (int i = 0; i < parts.scans; ++i)
      scans.push_back(slice_at(operands[static_cast<size_t>(parts.states + i)], 0, b));
    auto results = scan(c, std::move(states), scans, length, outputs);
    for (int i = 0; i < outputs; ++i) {
      Value& v = results[static_cast<size_t>(i)];
      stacks[static_cast<size_t>(i)].add(i < parts.states ? std::move(v) : Value(padded(v.tensor(), first[1])));
    }
  }
  for (int i = 0; i < c.output_count(); ++i) {
    c.set_output(i, stacks[static_cast<size_t>(i)].finish(c.host().body_output(0, i), 0, false));
  }
}

void run(RunContext& c) {
  const auto& a = c.attrs<ScanAttrs>();
  const Parts parts(a, c.input_count());
  if (a.batched) return run_batched(c, parts);
  std::vector<Value> states;
  std::vector<Tensor> scans;
  for (int i = 0; i < parts.states; ++i) states.push_back(c.input_value(i));
  for (int i = 0; i < parts.scans; ++i) scans.push_back(c.input_value(parts.states + i).tensor());
  const int64_t axis = ScanAttrs::entry(a.scan_input_axes, 0);
  const int64_t length = scans[0].extents()[checked_axis(scans[0], axis, 0)];
  auto results = scan(c, std::move(states), scans, length, std::max(c.output_count(), parts.states));
  for (int i = 0; i < c.output_count(); ++i) c.set_output(i, std::move(results[static_cast<size_t>(i)]));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Scan",
     .inputs = {1, ir::kVariadic},
     .outputs = {1, ir::kVariadic},
     .parse = Attrs::parse<ScanAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.returns_values = true},
     .since = 8,
     .upgrade = upgrade,
     .bodies = 1,
     .body_names = {"body"}},
};

}  // namespace

std::span<const Op> scan_body_family() { return kFamily; }

}  // namespace sdx::ops
