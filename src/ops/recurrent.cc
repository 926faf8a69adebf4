// RNN, GRU and LSTM, and PackRecurrentWeights with PackedRNN, PackedGRU and PackedLSTM, which rewriting makes of those
// with constant weights: one product for all inputs, then a small product and the gates for each step.
#include <algorithm>
#include <functional>

#include "ops/family.h"
#include "ops/fused_activation.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

struct RecurrentAttrs {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;
  std::optional<float> clip;
  std::string direction = "forward";
  int64_t hidden_size = 0, layout = 0;
  bool input_forget = false, linear_before_reset = false;
  bool operator==(const RecurrentAttrs&) const = default;
  static constexpr auto fields() {
    using A = RecurrentAttrs;
    return std::tuple{field("activation_alpha", &A::activation_alpha),
                      field("activation_beta", &A::activation_beta),
                      field("activations", &A::activations),
                      field("clip", &A::clip),
                      field("direction", &A::direction),
                      field("hidden_size", &A::hidden_size),
                      field("layout", &A::layout),
                      field("input_forget", &A::input_forget),
                      field("linear_before_reset", &A::linear_before_reset)};
  }
  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

constexpr int kX = 0, kW = 1, kR = 2, kB = 3, kLengths = 4, kFirstH = 5, kFirstC = 6, kPeepholes = 7;

enum class Cell : uint8_t { kRnn, kGru, kLstm };
constexpr int64_t gates(Cell cell) { return cell == Cell::kRnn ? 1 : cell == Cell::kGru ? 3 : 4; }
constexpr size_t activation_count(Cell cell) { return cell == Cell::kRnn ? 1 : cell == Cell::kGru ? 2 : 3; }

/// The activations of all directions, in the order of the attribute; each takes its parameters as it needs them.
std::vector<FusedActivation> activations_of(const RecurrentAttrs& a, Cell cell) {
  const size_t count = activation_count(cell) * static_cast<size_t>(a.directions());
  std::vector<std::string> names = a.activations;
  if (names.empty()) {
    for (int64_t d = 0; d < a.directions(); ++d) {
      if (cell == Cell::kRnn)
        names.emplace_back("Tanh");
      else
        names.insert(names.end(), {"Sigmoid", "Tanh"});
      if (cell == Cell::kLstm) names.emplace_back("Tanh");
    }
  }
  if (names.size() != count) {
    fail(ErrorKind::kInvalidModel, "attribute 'activations' has ", names.size(), " entries but must have ", count);
  }
  std::vector<FusedActivation> out;
  size_t alpha = 0, beta = 0;
  for (const std::string& name : names) {
    FusedActivation one = fused_activation(name, {});
    using enum ActivationName;
    const bool two = one.name == kAffine || one.name == kScaledTanh || one.name == kHardSigmoid;
    const bool any = two || one.name == kLeakyRelu || one.name == kThresholdedRelu || one.name == kElu;
    if (any && alpha < a.activation_alpha.size()) one.alpha = a.activation_alpha[alpha++];
    if (two && beta < a.activation_beta.size()) one.beta = a.activation_beta[beta++];
    out.push_back(one);
  }
  return out;
}

void check(InferContext& c, Cell cell, const RecurrentAttrs& a) {
  c.require_dtype(kX, {DType::kF32, DType::kF16, DType::kBF16});
  for (int i : {kB, kFirstH, kFirstC, kPeepholes}) {
    if (c.has(i)) c.require_same_dtype(kX, i);
  }
  c.require_rank(kX, 3, 3);
  if (a.direction != "forward" && a.direction != "reverse" && a.direction != "bidirectional") {
    c.invalid("attribute 'direction' is '", a.direction, "' but must be forward, reverse or bidirectional");
  }
  if (a.layout != 0 && a.layout != 1) c.invalid("attribute 'layout' is ", a.layout, " but must be 0 or 1");
  if (c.has(kLengths)) {
    c.require_dtype(kLengths, {DType::kI32});
    c.require_rank(kLengths, 1, 1);
  }
  activations_of(a, cell);
}

/// Requires the sizes of an input that is there and has a known rank.
void require_sizes(InferContext& c, int input, std::vector<Dim> sizes) {
  if (!c.has(input)) return;
  const int rank = static_cast<int>(sizes.size());
  c.require_rank(input, rank, rank);
  const Shape& s = c.input(input).shape;
  for (int i = 0; s.has_rank() && i < rank; ++i) {
    c.require_equal(s[i], sizes[static_cast<size_t>(i)], cat("a size of input ", input, " and what it must be"));
  }
}

/// Sets the outputs, for sizes that the weights or the attributes give.
void infer_states(InferContext& c, Cell cell, const RecurrentAttrs& a, const Dim& hidden) {
  const Shape x = c.input(kX).shape.has_rank() ? c.input(kX).shape : c.fresh_shape(3);
  const Dim directions = a.directions(), g = gates(cell);
  const Dim batch = x[a.layout == 1 ? 0 : 1], steps = x[a.layout == 1 ? 1 : 0];
  require_sizes(c, kB, {directions, hidden * g * 2});
  require_sizes(c, kLengths, {batch});
  const std::vector<Dim> state =
      a.layout == 1 ? std::vector<Dim>{batch, directions, hidden} : std::vector<Dim>{directions, batch, hidden};
  require_sizes(c, kFirstH, state);
  require_sizes(c, kFirstC, state);
  require_sizes(c, kPeepholes, {directions, hidden * 3});
  const DType type = c.input(kX).dtype;
  c.set(0, type, a.layout == 1 ? Shape({batch, steps, directions, hidden}) : Shape({steps, directions, batch, hidden}));
  c.set(1, type, Shape(state));
  c.set(2, type, Shape(state));
}

template <Cell kCell>
void infer(InferContext& c) {
  const auto& a = c.attrs<RecurrentAttrs>();
  check(c, kCell, a);
  for (int i : {kW, kR}) {
    c.require_same_dtype(kX, i);
    c.require_rank(i, 3, 3);
  }
  const Shape r = c.input(kR).shape.has_rank() ? c.input(kR).shape : c.fresh_shape(3);
  const Dim hidden = a.hidden_size > 0 ? Dim(a.hidden_size) : r[2], directions = a.directions(), g = gates(kCell);
  const Shape& x = c.input(kX).shape;
  require_sizes(c, kW, {directions, hidden * g, x.has_rank() ? x[2] : c.symbols().fresh()});
  require_sizes(c, kR, {directions, hidden * g, hidden});
  infer_states(c, kCell, a, hidden);
}

struct PackRecurrentAttrs {
  int64_t first = 0;  ///< rows of the first of two products, or 0 for a single one of all rows
  bool operator==(const PackRecurrentAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("first", &PackRecurrentAttrs::first)}; }
};

