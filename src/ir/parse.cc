// Reading graphs from the text form.
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "base/half.h"
#include "ir/text.h"

namespace sdx::ir {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const FindOp& find_op) : text_(text), find_op_(find_op) {}

  Graph run() {
    Graph graph(std::make_shared<SymbolTable>());
    block(graph, false, 0);
    return graph;
  }

 private:
  using Names = std::map<std::string, ValueId, std::less<>>;

  [[noreturn]] void bad(const std::string& what) const {
    const auto line =
        std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n') + 1;
    fail(ErrorKind::kInvalidModel, "line ", line, ": ", what);
  }
  void skip(bool lines = true) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n')) {
        ++at_;
      } else {
        return;
      }
    }
  }
  bool take(char c, bool lines = false) {
    skip(lines);
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) bad(std::string("'") + c + "' expected");
  }
  std::string word() {
    skip(false);
    const size_t start = at_;
    auto part = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' || c == '\'' || c == '-' ||
             c == '+';
    };
    while (at_ < text_.size() && part(text_[at_])) ++at_;
    if (at_ == start) bad("a word expected");
    return std::string(text_.substr(start, at_ - start));
  }
  /// "%name", or "" for "_".
  std::string value_name() {
    if (take('_')) return "";
    expect('%');
    return word();
  }
  std::string until_line_end() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '#') ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  Fact fact(SymbolTable& symbols) {
    const std::string type = word();
    const auto dtype = dtype_from_name(type);
    if (!dtype) bad("'" + type + "' is no element type");
    if (!take('[')) return Fact::tensor(*dtype, Shape());
    std::vector<Dim> dims;
    while (!take(']')) {
      const size_t start = at_;
      int depth = 0;
      while (at_ < text_.size() && text_[at_] != '\n' && (depth > 0 || (text_[at_] != ',' && text_[at_] != ']'))) {
        depth += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
        ++at_;
      }
      const std::string_view dim = text_.substr(start, at_ - start);
      if (dim == "...") {
        expect(']');
        return Fact::tensor(*dtype, Shape());
      }
      dims.push_back(symbols.parse(dim));
      take(',');
    }
    return Fact::tensor(*dtype, std::move(dims));
  }

  static void set_element(Tensor& t, int64_t i, double v) {
    View view = t.mutable_view();
    switch (t.dtype()) {
      case DType::kF32: view.as<float>()[i] = static_cast<float>(v); break;
      case DType::kF64: view.as<double>()[i] = v; break;
      case DType::kF16: view.as<Half>()[i] = to_half(v); break;
      case DType::kBF16: view.as<BFloat16>()[i] = to_bfloat16(v); break;
      case DType::kI64: view.as<int64_t>()[i] = static_cast<int64_t>(v); break;
      case DType::kI32: view.as<int32_t>()[i] = static_cast<int32_t>(v); break;
      case DType::kU8:
      case DType::kBool: view.as<uint8_t>()[i] = static_cast<uint8_t>(v); break;
      default:
        fail(ErrorKind::kInvalidModel, "constants of ", dtype_name(t.dtype()), " cannot be written in the text form");
    }
  }
  double number() {
    const std::string w = word();
    char* end = nullptr;
    const double v = std::strtod(w.c_str(), &end);
    if (end != w.c_str() + w.size()) bad("'" + w + "' is no number");
    return v;
  }

  Tensor constant(const Fact& f) {
    const auto extents = f.shape.extents();
    if (!extents) bad("a constant needs a shape of numbers");
    Tensor t(f.dtype, *extents);
    skip(false);
    if (text_.substr(at_).starts_with("seed")) {
      word();
      std::mt19937_64 random(static_cast<uint64_t>(number()));
      std::normal_distribution<double> normal;
      for (int64_t i = 0; i < extents->count(); ++i) set_element(t, i, normal(random));
      return t;
    }
    for (int64_t i = 0; i < extents->count(); ++i) set_element(t, i, number());
    return t;
  }

  template <class T>
  static bool number_as(const std::string& w, T& out) {
    auto [end, error] = std::from_chars(w.data() + (w[0] == '+'), w.data() + w.size(), out);
    return error == std::errc() && end == w.data() + w.size();
  }
  std::string quoted() {
    expect('"');
    const size_t end = text_.find('"', at_);
    if (end == std::string_view::npos) bad("the string has no end");
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  AttrValue attr() {
    skip(false);
    if (at_ < text_.size() && text_[at_] == '"') return quoted();
    if (take('[')) return attr_list();
    const std::string w = word();
    int64_t i = 0;
    float f = 0;
    if (number_as(w, i)) return i;
    if (number_as(w, f)) return f;
    bad("'" + w + "' is no attribute value");
  }
  AttrValue attr_list() {
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    while (!take(']')) {
      AttrValue v = attr();
      if (auto* i = std::get_if<int64_t>(&v))
        ints.push_back(*i);
      else if (auto* f = std::get_if<float>(&v))
        floats.push_back(*f);
      else if (auto* s = std::get_if<std::string>(&v))
        strings.push_back(*s);
      take(',');
    }
    if (!floats.empty()) return floats;
    if (!strings.empty()) return strings;
    return ints;
  }

  ValueId find(const Names& names, const std::string& name) {
    if (name.empty()) return kNone;
    auto it = names.find(name);
    if (it == names.end()) bad("'%" + name + "' is not defined before this line");
    return it->second;
  }

  void statement(Graph& graph, Names& names, int depth) {
    std::vector<std::string> outputs{value_name()};
    while (take(',')) outputs.push_back(value_name());
    expect('=');
    std::string op_name = word(), domain;
    if (const size_t dot = op_name.rfind('.'); dot != std::string::npos) {
      domain = op_name.substr(0, dot);
      op_name = op_name.substr(dot + 1);
    }
    const Op* op = find_op_(domain, op_name);
    if (!op) bad("no operator '" + domain + "." + op_name + "'");
    AttrMap attrs;
    if (take('{')) {
      while (!take('}')) {
        const std::string key = word();
        expect('=');
        attrs[key] = attr();
        take(',');
      }
    }
    std::vector<ValueId> inputs;
    NodeOptions options;
    options.name = outputs[0];
    options.outputs = static_cast<int>(outputs.size());
    options.output_names = outputs;
    expect('(');
    bool captures = false;
    while (!take(')')) {
      if (take(';')) captures = true;
      (captures ? options.captures : inputs).push_back(find(names, value_name()));
      take(',');
    }
    for (int b = 0; b < op->bodies; ++b) {
      expect('{');
      Graph body(graph.symbol_table());
      block(body, true, depth + 1);
      options.bodies.push_back(std::move(body));
    }
    const Node& made = graph.node(graph.add(*op, op->parse(attrs), std::move(inputs), std::move(options)));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].empty() && !names.emplace(outputs[i], made.outputs[i]).second)
        bad("'%" + outputs[i] + "' is defined twice");
    }
  }

  void block(Graph& graph, bool body, int depth) {
    if (depth > kMaxGraphDepth) bad("bodies are nested too deeply");
    Names names;
    for (;;) {
      skip();
      if (at_ >= text_.size()) {
        if (body) bad("'}' expected");
        return;
      }
      if (body && take('}')) return;
      if (text_[at_] == '%' || text_[at_] == '_') {
        statement(graph, names, depth);
        continue;
      }
      const std::string keyword = word();
      const std::string name = value_name();
      if (keyword == "output") {
        graph.add_output(name, find(names, name));
        continue;
      }
      expect(':');
      Fact f = fact(graph.symbols());
      if (keyword == "input") {
        names[name] = graph.add_input(name, std::move(f));
      } else if (keyword == "const") {
        expect('=');
        names[name] = graph.add_constant(name, constant(f));
      } else if (keyword == "known") {
        expect('=');
        names[name] = graph.add_known(name, known(f, until_line_end(), graph.symbols()));
      } else {
        bad("'" + keyword + "' is neither input, const, known nor output");
      }
    }
  }

  Fact known(Fact f, std::string_view list, SymbolTable& symbols) {
    std::vector<Dim> values;
    size_t start = 0;
    int depth = 0;
    for (size_t i = 0; i <= list.size(); ++i) {
      if (i < list.size()) depth += list[i] == '(' ? 1 : list[i] == ')' ? -1 : 0;
      if (i < list.size() && (list[i] != ',' || depth > 0)) continue;
      values.push_back(symbols.parse(list.substr(start, i - start)));
      start = i + 1;
    }
    f.values = std::move(values);
    return f;
  }

  std::string_view text_;
  const FindOp& find_op_;
  size_t at_ = 0;
};

}  // namespace

Graph parse(std::string_view text, const FindOp& find_op) { return Parser(text, find_op).run(); }

}  // namespace sdx::ir
