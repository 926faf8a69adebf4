// Printing graphs in the text form.
#include <map>

#include "base/half.h"
#include "ir/text.h"

namespace sdx::ir {
namespace {

constexpr int64_t kMostPrinted = 64;

std::string number_text(double v) {
  std::ostringstream out;
  out.precision(9);
  out << v;
  std::string text = out.str();
  if (text.find_first_of(".einf") == std::string::npos) text += ".0";
  return text;
}

template <class T>
std::string list_text(const std::vector<T>& values) {
  std::string out = "[";
  for (const T& v : values) {
    if (out.size() > 1) out += ", ";
    if constexpr (std::is_same_v<T, std::string>)
      out += "\"" + v + "\"";
    else if constexpr (std::is_floating_point_v<T>)
      out += number_text(v);
    else
      out += std::to_string(v);
  }
  return out + "]";
}

std::string elements_text(const Tensor& t) {
  const int64_t count = t.extents().count();
  if (count > kMostPrinted || !is_aligned(t.view())) return "...";
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    if (i) out += " ";
    switch (t.dtype()) {
      case DType::kF32: out += number_text(t.as<float>()[i]); break;
      case DType::kF64: out += number_text(t.as<double>()[i]); break;
      case DType::kF16: out += number_text(to_float(t.as<Half>()[i])); break;
      case DType::kI64: out += std::to_string(t.as<int64_t>()[i]); break;
      case DType::kI32: out += std::to_string(t.as<int32_t>()[i]); break;
      case DType::kU8:
      case DType::kBool: out += std::to_string(t.as<uint8_t>()[i]); break;
      default: return "...";
    }
  }
  return out;
}

std::string attr_text(const AttrValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, int64_t>)
          return std::to_string(v);
        else if constexpr (std::is_same_v<T, float>)
          return number_text(v);
        else if constexpr (std::is_same_v<T, std::string>)
          return "\"" + v + "\"";
        else if constexpr (std::is_same_v<T, Tensor>)
          return cat(dtype_name(v.dtype()), v.extents().text(), "(", elements_text(v), ")");
        else
          return list_text(v);
      },
      value);
}

class Printer {
 public:
  Printer(const Graph& graph, int indent) : graph_(graph), pad_(static_cast<size_t>(indent), ' '), indent_(indent) {}

  std::string run() {
    for (ValueId v : graph_.inputs()) out_ += cat(pad_, "input ", name(v), ": ", graph_.fact(v).text(), "\n");
    for (NodeId id : graph_.order()) node(graph_.node(id));
    for (ValueId v : graph_.outputs()) {
      source(v);
      out_ += cat(pad_, "output ", name(v), "\n");
    }
    return std::move(out_);
  }

 private:
  /// A unique identifier for the value.
  std::string name(ValueId v) {
    if (v == kNone) return "_";
    auto [it, is_new] = names_.try_emplace(v);
    if (!is_new) return it->second;
    std::string text = "%";
    for (char c : graph_.value(v).name)
      text += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' ? c : '_';
    while (!used_.emplace(text, v).second) text += "'";
    return it->second = text;
  }

  /// Constants and known values are printed where they are first used.
  void source(ValueId v) {
    if (v == kNone || graph_.value(v).producer != kNone || names_.contains(v)) return;
    const Fact& fact = graph_.fact(v);
    if (fact.is_constant()) {
      out_ += cat(pad_, "const ", name(v), ": ", fact.text(), " = ", elements_text(fact.constant), "\n");
    } else if (fact.values) {
      std::string values;
      for (const Dim& d : *fact.values) values += cat(values.empty() ? "" : ", ", d.text());
      out_ += cat(pad_, "known ", name(v), ": ", fact.text(), " = ", values, "\n");
    }
  }

  void node(const Node& n) {
    for (ValueId v : n.inputs) source(v);
    std::string line = pad_;
    for (size_t i = 0; i < n.outputs.size(); ++i) line += cat(i ? ", " : "", name(n.outputs[i]));
    line += cat(" = ", n.op->domain.empty() ? "" : cat(n.op->domain, "."), n.op->name);
    std::string attrs;
    for (const auto& [key, value] : n.attrs.map()) attrs += cat(attrs.empty() ? "" : ", ", key, "=", attr_text(value));
    if (!attrs.empty()) line += "{" + attrs + "}";
    line += "(";
    const size_t operands = n.operands().size();
    for (size_t i = 0; i < n.inputs.size(); ++i)
      line += cat(i == 0 ? "" : i == operands ? "; " : ", ", name(n.inputs[i]));
    line += ")";
    for (const Graph& body : n.bodies) line += cat(" {\n", Printer(body, indent_ + 2).run(), pad_, "}");
    for (size_t i = 0; i < n.outputs.size() && n.bodies.empty(); ++i) {
      if (n.outputs[i] != kNone) line += cat(i ? ", " : "  # ", graph_.fact(n.outputs[i]).text());
    }
    out_ += line + "\n";
  }

  const Graph& graph_;
  std::string pad_;
  int indent_;
  std::string out_;
  std::map<ValueId, std::string> names_;
  std::map<std::string, ValueId> used_;
};

}  // namespace

std::string print(const Graph& graph) { return Printer(graph, 0).run(); }

}  // namespace sdx::ir