/// Bytes of packed weights [rows, k]; of none where there are no rows.
int64_t packed_bytes(int64_t k, int64_t rows) {
  return rows == 0 ? 0 : static_cast<int64_t>(kernels::gemm_packed_bytes(k, rows, kernels::WeightType::kF32));
}

/// Packs rows of weights [rows, k].
void pack_rows(const RunContext& c, const void* weights, int64_t k, int64_t rows, std::byte* to) {
  if (rows == 0) return;
  constexpr auto kType = kernels::WeightType::kF32;
  const int64_t panels = kernels::gemm_panels(rows);
  c.parallel().run(panels, grain_for(k * rows / panels), [&](int64_t begin, int64_t end, int) {
    kernels::gemm_pack_b({weights, kType, 1, k}, k, rows, kType, begin, end, to);
  });
}

/// The weights [directions, rows, k] of either product, packed direction by direction.
void infer_pack(InferContext& c) {
  const int64_t first = c.attrs<PackRecurrentAttrs>().first;
  c.require_dtype(0, {DType::kF32});
  c.require_rank(0, 3, 3);
  const auto w = c.input(0).shape.extents();
  if (!w) return c.set(0, DType::kU8, c.fresh_shape(1));
  const int64_t rows = (*w)[1], k = (*w)[2];
  if (first < 0 || first > rows) c.invalid("attribute 'first' is ", first, " but must be from 0 to ", rows);
  c.set(0, DType::kU8, Shape({(*w)[0] * (packed_bytes(k, first) + packed_bytes(k, rows - first))}));
}

