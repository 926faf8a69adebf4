// Sequences: making them, changing them, and taking their elements.
#include "ops/family.h"
#include "ops/stacked.h"

namespace sdx::ops {
namespace {

struct SequenceEmptyAttrs {
  DType dtype = DType::kF32;
  bool operator==(const SequenceEmptyAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("dtype", &SequenceEmptyAttrs::dtype)}; }
};

Fact sequence_of(Fact element) {
  element.kind = ir::Kind::kSequence;
  element.constant = {};
  element.values.reset();
  return element;
}

Fact element_of(const Fact& sequence) {
  Fact out = sequence;
  out.kind = ir::Kind::kTensor;
  return out;
}

void require_sequence(InferContext& c, int i) {
  if (c.input(i).kind != ir::Kind::kSequence)
    c.invalid("input ", i, " is ", c.input(i).text(), " but must be a sequence");
}

void require_tensor(InferContext& c, int i) {
  if (c.input(i).kind != ir::Kind::kTensor) c.invalid("input ", i, " is ", c.input(i).text(), " but must be a tensor");
}

void check_position(InferContext& c, int i) {
  if (!c.has(i)) return;
  require_tensor(c, i);
  c.require_dtype(i, {DType::kI64, DType::kI32});
}

/// The position that input `i` names among `count` places, negative ones from the end.
int64_t position(RunContext& c, int i, int64_t count) {
  const ConstView view = c.input(i);
  const int64_t given = view.dtype == DType::kI64 ? only_element<int64_t>(view) : only_element<int32_t>(view);
  if (given < -count || given >= count) {
    fail(ErrorKind::kInvalidInput, "position ", given, " in a sequence must be in [", -count, ", ", count, ")");
  }
  return given < 0 ? given + count : given;
}

/// A copy of the input sequence; its tensors are shared.
Sequence sequence(RunContext& c, int i) { return c.input_sequence(i); }

void infer_empty(InferContext& c) { c.set(0, sequence_of(Fact::tensor(c.attrs<SequenceEmptyAttrs>().dtype, Shape()))); }
void run_empty(RunContext& c) { c.set_output(0, Sequence{c.attrs<SequenceEmptyAttrs>().dtype, {}}); }

void infer_construct(InferContext& c) {
  for (int i = 0; i < c.input_count(); ++i) require_tensor(c, i);
  Fact joined = c.input(0);
  for (int i = 1; i < c.input_count(); ++i) {
    c.require_same_dtype(0, i);
    joined = ir::join(joined, c.input(i), c.symbols());
    // Sizes that differ from element to element have no symbol.
    for (int d = 0; joined.shape.has_rank() && d < joined.rank(); ++d) {
      if (!(joined.shape[d] == c.input(i).shape[d])) joined.shape = Shape();
    }
  }
  c.set(0, sequence_of(std::move(joined)));
}
void run_construct(RunContext& c) {
  Sequence out{c.input(0).dtype, {}};
  for (int i = 0; i < c.input_count(); ++i) out.items.push_back(c.input_value(i).tensor());
  c.set_output(0, std::move(out));
}

void infer_insert(InferContext& c) {
  require_sequence(c, 0);
  require_tensor(c, 1);
  c.require_same_dtype(0, 1);
  check_position(c, 2);
  Fact element = element_of(c.input(0));
  if (!(element.shape == c.input(1).shape)) element.shape = Shape();
  c.set(0, sequence_of(std::move(element)));
}
void run_insert(RunContext& c) {
  Sequence out = sequence(c, 0);
  const auto count = static_cast<int64_t>(out.items.size());
  int64_t at = count;
  if (c.has_input(2)) {
    const ConstView view = c.input(2);
    const int64_t given = view.dtype == DType::kI64 ? only_element<int64_t>(view) : only_element<int32_t>(view);
    if (given < -count || given > count) {
      fail(ErrorKind::kInvalidInput, "position ", given, " for a new element must be in [", -count, ", ", count, "]");
    }
    at = given < 0 ? given + count : given;
  }
  out.items.insert(out.items.begin() + at, c.input_value(1).tensor());
  c.set_output(0, std::move(out));
}

void infer_erase(InferContext& c) {
  require_sequence(c, 0);
  check_position(c, 1);
  c.set(0, c.input(0));
}
void run_erase(RunContext& c) {
  Sequence out = sequence(c, 0);
  const auto count = static_cast<int64_t>(out.items.size());
  if (count == 0) fail(ErrorKind::kInvalidInput, "SequenceErase of an empty sequence");
  out.items.erase(out.items.begin() + (c.has_input(1) ? position(c, 1, count) : count - 1));
  c.set_output(0, std::move(out));
}

void infer_at(InferContext& c) {
  require_sequence(c, 0);
  c.input(1);
  check_position(c, 1);
  c.set(0, element_of(c.input(0)));
}
void run_at(RunContext& c) {
  const Sequence& from = c.input_sequence(0);
  c.set_output(0, from.items[static_cast<size_t>(position(c, 1, static_cast<int64_t>(from.items.size())))]);
}

void infer_length(InferContext& c) {
  require_sequence(c, 0);
  c.set(0, DType::kI64, Shape(std::vector<Dim>{}));
}
void run_length(RunContext& c) {
  c.set_output(0, Tensor::scalar(static_cast<int64_t>(c.input_sequence(0).items.size())));
}

/// Output i is the sequence of what the body gives as output i for each element of input 0; further sequences go along
/// element by element, tensors as they are.
void infer_map(InferContext& c) {
  require_sequence(c, 0);
  if (c.bodies().size() != 1) c.invalid("SequenceMap needs the attribute 'body'");
  const ir::Graph& body = c.bodies()[0];
  if (static_cast<int>(body.outputs().size()) < c.output_count() ||
      static_cast<int>(body.inputs().size()) < c.input_count()) {
    c.invalid("the node has ", c.input_count(), " inputs and ", c.output_count(), " outputs, but its body takes ",
              body.inputs().size(), " and gives ", body.outputs().size());
  }
  for (int i = 0; i < c.output_count(); ++i) {
    Fact fact = body.fact(body.outputs()[static_cast<size_t>(i)]);
    if (fact.kind != ir::Kind::kTensor)
      c.invalid("output ", i, " of the body is ", fact.text(), " but must be a tensor");
    for (int d = 0; fact.shape.has_rank() && d < fact.rank(); ++d) {
      if (!fact.shape[d].known()) fact.shape = Shape();
    }
    c.set(i, sequence_of(std::move(fact)));
  }
}
void run_map(RunContext& c) {
  std::vector<Value> given;
  for (int i = 0; i < c.input_count(); ++i) given.push_back(c.input_value(i));
  const size_t count = given[0].sequence().items.size();
  std::vector<Sequence> out(static_cast<size_t>(c.output_count()));
  for (int i = 0; i < c.output_count(); ++i) out[static_cast<size_t>(i)].dtype = c.host().body_output(0, i).dtype;
  for (size_t n = 0; n < count; ++n) {
    c.host().check_cancelled();
    std::vector<Value> inputs;
    for (const Value& v : given) {
      if (v.is_sequence() && v.sequence().items.size() != count) {
        fail(ErrorKind::kInvalidInput, "sequences of ", count, " and ", v.sequence().items.size(),
             " elements cannot be mapped together");
      }
      inputs.push_back(v.is_sequence() ? Value(v.sequence().items[n]) : v);
    }
    auto results = c.host().run_body(0, inputs);
    for (size_t i = 0; i < out.size(); ++i) out[i].items.push_back(results[i].tensor());
  }
  for (int i = 0; i < c.output_count(); ++i) c.set_output(i, std::move(out[static_cast<size_t>(i)]));
}

constexpr Traits kValues = {.returns_values = true};

constexpr Op row(std::string_view name, ir::Arity inputs, void (*infer)(InferContext&), void (*run)(RunContext&)) {
  return {.domain = "",
          .name = name,
          .inputs = inputs,
          .outputs = {1, 1},
          .parse = Attrs::parse<NoAttrs>,
          .infer = infer,
          .run = run,
          .traits = kValues,
          .since = 11};
}

const Op kFamily[] = {
    {.domain = "",
     .name = "SequenceEmpty",
     .inputs = {0, 0},
     .outputs = {1, 1},
     .parse = Attrs::parse<SequenceEmptyAttrs>,
     .infer = infer_empty,
     .run = run_empty,
     .traits = kValues,
     .since = 11},
    row("SequenceConstruct", {1, ir::kVariadic}, infer_construct, run_construct),
    row("SequenceInsert", {2, 3}, infer_insert, run_insert),
    row("SequenceErase", {1, 2}, infer_erase, run_erase),
    row("SequenceAt", {2, 2}, infer_at, run_at),
    row("SequenceLength", {1, 1}, infer_length, run_length),
    {.domain = "",
     .name = "SequenceMap",
     .inputs = {1, ir::kVariadic},
     .outputs = {1, ir::kVariadic},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_map,
     .run = run_map,
     .traits = kValues,
     .since = 17,
     .bodies = 1,
     .body_names = {"body"}},
};

}  // namespace

std::span<const Op> sequence_family() { return kFamily; }

}  // namespace sdx::ops
