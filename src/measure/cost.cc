// Cost: one table from operator names to counts.
#include "measure/cost.h"

#include <algorithm>
#include <functional>

namespace sdx::measure {
namespace {

using engine::Sample;

/// An instruction with the sizes of one run; absent operands are of rank 0 and type kUndefined.
struct Operands {
  const plan::Instruction& instruction;
  std::vector<std::pair<DType, Extents>> in;
  const std::vector<std::pair<DType, Extents>>& out;
  ir::AttrMap attrs;

  const Extents& input(size_t i) const { return in[i].second; }
  const Extents& output() const { return out.front().second; }
  double results() const { return static_cast<double>(output().count()); }
  double last(size_t i) const { return input(i).rank() ? static_cast<double>(input(i)[input(i).rank() - 1]) : 1; }

  double number(const char* name, double otherwise) const {
    const auto it = attrs.find(name);
    const auto* value = it == attrs.end() ? nullptr : std::get_if<int64_t>(&it->second);
    return value ? static_cast<double>(*value) : otherwise;
  }
  std::string text(const char* name) const {
    const auto it = attrs.find(name);
    const auto* value = it == attrs.end() ? nullptr : std::get_if<std::string>(&it->second);
    return value ? *value : "";
  }
};

double product(const Extents& e, int from) {
  double total = 1;
  for (int i = from; i < e.rank(); ++i) total *= static_cast<double>(e[i]);
  return total;
}

double matmul(const Operands& o) { return 2 * o.results() * o.last(0); }

double gemm(const Operands& o) {
  const Extents& a = o.input(0);
  return 2 * o.results() * static_cast<double>(o.number("transA", 0) != 0 ? a[0] : a[a.rank() - 1]);
}

double packed_matmul(const Operands& o) { return 2 * o.results() * o.number("k", o.last(0)); }

double packed_group(const Operands& o) { return packed_matmul(o) * o.number("count", 1); }

double convolution(const Operands& o) { return 2 * o.results() * product(o.input(1), 1); }

double packed_convolution(const Operands& o) {
  double kernel = 1;
  const auto it = o.attrs.find("kernel_shape");
  if (it != o.attrs.end()) {
    if (const auto* sizes = std::get_if<std::vector<int64_t>>(&it->second)) {
      for (int64_t s : *sizes) kernel *= static_cast<double>(s);
    }
  }
  return 2 * o.results() * kernel * o.number("channels", 1) / std::max(1.0, o.number("group", 1));
}

double transposed_convolution(const Operands& o) {
  return 2 * static_cast<double>(o.input(0).count()) * product(o.input(1), 1);
}

/// Queries and the width of a head stand in the first operand, keys in the second: q k^T and the product with v.
double fused_attention(const Operands& o) {
  const std::string layout = o.text("k_layout");
  const Extents& k = o.input(1);
  const int axis = layout == "bsm" || layout == "bshd" ? 1 : layout == "bhds" ? 3 : 2;
  const double keys = k.rank() > axis ? static_cast<double>(k[axis]) : 1;
  return 2 * keys * (static_cast<double>(o.input(0).count()) + o.results());
}

/// Operands [batch, rows, width] or [batch, heads, rows, width]; a past lengthens the keys.
double plain_attention(const Operands& o) {
  const Extents& k = o.in.size() > 1 && o.input(1).rank() > 0 ? o.input(1) : o.input(0);
  double keys = k.rank() >= 2 ? static_cast<double>(k[k.rank() - 2]) : 1;
  for (size_t i = 1; i < o.out.size(); ++i) {
    const Extents& present = o.out[i].second;
    if (present.rank() == 4) keys = std::max(keys, static_cast<double>(present[2]));
  }
  return 4 * keys * o.results();
}

/// w [directions, gates * hidden, inputs] and r [directions, gates * hidden, hidden] are used once a step and row.
double recurrent(const Operands& o) {
  const Extents& x = o.input(0);
  return 2 * static_cast<double>(x[0] * x[1]) * (product(o.input(1), 0) + product(o.input(2), 0));
}

/// The same with packed weights, whose sizes are attributes.
template <int kGates>
double packed_recurrent(const Operands& o) {
  const Extents& x = o.input(0);
  const double directions = o.text("direction") == "bidirectional" ? 2 : 1, hidden = o.number("hidden_size", 0);
  return 2 * static_cast<double>(x[0] * x[1]) * directions * kGates * hidden * (o.number("input_size", 0) + hidden);
}

using Count = double (*)(const Operands&);
template <int kEach>
double per_result(const Operands& o) {
  return kEach * o.results();
}
template <int kEach>
double per_operand(const Operands& o) {
  return kEach * static_cast<double>(o.input(0).count());
}

const std::map<std::string_view, Count>& counts() {
  static const std::map<std::string_view, Count> table = {
      {"MatMul", matmul},
      {"FusedMatMul", matmul},
      {"TransposeMatMul", matmul},
      {"MatMulInteger", matmul},
      {"QLinearMatMul", matmul},
      {"MatMulNBits", matmul},
      {"DynamicQuantizeMatMul", matmul},
      {"MatMulIntegerToFloat", matmul},
      {"PackedMatMul", packed_matmul},
      {"CandidateMatMul", packed_matmul},
      {"PackedMatMulGroup", packed_group},
      {"Gemm", gemm},
      {"FusedGemm", gemm},
      {"Conv", convolution},
      {"FusedConv", convolution},
      {"ConvInteger", convolution},
      {"QLinearConv", convolution},
      {"PackedConv", packed_convolution},
      {"ConvTranspose", transposed_convolution},
      {"FusedAttention", fused_attention},
      {"Attention", plain_attention},
      {"MultiHeadAttention", plain_attention},
      {"GroupQueryAttention", plain_attention},
      {"LSTM", recurrent},
      {"GRU", recurrent},
      {"RNN", recurrent},
      {"PackedLSTM", packed_recurrent<4>},
      {"PackedGRU", packed_recurrent<3>},
      {"PackedRNN", packed_recurrent<1>},
      {"LayerNormalization", per_result<8>},
      {"SkipLayerNormalization", per_result<9>},
      {"EmbedLayerNormalization", per_result<10>},
      {"RMSNormalization", per_result<5>},
      {"SimplifiedLayerNormalization", per_result<5>},
      {"SkipSimplifiedLayerNormalization", per_result<6>},
      {"FusedGroupNorm", per_result<22>},
      {"GroupNormalization", per_result<8>},
      {"GroupNorm", per_result<8>},
      {"SkipGroupNorm", per_result<9>},
      {"InstanceNormalization", per_result<8>},
      {"BatchNormalization", per_result<2>},
      {"Softmax", per_result<12>},
      {"LogSoftmax", per_result<12>},
      {"Gelu", per_result<20>},
      {"FastGelu", per_result<20>},
      {"BiasGelu", per_result<21>},
      {"Erf", per_result<16>},
      {"Tanh", per_result<14>},
      {"Exp", per_result<10>},
      {"Sigmoid", per_result<13>},
      {"Swish", per_result<14>},
      {"RotaryEmbedding", per_result<3>},
      {"ReduceMean", per_operand<1>},
      {"ReduceSum", per_operand<1>},
      {"ReduceMax", per_operand<1>},
      {"ReduceMin", per_operand<1>},
      {"ReduceL2", per_operand<2>},
      {"ArgMax", per_operand<1>},
      {"ArgMin", per_operand<1>},
      {"DynamicQuantizeLinear", per_operand<4>},
      {"QuantizeLinear", per_operand<2>},
      {"DequantizeLinear", per_operand<2>},
  };
  return table;
}

bool looks_up(std::string_view op) { return op == "Gather" || op == "GatherElements" || op == "GatherND"; }

double bytes_of(const std::pair<DType, Extents>& v) {
  return v.first == DType::kUndefined ? 0 : static_cast<double>(dtype_bytes(v.first, v.second.count()));
}

/// Bytes of operand i that the instruction reads.
double bytes_read(const Operands& o, size_t i) {
  const std::string_view op = o.instruction.op->name;
  if (looks_up(op) && i == 0) return bytes_of(o.out.front());
  // The third byte of a weight is read for few columns.
  if (op == "CandidateMatMul" && i == 1) return bytes_of(o.in[i]) * 2 / 3;
  return bytes_of(o.in[i]);
}

}  // namespace

Cost& Cost::operator+=(const Cost& other) {
  operations += other.operations;
  weight_bytes += other.weight_bytes;
  moved_bytes += other.moved_bytes;
  return *this;
}

CostModel::CostModel(const plan::Program& program) { add(program); }

void CostModel::add(const plan::Program& program) {
  for (const auto& instruction : program.instructions) {
    programs_[&instruction] = &program;
    for (const auto& body : instruction.bodies) add(*body);
  }
}

Cost CostModel::of(const Sample& sample) const {
  const plan::Instruction& instruction = *sample.instruction;
  const auto found = programs_.find(&instruction);
  if (found == programs_.end() || !instruction.bodies.empty() || sample.outputs.empty()) return {};
  Cost cost;
  Operands operands{instruction, {}, sample.outputs, instruction.attrs.map()};
  size_t next = 0;
  const size_t count = instruction.inputs.size() - static_cast<size_t>(instruction.captures);
  for (size_t i = 0; i < count; ++i) {
    const plan::SlotId id = instruction.inputs[i];
    if (id == plan::kNoSlot || next >= sample.inputs.size()) {
      operands.in.emplace_back(DType::kUndefined, Extents{});
      continue;
    }
    operands.in.push_back(sample.inputs[next++]);
    const auto& slot = found->second->slots[static_cast<size_t>(id)];
    (slot.storage == plan::Storage::kConstant ? cost.weight_bytes : cost.moved_bytes) += bytes_read(operands, i);
  }
  for (const auto& out : sample.outputs) cost.moved_bytes += bytes_of(out);
  const auto known = counts().find(instruction.op->name);
  if (known != counts().end() && !operands.in.empty()) {
    cost.operations = known->second(operands);
  } else if (instruction.op->traits.elementwise) {
    cost.operations = operands.results();
  }
  return cost;
}

Cost CostModel::total(const std::vector<Sample>& run) const {
  Cost sum;
  for (const auto& sample : run) sum += of(sample);
  return sum;
}

}  // namespace sdx::measure