void run_pack(RunContext& c) {
  const int64_t first = c.attrs<PackRecurrentAttrs>().first;
  const ConstView w = c.input(0);
  const int64_t rows = w.extents[1], k = w.extents[2], row = k * static_cast<int64_t>(sizeof(float));
  std::byte* to = c.output(0).data;
  for (int64_t d = 0; d < w.extents[0]; ++d) {
    const std::byte* const from = w.data + d * rows * row;
    pack_rows(c, from, k, first, to);
    to += packed_bytes(k, first);
    pack_rows(c, from + first * row, k, rows - first, to);
    to += packed_bytes(k, rows - first);
  }
}

struct PackedRecurrentAttrs : RecurrentAttrs {
  int64_t input_size = 0;
  bool operator==(const PackedRecurrentAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(RecurrentAttrs::fields(),
                          std::tuple{required("input_size", &PackedRecurrentAttrs::input_size)});
  }
};

/// Rows of the recurrent weights that one product handles; a GRU's candidate may come after.
int64_t rows_at_once(Cell cell, const RecurrentAttrs& a, int64_t hidden) {
  return cell == Cell::kGru && !a.linear_before_reset ? 2 * hidden : gates(cell) * hidden;
}

template <Cell kCell>
void infer_packed(InferContext& c) {
  const auto& a = c.attrs<PackedRecurrentAttrs>();
  check(c, kCell, a);
  if (a.hidden_size < 1 || a.input_size < 1) {
    c.invalid("attributes 'hidden_size' and 'input_size' are ", a.hidden_size, " and ", a.input_size,
              " but must be positive");
  }
  const int64_t rows = gates(kCell) * a.hidden_size, first = rows_at_once(kCell, a, a.hidden_size);
  for (int i : {kW, kR}) {
    c.require_dtype(i, {DType::kU8});
    const int64_t bytes = i == kW ? packed_bytes(a.input_size, rows)
                                  : packed_bytes(a.hidden_size, first) + packed_bytes(a.hidden_size, rows - first);
    if (!c.input(i).shape.has_rank()) continue;
    c.require_equal(c.input(i).shape.count(), a.directions() * bytes,
                    "the bytes of the packed weights and those of this instruction set");
  }
  if (c.input(kX).shape.has_rank())
    c.require_equal(c.input(kX).shape[2], a.input_size, "the sizes of the inputs and of the weights");
  infer_states(c, kCell, a, a.hidden_size);
}

/// One direction of one call.
class Pass {
 public:
  Pass(RunContext& c, const RecurrentAttrs& a, Cell cell, int64_t direction)
      : c_(c), a_(a), cell_(cell), direction_(direction), is_packed_(c.input(kR).dtype == DType::kU8) {
    const Extents& x = c.input(kX).extents;
    batch_ = x[a_.layout == 1 ? 0 : 1];
    steps_ = x[a_.layout == 1 ? 1 : 0];
    inputs_ = x[2];
    hidden_ = is_packed_ ? a.hidden_size : c.input(kR).extents[2];
    rows_ = gates(cell) * hidden_;
    reverse_ = a_.direction == "reverse" || direction == 1;
    const auto all = activations_of(a_, cell);
    const size_t count = activation_count(cell);
    for (size_t i = 0; i < count; ++i) activation_[i] = all[static_cast<size_t>(direction) * count + i];
    h_ = c.scratch<float>(batch_ * hidden_);
    cell_state_ = c.scratch<float>(batch_ * hidden_);
    gates_ = c.scratch<float>(batch_ * rows_);
    reset_ = c.scratch<float>(batch_ * hidden_);
    load_state(kFirstH, h_);
    load_state(kFirstC, cell_state_);
    prepare_products();
  }

  void run() {
    project();
    for (int64_t t = 0; t < steps_; ++t) step(t);
    store_state(1, h_);
    if (cell_ == Cell::kLstm) store_state(2, cell_state_);
  }

