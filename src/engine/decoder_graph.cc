// Compiling a decoder's file with what is known of its inputs.
#include "engine/decoder_graph.h"

#include <algorithm>

#include "rewrite/decoder_passes.h"

namespace sdx::engine {
namespace {

using Shapes = std::map<std::string, std::vector<std::string>, std::less<>>;

/// The inputs of the graph that are no initializers.
std::vector<const onnx::ValueInfoView*> free_inputs(const onnx::ModelFile& file) {
  std::vector<const onnx::ValueInfoView*> out;
  for (const auto& input : file.model().graph.inputs) {
    if (has_input(file, input.name)) out.push_back(&input);
  }
  return out;
}

std::optional<DecoderInput> plain_kind(std::string_view name, bool with_source) {
  if (name == "input_ids" || name == "decoder_input_ids") return DecoderInput::kIds;
  if (name == "encoder_hidden_states" || name == "encoder_outputs") return DecoderInput::kSource;
  if (name == "encoder_attention_mask") return DecoderInput::kSourceMask;
  if (name == "decoder_attention_mask") return DecoderInput::kMask;
  if (name == "attention_mask") return with_source ? DecoderInput::kSourceMask : DecoderInput::kMask;
  if (name == rewrite::kCacheSlots) return DecoderInput::kCacheSlots;
  if (name == rewrite::kCachePast) return DecoderInput::kCachePast;
  if (name == rewrite::kSourceRows) return DecoderInput::kSourceRows;
  if (name == rewrite::kLastRows) return DecoderInput::kLastRows;
  if (name == "position_ids" || name == "decoder_position_ids") return DecoderInput::kPositions;
  return std::nullopt;
}

int find_pair(const std::vector<DecoderPair>& pairs, const std::string& name) {
  auto it = std::ranges::find(pairs, name, &DecoderPair::name);
  return it == pairs.end() ? -1 : static_cast<int>(it - pairs.begin());
}

/// The size of a declared dimension where it is a number.
int64_t number(const onnx::DimView& d) { return d.kind == onnx::DimView::Kind::kValue ? d.value : -1; }

class Describer {
 public:
  Describer(const onnx::ModelFile& file, const std::vector<DecoderPair>& pairs, const DecoderGraphOptions& options)
      : file_(file), pairs_(pairs), options_(options), with_source_(has_input(file, "encoder_hidden_states")) {}

  DecoderGraph::Input input(std::string_view name) const {
    if (const std::string suffix = past_suffix(name); !suffix.empty()) {
      const int pair = find_pair(pairs_, suffix);
      if (pair >= 0)
        return {pairs_[static_cast<size_t>(pair)].cross ? DecoderInput::kCross : DecoderInput::kPast, pair};
    }
    if (auto kind = plain_kind(name, with_source_)) return {*kind, -1};
    fail(ErrorKind::kUnsupportedModel, "input '", name,
         "' is none that decoders are known to have; use a plain session for this model");
  }

  /// Sizes in the terms of this engine. A graph for one token at a time says so, which makes it smaller.
  std::vector<std::string> shape(const DecoderGraph::Input& input) const {
    const std::string tokens = options_.one_token ? "1" : "tokens";
    switch (input.kind) {
      case DecoderInput::kIds:
      case DecoderInput::kPositions: return {"batch", tokens};
      case DecoderInput::kMask: return {"batch", takes_past(file_) && !options_.no_past ? "past + " + tokens : tokens};
      case DecoderInput::kSource: return {};
      case DecoderInput::kSourceMask: return {"batch", "source"};
      case DecoderInput::kPast:
      case DecoderInput::kCross: break;
      default: return {};
    }
    const DecoderPair& p = pairs_[static_cast<size_t>(input.pair)];
    const std::string length = options_.no_past ? "0" : input.kind == DecoderInput::kPast ? "past" : "source";
    return {"batch", std::to_string(p.heads), length, std::to_string(p.width)};
  }

