// Reading the text form of operator cases.
#include "case.h"

#include <algorithm>
#include <fstream>

#include "elements.h"
#include "scanner.h"

namespace sdx::ops {
namespace {

constexpr int kNewestOpset = 27;

Extents extents(Scanner& s) {
  Extents out;
  s.expect('[');
  while (!s.accept(']')) {
    out.push_back(std::stoll(s.word(",]")));
    s.accept(',');
  }
  return out;
}

DType dtype(const std::string& name) {
  if (auto type = dtype_from_name(name)) return *type;
  fail(ErrorKind::kInvalidInput, "'", name, "' is not an element type");
}

void fill_ramp(Scanner& s, const View& to) {
  s.expect('(');
  const double start = std::stod(s.word(","));
  s.expect(',');
  const double step = std::stod(s.word(")"));
  s.expect(')');
  for (int64_t i = 0; i < to.count(); ++i) {
    const double value = start + step * static_cast<double>(i);
    store_element(to, i, is_float(to.dtype) ? cat(value) : cat(static_cast<int64_t>(value)));
  }
}

/// Values up to one of `stops`.
Tensor tensor(Scanner& s, DType type, const Extents& shape, std::string_view stops) {
  Tensor out(type, shape);
  const View to = out.mutable_view();
  std::vector<std::string> words;
  const std::string ends = std::string(stops) + "*(";
  while (!s.done() && stops.find(s.peek()) == std::string_view::npos) {
    const bool is_quoted = s.peek() == '"';
    const std::string word = is_quoted ? s.quoted() : s.word(ends);
    if (!is_quoted && word == "ramp") {
      fill_ramp(s, to);
      return out;
    }
    if (!is_quoted && word == "...") {
      for (size_t i = 0; !words.empty() && static_cast<int64_t>(words.size()) < to.count(); ++i)
        words.push_back(words[i]);
      break;
    }
    words.push_back(word);
    if (s.accept('*')) words.insert(words.end(), std::stoul(s.word(ends)) - 1, word);
  }
  if (static_cast<int64_t>(words.size()) != to.count()) {
    fail(ErrorKind::kInvalidInput, "shape ", shape.text(), " needs ", to.count(), " values, not ", words.size());
  }
  for (size_t i = 0; i < words.size(); ++i) store_element(to, static_cast<int64_t>(i), words[i]);
  return out;
}

Value sequence(Scanner& s) {
  s.expect('(');
  Sequence out{dtype(s.word(")")), {}};
  s.expect(')');
  s.expect(':');
  while (!s.done()) {
    const Extents shape = extents(s);
    out.items.push_back(tensor(s, out.dtype, shape, ";"));
    s.accept(';');
  }
  return out;
}

/// "float32[2]: 1 2", "sequence(float32): [2] 1 2; [1] 3", "empty".
Value value(Scanner& s, bool* any) {
  const std::string type = s.word("[(");
  if (type == "empty") return {};
  if (type == "sequence") return sequence(s);
  const DType element = dtype(type);
  const Extents shape = extents(s);
  s.expect(':');
  if (any && s.rest() == "any") {
    *any = true;
    return Tensor(element, shape);
  }
  return tensor(s, element, shape, "");
}

ir::AttrValue scalar_attr(Scanner& s) {
  if (s.peek() == '"') return s.quoted();
  const std::string word = s.word(",]}[");
  if (auto type = dtype_from_name(word)) {
    if (s.peek() != '[') return static_cast<int64_t>(*type);
    const Extents shape = extents(s);
    s.expect('{');
    Tensor t = tensor(s, *type, shape, "}");
    s.expect('}');
    return t;
  }
  if (word.find_first_of(".einf") != std::string::npos) return std::stof(word);
  return static_cast<int64_t>(std::stoll(word));
}

ir::AttrValue attr(Scanner& s) {
  if (!s.accept('[')) return scalar_attr(s);
  std::vector<ir::AttrValue> items;
  while (!s.accept(']')) {
    items.push_back(scalar_attr(s));
    s.accept(',');
  }
  auto list = [&]<class T>(T) -> ir::AttrValue {
    std::vector<T> out;
    for (const auto& item : items) out.push_back(std::get<T>(item));
    return out;
  };
  if (!items.empty() && std::holds_alternative<float>(items[0])) return list(float{});
  if (!items.empty() && std::holds_alternative<std::string>(items[0])) return list(std::string{});
  return list(int64_t{});
}

void header(const std::string& line, Case& out) {
  Scanner s(line);
  out.name = s.word("{@");
  if (const size_t dot = out.name.rfind('.'); dot != std::string::npos) {
    out.domain = out.name.substr(0, dot);
    out.name = out.name.substr(dot + 1);
  }
  out.version = out.domain.empty() ? kNewestOpset : 1;
  if (s.accept('{')) {
    while (!s.accept('}')) {
      std::string name = s.word("=");
      s.expect('=');
      out.attrs[name] = attr(s);
      s.accept(',');
    }
  }
  if (s.accept('@')) out.version = std::stoi(s.word(""));
  if (!s.done()) fail(ErrorKind::kInvalidInput, "'", s.rest(), "' after the operator");
}

void skip_lanes(Scanner& s, Case& out) {
  while (!s.done()) {
    const std::string lane = s.word("");
    if (lane == "half")
      out.half = false;
    else if (lane == "symbolic")
      out.symbolic = false;
    else
      fail(ErrorKind::kInvalidInput, "'", lane, "' is not a lane");
  }
}

/// A line under a header; false where it is the header of the next case.
bool body_line(const std::string& line, Case& out) {
  Scanner s(line);
  const std::string word = s.word(":{@");
  if (word == "none" && s.done()) {
    out.inputs.push_back({true, false, {}});
  } else if (word == "in" || word == "const") {
    out.inputs.push_back({false, word == "const", value(s, nullptr)});
  } else if (word == "out") {
    CaseOutput output;
    output.wanted = s.rest() != "none";
    if (output.wanted) output.value = value(s, &output.any);
    out.outputs.push_back(std::move(output));
  } else if (s.peek() != ':') {
    return false;
  } else {
    s.expect(':');
    if (word == "error")
      out.error = std::string(s.rest());
    else if (word == "tolerance")
      out.tolerance = std::stod(s.word(""));
    else if (word == "skip")
      skip_lanes(s, out);
    else
      fail(ErrorKind::kInvalidInput, "'", word, "' is not the start of a line");
  }
  return true;
}

/// Lines with their numbers: comments and blank lines dropped, indented lines joined to the one above.
std::vector<std::pair<int, std::string>> logical_lines(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) fail(ErrorKind::kResource, "cannot read ", path.string());
  std::vector<std::pair<int, std::string>> out;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    if (first > 0 && !out.empty())
      out.back().second += " " + line;
    else
      out.emplace_back(number, line);
  }
  return out;
}

}  // namespace

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::vector<Case> out;
  for (const auto& [number, line] : logical_lines(path)) {
    try {
      if (!out.empty() && body_line(line, out.back())) continue;
      Case next;
      next.file = path.stem().string();
      next.line = number;
      header(line, next);
      out.push_back(std::move(next));
    } catch (Error& e) {
      e.within(cat(path.filename().string(), ":", number));
      throw;
    } catch (const std::logic_error& e) {
      fail(ErrorKind::kInvalidInput, path.filename().string(), ":", number, ": ", e.what(), " in '", line, "'");
    }
  }
  return out;
}

}  // namespace sdx::ops