 private:
  const float* weights(int input, int64_t size) const { return c_.input(input).as<float>() + direction_ * size; }
  const float* bias(int64_t row) const { return c_.has_input(kB) ? weights(kB, 2 * rows_) + row : nullptr; }
  int64_t state_at(int64_t b) const {
    return (a_.layout == 1 ? b * a_.directions() + direction_ : direction_ * batch_ + b) * hidden_;
  }
  void load_state(int input, float* to) const {
    for (int64_t b = 0; b < batch_; ++b) {
      if (c_.has_input(input))
        std::copy_n(c_.input(input).as<float>() + state_at(b), hidden_, to + b * hidden_);
      else
        std::fill_n(to + b * hidden_, hidden_, 0.0f);
    }
  }
  void store_state(int output, const float* from) const {
    if (!c_.wants(output)) return;
    for (int64_t b = 0; b < batch_; ++b) {
      std::copy_n(from + b * hidden_, hidden_, c_.output(output).as<float>() + state_at(b));
    }
  }

  /// The packed recurrent weights; packs them once for all steps where they come as they are.
  void prepare_products() {
    split_rows_ = rows_at_once(cell_, a_, hidden_);
    const int64_t first = packed_bytes(hidden_, split_rows_), rest = packed_bytes(hidden_, rows_ - split_rows_);
    if (is_packed_) {
      packed_ = c_.input(kR).data + direction_ * (first + rest);
    } else {
      const float* r = weights(kR, rows_ * hidden_);
      auto* const to = c_.scratch<std::byte>(first + rest);
      pack_rows(c_, r, hidden_, split_rows_, to);
      pack_rows(c_, r + split_rows_ * hidden_, hidden_, rows_ - split_rows_, to + first);
      packed_ = to;
    }
    packed_rest_ = packed_ + first;
    kernels::Gemm gemm{.m = batch_, .n = rows_, .k = hidden_};
    gemm.packed_b = packed_;
    const auto bytes = static_cast<int64_t>(kernels::gemm_plan(gemm, c_.parallel().threads()).scratch_bytes);
    scratch_stride_ = (bytes + 63) / 64 * 64;
    gemm.n = std::max<int64_t>(rows_ - split_rows_, 1);
    const auto second = static_cast<int64_t>(kernels::gemm_plan(gemm, c_.parallel().threads()).scratch_bytes);
    gemm.n = split_rows_;
    const auto part = static_cast<int64_t>(kernels::gemm_plan(gemm, c_.parallel().threads()).scratch_bytes);
    scratch_stride_ = std::max({scratch_stride_, (second + 63) / 64 * 64, (part + 63) / 64 * 64});
    scratch_ = c_.scratch<std::byte>(scratch_stride_ * c_.parallel().threads());
  }

  /// x W^T + the input bias, for all steps.
  void project() {
    const ConstView x = c_.input(kX);
    projected_ = c_.scratch<float>(batch_ * steps_ * rows_);
    kernels::Gemm gemm{.m = batch_ * steps_, .n = rows_, .k = inputs_};
    gemm.a = {x.as<float>(), gemm.k, 1};
    if (is_packed_) {
      gemm.packed_b = c_.input(kW).data + direction_ * packed_bytes(inputs_, rows_);
    } else {
      gemm.b = {weights(kW, rows_ * gemm.k), 1, gemm.k};
    }
    gemm.c = projected_;
    gemm.c_stride = rows_;
    gemm.epilogue.column_bias = bias(0);
    run_product(c_, gemm);
  }
  const float* projected(int64_t t, int64_t b) const {
    return projected_ + (a_.layout == 1 ? b * steps_ + t : t * batch_ + b) * rows_;
  }

  /// out [batch, count] = h R^T + bias for the rows from `first` on, written into the gates.
  void multiply(const float* h, const std::byte* packed, int64_t first, int64_t count) {
    kernels::Gemm gemm{.m = batch_, .n = count, .k = hidden_};
    gemm.a = {h, hidden_, 1};
    gemm.packed_b = packed;
    gemm.c = gates_ + first;
    gemm.c_stride = rows_;
    if (bias(0)) gemm.epilogue.column_bias = bias(rows_ + first);
    const kernels::GemmPlan plan = kernels::gemm_plan(gemm, c_.parallel().threads());
    const int64_t tiles = plan.tiles(), each = batch_ * count * hidden_ / std::max<int64_t>(tiles, 1);
    // Between steps the threads are awake.
    c_.parallel().run(tiles, steps_ > 1 ? grain_for(each) : grain_of_tiles(tiles, each),
                      [&](int64_t begin, int64_t end, int worker) {
                        kernels::gemm_run(gemm, plan, begin, end, scratch_ + worker * scratch_stride_);
                      });
  }

