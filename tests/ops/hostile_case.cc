// HostileCase: seeded changes of operator calls.
#include "hostile_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <sstream>

#include "ops/op_table.h"

namespace sdx::ops {
namespace {

const std::vector<int64_t> kIntegers = {0,
                                        1,
                                        -1,
                                        2,
                                        -2,
                                        3,
                                        -3,
                                        4,
                                        7,
                                        8,
                                        9,
                                        -9,
                                        64,
                                        1000,
                                        -1000,
                                        int64_t{1} << 20,
                                        std::numeric_limits<int32_t>::max(),
                                        std::numeric_limits<int32_t>::min(),
                                        int64_t{1} << 32,
                                        kMaxElements,
                                        kMaxElements + 1,
                                        int64_t{1} << 61,
                                        -(int64_t{1} << 61),
                                        int64_t{1} << 62,
                                        std::numeric_limits<int64_t>::max() - 1,
                                        std::numeric_limits<int64_t>::max(),
                                        std::numeric_limits<int64_t>::min() + 1,
                                        std::numeric_limits<int64_t>::min()};
const std::vector<float> kFloats = {0, -0.f, 1, -1, 0.5, 1e-38f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN};
const std::vector<std::string> kTexts = {"", "x", "NOTSET", "SAME_UPPER", "VALID", "linear", "cubic", "wrap"};
const std::vector<DType> kTypes = {DType::kF32, DType::kF64,  DType::kF16, DType::kI64, DType::kI32,   DType::kU8,
                                   DType::kI8,  DType::kBool, DType::kI4,  DType::kC64, DType::kString};

bool one_in(Random& random, int64_t n) { return pick(random, 1, n) == 1; }

/// Mostly small numbers: the largest ones are refused by whichever check comes first.
int64_t hostile_integer(Random& random) { return one_in(random, 2) ? pick(random, -4, 9) : pick(random, kIntegers); }

template <class T, class Make>
void change_list(std::vector<T>& list, Random& random, const Make& make) {
  const auto at = static_cast<std::ptrdiff_t>(pick(random, 0, std::max<int64_t>(0, std::ssize(list) - 1)));
  switch (pick(random, 0, list.empty() ? 1 : 5)) {
    case 0: list.insert(list.begin() + at, make()); break;
    case 1: list.resize(static_cast<size_t>(pick(random, 0, 10)), make()); break;
    case 2: list.erase(list.begin() + at); break;
    default: list[static_cast<size_t>(at)] = make();
  }
}

void change(ir::AttrValue& value, Random& random) {
  if (auto* number = std::get_if<int64_t>(&value)) {
    *number = hostile_integer(random);
  } else if (auto* real = std::get_if<float>(&value)) {
    *real = pick(random, kFloats);
  } else if (auto* text = std::get_if<std::string>(&value)) {
    *text = pick(random, kTexts);
  } else if (auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
    change_list(*ints, random, [&] { return hostile_integer(random); });
  } else if (auto* floats = std::get_if<std::vector<float>>(&value)) {
    change_list(*floats, random, [&] { return pick(random, kFloats); });
  } else if (auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    change_list(*texts, random, [&] { return pick(random, kTexts); });
  }
}

void change_attribute(Case& c, const OpCases& known, Random& random) {
  if (known.attributes.empty()) return;
  auto it = known.attributes.begin();
  std::advance(it, pick(random, 0, std::ssize(known.attributes) - 1));
  if (one_in(random, 6)) {
    c.attrs.erase(it->first);
    return;
  }
  auto [at, is_new] = c.attrs.try_emplace(it->first, pick(random, it->second));
  if (!is_new || !one_in(random, 3)) change(at->second, random);
}

/// An element as a word that any type of number can hold.
std::string moderate_word(const ConstView& view, int64_t at) {
  const double number = view.dtype == DType::kC64 ? 1 : load_element(view, at).value_or(1);
  return std::isfinite(number) && std::abs(number) < 100 ? cat(static_cast<int>(number)) : "1";
}

/// The elements again under other extents and in another type, repeated or cut.
Tensor remade(const Tensor& tensor, DType type, const Extents& extents) {
  Tensor out(type, extents);
  const int64_t have = tensor.extents().count();
  for (int64_t i = 0; i < extents.count(); ++i) {
    if (have == 0 || type != tensor.dtype() || type == DType::kC64) {
      store_element(out.mutable_view(), i, have == 0 ? "1" : moderate_word(tensor.view(), i % have));
    } else if (type == DType::kString) {
      out.mutable_view().as<std::string>()[i] = tensor.as<std::string>()[i % have];
    } else if (const int64_t width = dtype_bits(type) / 8; width > 0) {
      std::memcpy(out.mutable_view().data + i * width, tensor.view().data + i % have * width,
                  static_cast<size_t>(width));
    } else {
      store_element(out.mutable_view(), i, element_text(tensor.view(), i % have));
    }
  }
  return out;
}

Tensor resized(const Tensor& tensor, Random& random) {
  std::vector<int64_t> sizes(tensor.extents().begin(), tensor.extents().end());
  const auto rank = std::ssize(sizes);
  const auto at = static_cast<std::ptrdiff_t>(pick(random, 0, std::max<int64_t>(0, rank - 1)));
  const auto kind = rank == 0 ? 0 : pick(random, 0, 5);
  if (kind == 0 && rank < kMaxRank) {
    sizes.insert(sizes.begin() + at, pick(random, 0, 3));
  } else if (kind == 1) {
    sizes.erase(sizes.begin() + at);
  } else if (rank > 0) {
    sizes[static_cast<size_t>(at)] = pick(random, 0, 9);
  }
  if (std::ranges::find(sizes, 0) != sizes.end() && one_in(random, 2) && sizes.size() < 4) {
    // An empty tensor takes no memory, whatever its other sizes are.
    int64_t& other = sizes[static_cast<size_t>(pick(random, 0, std::ssize(sizes) - 1))];
    if (other != 0) other = int64_t{1} << pick(random, 20, 32);
  }
  const Extents extents{sizes};
  return extents.count() > 20000 ? tensor : remade(tensor, tensor.dtype(), extents);
}

template <class T>
void store(Tensor& out, int64_t at, T value) {
  out.mutable_view().as<T>()[at] = value;
}

/// The tensor with a few elements changed.
Tensor with_hostile_elements(const Tensor& tensor, Random& random) {
  const int64_t count = tensor.extents().count();
  if (count == 0) return tensor;
  Tensor out = remade(tensor, tensor.dtype(), tensor.extents());
  for (int64_t n = pick(random, 1, 3); n > 0; --n) {
    const int64_t at = pick(random, 0, count - 1), number = hostile_integer(random);
    switch (tensor.dtype()) {
      case DType::kI64: store(out, at, number); break;
      case DType::kI32: store(out, at, static_cast<int32_t>(number)); break;
      case DType::kF32: store(out, at, pick(random, kFloats)); break;
      case DType::kF64: store(out, at, static_cast<double>(pick(random, kFloats))); break;
      case DType::kString: store(out, at, pick(random, kTexts)); break;
      default: store_element(out.mutable_view(), at, cat(pick(random, 0, 255)));
    }
  }
  return out;
}

void change_operand(Case& c, Random& random) {
  if (c.inputs.empty()) return;
  CaseInput& line = c.inputs[static_cast<size_t>(pick(random, 0, std::ssize(c.inputs) - 1))];
  const auto kind = pick(random, 0, 15);
  if (kind == 0) line.absent = !line.absent && one_in(random, 2);
  if (kind == 1) line.constant = !line.constant;
  if (kind == 2) c.inputs.push_back(line);
  if (kind == 3) c.inputs.pop_back();
  if (kind <= 3 || line.absent || !line.value.is_tensor()) return;
  const Tensor& tensor = line.value.tensor();
  if (kind == 4) {
    line.value = remade(tensor, pick(random, kTypes), tensor.extents());
  } else if (kind <= 9) {
    line.value = resized(tensor, random);
  } else {
    line.value = with_hostile_elements(tensor, random);
  }
}

/// A node of which nobody wants anything is not run.
void change_outputs(Case& c, Random& random) {
  c.outputs.resize(static_cast<size_t>(pick(random, 1, 4)));
  for (CaseOutput& output : c.outputs) output.wanted = !one_in(random, 4);
  c.outputs.back().wanted = true;
}

void collect(std::map<std::string, OpCases>& out, const std::filesystem::path& path) {
  for (Case& c : read_cases(path)) {
    const ir::Op* op = find(c.domain, c.name);
    if (!op || op->bodies > 0) continue;
    OpCases& known = out[cat(c.domain, "::", c.name)];
    for (const auto& [name, value] : c.attrs) known.attributes[name].push_back(value);
    known.cases.push_back(std::move(c));
  }
}

/// Attributes that have a default but are in no case.
void add_defaults(OpCases& known) {
  const Case& c = known.cases.front();
  ir::AttrMap all;
  for (const auto& [name, values] : known.attributes) all.emplace(name, values.front());
  try {
    for (const auto& [name, value] : find(c.domain, c.name)->parse(all).map()) known.attributes[name].push_back(value);
  } catch (const Error&) {  // attributes of different opsets do not go together
  }
}

template <class T>
void print_list(std::ostringstream& out, const std::vector<T>& list) {
  out << '[';
  for (const T& item : list) out << item << ' ';
  out << ']';
}

}  // namespace

const std::map<std::string, OpCases>& cases_by_operator() {
  static const auto all = [] {
    std::map<std::string, OpCases> out;
    const auto folder = std::filesystem::path(SARDONYX_SOURCE_DIR) / "tests/ops/cases";
    for (const auto& file : std::filesystem::directory_iterator(folder)) collect(out, file.path());
    for (auto& [name, known] : out) add_defaults(known);
    return out;
  }();
  return all;
}

Case hostile_case(const OpCases& known, Random& random) {
  Case c = pick(random, known.cases);
  c.error.reset();
  for (int64_t n = pick(random, 1, 4); n > 0; --n) {
    const auto kind = pick(random, 0, 15);
    if (kind == 0) {
      change_outputs(c, random);
    } else if (kind <= 7) {
      change_attribute(c, known, random);
    } else {
      change_operand(c, random);
    }
  }
  return c;
}

Shape hostile_shape(const Extents& extents, SymbolTable& symbols, Random& random) {
  if (one_in(random, 8)) return Shape();
  Shape shape(extents);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (one_in(random, 4)) shape[axis] = std::max<int64_t>(0, hostile_integer(random));
    if (one_in(random, 6)) shape[axis] = symbols.symbol(cat("n", pick(random, 0, 2)));
  }
  return shape;
}

std::string describe(const Case& c) {
  std::ostringstream out;
  out << c.domain << "::" << c.name << '@' << c.version << " {";
  for (const auto& [name, value] : c.attrs) {
    out << name << '=';
    std::visit(
        [&]<class T>(const T& v) {
          if constexpr (std::is_same_v<T, Tensor>)
            out << "tensor";
          else if constexpr (requires { v.front() == v.back(); } && !std::is_same_v<T, std::string>)
            print_list(out, v);
          else
            out << v;
        },
        value);
    out << ' ';
  }
  out << "} outputs " << c.outputs.size();
  for (const CaseInput& line : c.inputs) {
    out << (line.absent ? "; none" : line.constant ? "; const " : "; in ");
    if (line.absent || !line.value.is_tensor()) continue;
    const Tensor& t = line.value.tensor();
    out << dtype_name(t.dtype()) << t.extents().text() << ':';
    for (int64_t i = 0; i < std::min<int64_t>(12, t.extents().count()); ++i) out << ' ' << element_text(t.view(), i);
  }
  return out.str();
}

}  // namespace sdx::ops