 private:
  const onnx::ModelFile& file_;
  const std::vector<DecoderPair>& pairs_;
  const DecoderGraphOptions& options_;
  bool with_source_;
};

/// Encoder states keep their declared width.
std::vector<std::string> source_shape(const onnx::ValueInfoView& input) {
  const auto& dims = input.type.dims;
  const int64_t width = dims.size() == 3 ? number(dims[2]) : -1;
  return {"batch", "source", width >= 0 ? std::to_string(width) : "source_width"};
}

/// The names of the inputs and outputs of the pairs that grow.
std::vector<rewrite::CachePair> growing_pairs(const onnx::ModelFile& file, const std::vector<DecoderPair>& pairs) {
  std::vector<rewrite::CachePair> out(pairs.size());
  const auto self = [&](const std::string& suffix) {
    const int pair = find_pair(pairs, suffix);
    return pair >= 0 && !pairs[static_cast<size_t>(pair)].cross ? pair : -1;
  };
  for (const auto& input : file.model().graph.inputs) {
    if (const int pair = self(past_suffix(input.name)); pair >= 0) out[static_cast<size_t>(pair)].past = input.name;
  }
  for (const auto& output : file.model().graph.outputs) {
    if (const int pair = self(present_suffix(output.name)); pair >= 0)
      out[static_cast<size_t>(pair)].present = output.name;
  }
  return out;
}

/// The names of the inputs of the pairs that belong to the source; "" for the others.
std::vector<std::string> source_pairs(const onnx::ModelFile& file, const std::vector<DecoderPair>& pairs) {
  std::vector<std::string> out(pairs.size());
  for (const auto& input : file.model().graph.inputs) {
    const int pair = find_pair(pairs, past_suffix(input.name));
    if (pair >= 0 && pairs[static_cast<size_t>(pair)].cross) out[static_cast<size_t>(pair)] = input.name;
  }
  return out;
}

/// An output of a kept cache must be the input's own memory.
void check_in_place(const DecoderGraph& graph) {
  const plan::Program& program = graph.model->program();
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const auto [kind, pair] = graph.inputs[i];
    if (kind != DecoderInput::kPast || !graph.in_place[static_cast<size_t>(pair)]) continue;
    const int present = graph.presents[static_cast<size_t>(pair)];
    const plan::SlotInfo& slot = program.slots[static_cast<size_t>(program.outputs[static_cast<size_t>(present)])];
    if (slot.storage == plan::Storage::kAlias && slot.alias_of == program.inputs[i]) continue;
    fail(ErrorKind::kInternal, "the cache '", slot.name, "' is not written in place");
  }
}

}  // namespace

std::vector<DecoderPair> find_pairs(const onnx::ModelFile& file) {
  std::vector<DecoderPair> pairs;
  for (const onnx::ValueInfoView* input : free_inputs(file)) {
    const std::string name = past_suffix(input->name);
    if (name.empty()) continue;
    const auto& dims = input->type.dims;
    const bool fits = input->type.kind == onnx::TypeView::Kind::kTensor && dims.size() == 4 && number(dims[1]) > 0 &&
                      number(dims[3]) > 0;
    if (!fits) {
      fail(ErrorKind::kUnsupportedModel, "input '", input->name,
           "' is no tensor [batch, heads, past, width] with numbers of heads and width; use the layout no-past");
    }
    pairs.push_back({name, name.find("encoder") != std::string::npos, number(dims[1]), number(dims[3]),
                     static_cast<DType>(input->type.elem_type)});
  }
  return pairs;
}

DecoderGraph compile_decoder(const SharedFile& file, const std::vector<DecoderPair>& pairs,
                             const DecoderGraphOptions& options) {
  const Describer describer(*file, pairs, options);
  ModelOptions model = options.model;
  for (const onnx::ValueInfoView* input : free_inputs(*file)) {
    const std::string name(input->name);
    if (name == "use_cache_branch") {
      Tensor branch(DType::kBool, {1});
      branch.mutable_view().as<bool>()[0] = options.use_cache;
      model.import.fixed[name] = branch;
      continue;
    }
    const DecoderGraph::Input kind = describer.input(name);
    model.import.shapes[name] = kind.kind == DecoderInput::kSource ? source_shape(*input) : describer.shape(kind);
  }
  DecoderGraph graph;
  const auto growing = growing_pairs(*file, pairs);
  const auto of_source = source_pairs(*file, pairs);
  graph.in_place.assign(pairs.size(), false);
  graph.shared.assign(pairs.size(), false);
  model.finish = [&](ir::Graph& g) {
    if (options.in_place && options.model.rewrite.enabled) graph.in_place = rewrite::keep_caches(g, growing);
    if (options.in_place && options.use_cache && options.model.rewrite.enabled)
      graph.shared = rewrite::share_sources(g, of_source);
    if (options.hidden && !rewrite::give_hidden_states(g, "logits"))
      fail(ErrorKind::kUnsupportedModel,
           "the hidden states that the head of this model reads cannot be told; contrastive search needs them");
    if (options.model.rewrite.enabled) graph.last_rows = rewrite::keep_last_rows(g, "logits");
  };
  model.plan.growing = {"past"};
  for (const auto& pair : growing) model.plan.states.push_back(pair.past);
  graph.model = Model::compile(file, model);
  graph.one_token = options.one_token;
  for (const Port& port : graph.model->inputs()) graph.inputs.push_back(describer.input(port.name));
  graph.presents.assign(pairs.size(), -1);
  const auto& outputs = graph.model->outputs();
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].name == "logits") graph.logits = static_cast<int>(i);
    if (options.hidden && outputs[i].name == rewrite::kHiddenStates) graph.hidden = static_cast<int>(i);
    if (const int pair = find_pair(pairs, present_suffix(outputs[i].name)); pair >= 0)
      graph.presents[static_cast<size_t>(pair)] = static_cast<int>(i);
  }
  if (graph.logits < 0) fail(ErrorKind::kUnsupportedModel, "the graph has no output 'logits'");
  check_in_place(graph);
  graph.values.resize(graph.inputs.size());
  graph.lent.resize(outputs.size());
  graph.execution = std::make_unique<Execution>(graph.model->program());
  return graph;
}

}  // namespace sdx::engine