  int64_t length(int64_t b) const {
    if (!c_.has_input(kLengths)) return steps_;
    return std::clamp<int64_t>(c_.input(kLengths).as<int32_t>()[b], 0, steps_);
  }
  float* y(int64_t t, int64_t b) const {
    const int64_t d = a_.directions();
    const int64_t row = a_.layout == 1 ? (b * steps_ + t) * d + direction_ : (t * d + direction_) * batch_ + b;
    return c_.output(0).as<float>() + row * hidden_;
  }
  /// v = activation i of v clipped, for one gate.
  void activate(int i, float* v) const {
    if (a_.clip) std::transform(v, v + hidden_, v, [&](float x) { return std::clamp(x, -*a_.clip, *a_.clip); });
    apply(activation_[i], v, hidden_);
  }
  /// v += x, for one gate.
  void add(float* v, const float* x) const { std::transform(v, v + hidden_, x, v, std::plus<>()); }

  void step(int64_t t) {
    multiply(h_, packed_, 0, split_rows_);
    if (split_rows_ < rows_) {
      reset_states(t);
      multiply(reset_, packed_rest_, split_rows_, rows_ - split_rows_);
    }
    for (int64_t b = 0; b < batch_; ++b) {
      const int64_t last = length(b);
      const int64_t at = t < last && reverse_ ? last - 1 - t : t;
      if (t < last) {
        if (cell_ == Cell::kLstm)
          lstm(at, b);
        else if (cell_ == Cell::kGru)
          gru(at, b);
        else
          rnn(at, b);
      }
      if (!c_.wants(0)) continue;
      if (t < last)
        std::copy_n(h_ + b * hidden_, hidden_, y(at, b));
      else
        std::fill_n(y(t, b), hidden_, 0.0f);
    }
  }

  void rnn(int64_t t, int64_t b) {
    float* h = h_ + b * hidden_;
    std::copy_n(gates_ + b * rows_, hidden_, h);
    add(h, projected(t, b));
    activate(0, h);
  }

  /// r * h, which the candidate of a GRU sees where the reset comes before the product.
  void reset_states(int64_t t) {
    for (int64_t b = 0; b < batch_; ++b) {
      const int64_t last = length(b);
      float* reset = gates_ + b * rows_ + hidden_;
      add(reset, projected(t < last && reverse_ ? last - 1 - t : t, b) + hidden_);
      activate(0, reset);
      std::transform(reset, reset + hidden_, h_ + b * hidden_, reset_ + b * hidden_, std::multiplies<>());
    }
  }

  void gru(int64_t t, int64_t b) {
    const float* x = projected(t, b);
    float *update = gates_ + b * rows_, *reset = update + hidden_, *candidate = reset + hidden_;
    float* h = h_ + b * hidden_;
    add(update, x);
    activate(0, update);
    if (a_.linear_before_reset) {
      add(reset, x + hidden_);
      activate(0, reset);
      std::transform(candidate, candidate + hidden_, reset, candidate, std::multiplies<>());
    }
    add(candidate, x + 2 * hidden_);
    activate(1, candidate);
    for (int64_t j = 0; j < hidden_; ++j) h[j] = (1 - update[j]) * candidate[j] + update[j] * h[j];
  }

  /// v += peephole * cell, for gate i.
  void peek(int64_t i, const float* cell, float* v) const {
    if (!c_.has_input(kPeepholes)) return;
    const float* peephole = weights(kPeepholes, 3 * hidden_) + i * hidden_;
    for (int64_t j = 0; j < hidden_; ++j) v[j] += peephole[j] * cell[j];
  }

