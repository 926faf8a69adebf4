// What a file may say about each operator where the structs of attributes say more.
#include "import/standard_form.h"

#include <algorithm>

namespace sdx::import {
namespace {

struct Allowed {
  std::string_view domain, name, attributes;  ///< separated by single spaces
};

constexpr std::string_view kMicrosoft = "com.microsoft";

const Allowed kAllowed[] = {
    {"", "RandomNormal", "dtype mean scale seed shape"},
    {"", "RandomNormalLike", "dtype mean scale seed"},
    {"", "RandomUniform", "dtype high low seed shape"},
    {"", "RandomUniformLike", "dtype high low seed"},
    {"", "Bernoulli", "dtype seed"},
    {"", "Multinomial", "dtype sample_size seed"},
    {"", "InstanceNormalization", "epsilon"},
    {"", "GlobalAveragePool", ""},
    {"", "GlobalMaxPool", ""},
    {"", "AveragePool", "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides"},
    {"", "MaxPool", "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
    {"", "LpPool", "auto_pad ceil_mode dilations kernel_shape p pads strides"},
    {"", "MaxUnpool", "kernel_shape pads strides"},
    {"", "Conv", "auto_pad dilations group kernel_shape pads strides"},
    {"", "Gemm", "alpha beta transA transB"},
    {"", "SpaceToDepth", "blocksize"},
    {"", "Softmax", "axis"},
    {"", "LogSoftmax", "axis"},
    {"", "Hardmax", "axis"},
    {"", "Dropout", "seed"},
    {"", "STFT", "onesided"},
    {"", "MelWeightMatrix", "output_datatype"},
    {"", "RNN", "activation_alpha activation_beta activations clip direction hidden_size layout"},
    {"", "GRU", "activation_alpha activation_beta activations clip direction hidden_size layout linear_before_reset"},
    {"", "LSTM", "activation_alpha activation_beta activations clip direction hidden_size input_forget layout"},
    {"", "Scan", "num_scan_inputs scan_input_axes scan_input_directions scan_output_axes scan_output_directions"},
    {"", "RotaryEmbedding", "interleaved num_heads rotary_embedding_dim"},
    {kMicrosoft, "Gelu", ""},
    {kMicrosoft, "BiasGelu", ""},
    {kMicrosoft, "FastGelu", ""},
    {kMicrosoft, "TransposeMatMul", "alpha transA transB"},
};

constexpr int kCommonOpset = 21, kNewestOpset = 26;

/// Attributes that came after the common opset, with the value that says nothing.
struct Newer {
  std::string_view name, attribute;
  ir::AttrValue silent;
};
const Newer kNewer[] = {{"Cast", "round_mode", std::string("up")},
                        {"CastLike", "round_mode", std::string("up")},
                        {"QuantizeLinear", "precision", int64_t{0}},
                        {"DequantizeLinear", "output_dtype", int64_t{0}}};

const Newer* newer_attribute(const ir::Op& op, std::string_view attribute) {
  const auto* it = std::ranges::find_if(
      kNewer, [&](const Newer& n) { return op.domain.empty() && n.name == op.name && n.attribute == attribute; });
  return it == std::end(kNewer) ? nullptr : it;
}

bool is_new(DType type) {
  return type == DType::kBF16 || type == DType::kF4E2M1 || type == DType::kF8E8M0 || type == DType::kU2 ||
         type == DType::kI2;
}

bool is_new(const ir::Graph& graph, const ir::Node& node) {
  if (node.op->domain.empty() && node.op->since > kCommonOpset) return true;
  for (const auto& [name, value] : node.attrs.map()) {
    const Newer* newer = newer_attribute(*node.op, name);
    if (newer && value != newer->silent) return true;
  }
  auto new_type = [&](ir::ValueId v) { return v != ir::kNone && is_new(graph.fact(v).dtype); };
  if (std::ranges::any_of(node.inputs, new_type) || std::ranges::any_of(node.outputs, new_type)) return true;
  return std::ranges::any_of(node.bodies, [](const ir::Graph& body) { return needed_opset(body) > kCommonOpset; });
}

bool holds(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

OpName standard_name(const ir::Op& op) {
  if (op.domain.empty() && op.name == "Upsample") return {"", "Resize"};
  if (op.domain.empty() && op.name == "Scatter") return {"", "ScatterElements"};
  // Its modes carry the standard's names, which this domain does not know.
  if (op.domain == kMicrosoft && op.name == "GridSample") return {"", "GridSample"};
  return {op.domain, op.name};
}

int needed_opset(const ir::Graph& graph) {
  for (ir::NodeId id : graph.order()) {
    if (is_new(graph, graph.node(id))) return kNewestOpset;
  }
  return kCommonOpset;
}

bool is_standard_attribute(const ir::Op& op, std::string_view attribute, int opset) {
  if (opset <= kCommonOpset && newer_attribute(op, attribute)) return false;
  const auto* it =
      std::ranges::find_if(kAllowed, [&](const Allowed& a) { return a.domain == op.domain && a.name == op.name; });
  return it == std::end(kAllowed) || holds(it->attributes, attribute);
}

void require_exportable(const ir::Node& node) {
  if (node.op->name != "Scan") return;
  const ir::AttrMap attrs = node.attrs.map();
  auto batched = attrs.find("batched");
  if (batched == attrs.end() || batched->second == ir::AttrValue(int64_t{0})) return;
  fail(ErrorKind::kUnsupportedModel, "node '", node.name,
       "' is a Scan of opset 8, whose batch axis no later opset has; convert the model to opset 9 or newer");
}

}  // namespace sdx::import