  /// Gates in the order input, output, forget, cell.
  void lstm(int64_t t, int64_t b) {
    float *input = gates_ + b * rows_, *output = input + hidden_, *forget = output + hidden_;
    float *candidate = forget + hidden_, *h = h_ + b * hidden_, *cell = cell_state_ + b * hidden_;
    for (int64_t i = 0; i < 4; ++i) add(input + i * hidden_, projected(t, b) + i * hidden_);
    peek(0, cell, input);
    activate(0, input);
    peek(2, cell, forget);
    activate(0, forget);
    activate(1, candidate);
    for (int64_t j = 0; j < hidden_; ++j) {
      const float kept = a_.input_forget ? 1 - input[j] : forget[j];
      cell[j] = kept * cell[j] + input[j] * candidate[j];
    }
    peek(1, cell, output);
    activate(0, output);
    std::copy_n(cell, hidden_, h);
    apply(activation_[2], h, hidden_);
    std::transform(h, h + hidden_, output, h, std::multiplies<>());
  }

  RunContext& c_;
  const RecurrentAttrs& a_;
  Cell cell_;
  int64_t direction_, batch_, steps_, inputs_, hidden_, rows_;
  bool is_packed_;          ///< the weights come packed
  int64_t split_rows_ = 0;  ///< rows of R that the first product handles
  bool reverse_;
  FusedActivation activation_[3] = {};
  float *h_, *cell_state_, *gates_, *reset_, *projected_ = nullptr;
  const std::byte *packed_ = nullptr, *packed_rest_ = nullptr;
  std::byte* scratch_ = nullptr;
  int64_t scratch_stride_ = 0;
};

template <Cell kCell>
void run_directions(RunContext& c, const RecurrentAttrs& a) {
  for (int64_t d = 0; d < a.directions(); ++d) Pass(c, a, kCell, d).run();
}

/// Fills all outputs with zeros where there is nothing to compute.
bool is_empty(RunContext& c, int64_t hidden) {
  if (hidden > 0 && c.input(kX).extents[0] * c.input(kX).extents[1] > 0) return false;
  for (int i = 0; i < c.output_count(); ++i) {
    if (c.wants(i)) std::fill_n(c.output(i).as<float>(), c.output(i).count(), 0.0f);
  }
  return true;
}

template <Cell kCell>
void run(RunContext& c) {
  if (widened(c, run<kCell>)) return;
  if (!is_empty(c, c.input(kR).extents[2])) run_directions<kCell>(c, c.attrs<RecurrentAttrs>());
}

template <Cell kCell>
void run_packed(RunContext& c) {
  if (widened(c, run_packed<kCell>)) return;
  const auto& a = c.attrs<PackedRecurrentAttrs>();
  if (!is_empty(c, a.hidden_size)) run_directions<kCell>(c, a);
}

void upgrade(Call& c) { c.drop("output_sequence"); }

template <Cell kCell>
constexpr Op row(std::string_view name, ir::Arity inputs, int outputs) {
  return {.domain = "",
          .name = name,
          .inputs = inputs,
          .outputs = {0, outputs},
          .parse = Attrs::parse<RecurrentAttrs>,
          .infer = infer<kCell>,
          .run = run<kCell>,
          .accuracy = Accuracy::kAccumulated,
          .upgrade = upgrade};
}

template <Cell kCell>
constexpr Op packed_row(std::string_view name, ir::Arity inputs, int outputs) {
  return {.domain = kOwnDomain,
          .name = name,
          .inputs = inputs,
          .outputs = {0, outputs},
          .parse = Attrs::parse<PackedRecurrentAttrs>,
          .infer = infer_packed<kCell>,
          .run = run_packed<kCell>,
          .accuracy = Accuracy::kAccumulated};
}

const Op kFamily[] = {
    row<Cell::kRnn>("RNN", {3, 6}, 2),
    row<Cell::kGru>("GRU", {3, 6}, 2),
    row<Cell::kLstm>("LSTM", {3, 8}, 3),
    {.domain = kOwnDomain,
     .name = "PackRecurrentWeights",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<PackRecurrentAttrs>,
     .infer = infer_pack,
     .run = run_pack,
     .traits = {.misaligned = 1}},
    packed_row<Cell::kRnn>("PackedRNN", {3, 6}, 2),
    packed_row<Cell::kGru>("PackedGRU", {3, 6}, 2),
    packed_row<Cell::kLstm>("PackedLSTM", {3, 8}, 3),
};

}  // namespace

std::span<const Op> recurrent_family() { return kFamily; }

}  // namespace sdx::ops
