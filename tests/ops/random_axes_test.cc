// Seeded random cases of reductions, scans, softmax and Einsum against naive twins in double precision.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "random_case.h"

namespace sdx::ops {
namespace {

using Elements = std::vector<double>;

struct Reduction {
  std::string name;
  std::function<double(const Elements&)> twin;
};

double sum(const Elements& x) {
  double total = 0;
  for (double v : x) total += v;
  return total;
}

const std::vector<Reduction>& reductions() {
  static const std::vector<Reduction> rows = {
      {"ReduceSum", sum},
      {"ReduceMean", [](const Elements& x) { return sum(x) / static_cast<double>(x.size()); }},
      {"ReduceMax", [](const Elements& x) { return *std::ranges::max_element(x); }},
      {"ReduceMin", [](const Elements& x) { return *std::ranges::min_element(x); }},
      {"ReduceL1",
       [](Elements x) {
         for (double& v : x) v = std::abs(v);
         return sum(x);
       }},
      {"ReduceL2",
       [](Elements x) {
         for (double& v : x) v *= v;
         return std::sqrt(sum(x));
       }},
      {"ReduceSumSquare",
       [](Elements x) {
         for (double& v : x) v *= v;
         return sum(x);
       }},
      {"ReduceLogSumExp", [](Elements x) {
         for (double& v : x) v = std::exp(v);
         return std::log(sum(x));
       }}};
  return rows;
}

/// Elements that fall together where `reduced` axes are dropped, in the order of the result.
std::map<std::vector<int64_t>, Elements> groups(const Tensor& x, const std::set<int64_t>& reduced) {
  std::map<std::vector<int64_t>, Elements> out;
  walk(x.extents(), [&](const std::vector<int64_t>& at, int64_t i) {
    std::vector<int64_t> kept;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      if (!reduced.contains(static_cast<int64_t>(axis))) kept.push_back(at[axis]);
    }
    out[kept].push_back(*load_element(x.view(), i));
  });
  return out;
}

Extents nonempty_extents(Random& random, int most) {
  Extents out = random_extents(random, most);
  for (int i = 0; i < out.rank(); ++i) out[i] = std::max<int64_t>(1, out[i]);
  return out;
}

TEST(RandomAxes, Reductions) {
  for_each_seed(150, [](Random& random) {
    const Reduction& row = pick(random, reductions());
    const Tensor x =
        random_tensor(random, pick<DType>(random, {DType::kF32, DType::kF64}), nonempty_extents(random, 5), -4, 4);
    const int64_t rank = x.extents().rank();
    std::set<int64_t> reduced;
    for (int64_t axis = 0; axis < rank; ++axis) {
      if (pick(random, 0, 1)) reduced.insert(axis);
    }
    std::vector<int64_t> axes(reduced.begin(), reduced.end());
    if (axes.empty()) {
      for (int64_t axis = 0; axis < rank; ++axis) reduced.insert(axis);
    }
    for (int64_t& axis : axes) axis -= pick(random, 0, 1) ? rank : 0;
    const bool keep = pick(random, 0, 1);
    Extents shape;
    for (int64_t axis = 0; axis < rank; ++axis) {
      if (!reduced.contains(axis))
        shape.push_back(x.extents()[static_cast<int>(axis)]);
      else if (keep)
        shape.push_back(1);
    }
    Tensor result(x.dtype(), shape);
    int64_t i = 0;
    for (const auto& [index, elements] : groups(x, reduced)) store_number(result, i++, row.twin(elements));
    Case c = make_case(row.name, {x, Tensor::ints(axes)}, result);
    c.inputs[1].constant = pick(random, 0, 1);
    c.attrs["keepdims"] = int64_t{keep};
    SCOPED_TRACE(cat(row.name, " of ", x.extents().text(), " to ", shape.text()));
    run_lanes(c);
  });
}

/// Applies body(line) to every line along the axis; the lines' results go back to their places.
template <class Body>
Tensor map_lines(const Tensor& x, int axis, DType type, const Body& body) {
  Tensor out(type, x.extents());
  const int64_t n = x.extents()[axis], inner = x.extents().product(axis + 1, x.extents().rank());
  for (int64_t line = 0; line < x.extents().count() / n; ++line) {
    const int64_t at = line / inner * n * inner + line % inner;
    Elements elements;
    for (int64_t k = 0; k < n; ++k) elements.push_back(*load_element(x.view(), at + k * inner));
    body(elements);
    for (int64_t k = 0; k < n; ++k) store_number(out, at + k * inner, elements[static_cast<size_t>(k)]);
  }
  return out;
}

Extents lines_extents(Random& random) {
  Extents out = nonempty_extents(random, 4);
  if (out.rank() == 0) out.push_back(pick(random, 1, 9));
  return out;
}

TEST(RandomAxes, Softmax) {
  for_each_seed(80, [](Random& random) {
    const Tensor x =
        random_tensor(random, pick<DType>(random, {DType::kF32, DType::kF64}), lines_extents(random), -9, 9);
    const auto axis = pick(random, 0, x.extents().rank() - 1);
    const bool logarithm = pick(random, 0, 1);
    Tensor result = map_lines(x, static_cast<int>(axis), x.dtype(), [&](Elements& line) {
      double total = 0;
      for (double v : line) total += std::exp(v);
      for (double& v : line) v = logarithm ? v - std::log(total) : std::exp(v) / total;
    });
    Case c = make_case(logarithm ? "LogSoftmax" : "Softmax", {x}, result);
    c.attrs["axis"] = axis;
    SCOPED_TRACE(cat(c.name, " of ", x.extents().text(), " along ", axis));
    run_lanes(c);
  });
}

TEST(RandomAxes, CumSum) {
  for_each_seed(80, [](Random& random) {
    const Tensor x = random_tensor(random, pick<DType>(random, {DType::kF32, DType::kF64, DType::kI32, DType::kI64}),
                                   lines_extents(random), -4, 4);
    const auto axis = pick(random, 0, x.extents().rank() - 1);
    const bool reverse = pick(random, 0, 1), exclusive = pick(random, 0, 1);
    Tensor result = map_lines(x, static_cast<int>(axis), x.dtype(), [&](Elements& line) {
      if (reverse) std::ranges::reverse(line);
      double total = 0;
      for (double& v : line) {
        const double own = v;
        v = exclusive ? total : total + own;
        total += own;
      }
      if (reverse) std::ranges::reverse(line);
    });
    Case c = make_case("CumSum", {x, Tensor::scalar<int64_t>(axis)}, result);
    c.attrs["reverse"] = int64_t{reverse};
    c.attrs["exclusive"] = int64_t{exclusive};
    run_lanes(c);
  });
}

/// Sums the product of all operands over every label that the result lacks.
Tensor einsum_twin(const std::vector<std::string>& terms, const std::string& out, const std::map<char, int64_t>& sizes,
                   const std::vector<Tensor>& operands) {
  Extents all, shape;
  std::string order = out;
  for (auto [label, size] : sizes) {
    if (out.find(label) == std::string::npos) order += label;
  }
  for (char label : order) all.push_back(sizes.at(label));
  for (char label : out) shape.push_back(sizes.at(label));
  Elements sums(static_cast<size_t>(shape.count()), 0);
  const int64_t inner = all.product(shape.rank(), all.rank());
  walk(all, [&](const std::vector<int64_t>& at, int64_t i) {
    double product = 1;
    for (size_t k = 0; k < terms.size(); ++k) {
      int64_t offset = 0;
      for (char label : terms[k]) offset = offset * sizes.at(label) + at[order.find(label)];
      product *= *load_element(operands[k].view(), offset);
    }
    sums[static_cast<size_t>(i / inner)] += product;
  });
  Tensor result(operands[0].dtype(), shape);
  for (size_t i = 0; i < sums.size(); ++i) store_number(result, static_cast<int64_t>(i), sums[i]);
  return result;
}

TEST(RandomAxes, Einsum) {
  for_each_seed(150, [](Random& random) {
    const std::string letters = "abcdef";
    std::map<char, int64_t> sizes;
    std::vector<std::string> terms;
    std::vector<Tensor> operands;
    const DType type = pick<DType>(random, {DType::kF32, DType::kF64, DType::kI64});
    std::string equation, used;
    for (int64_t k = pick(random, 1, 3); k > 0; --k) {
      std::string term;
      for (int64_t n = pick(random, 0, 4); n > 0; --n) term += letters[static_cast<size_t>(pick(random, 0, 5))];
      Extents shape;
      for (char label : term) shape.push_back(sizes.try_emplace(label, pick(random, 1, 4)).first->second);
      operands.push_back(random_tensor(random, type, shape, -3, 3));
      terms.push_back(term);
      equation += (terms.size() == 1 ? "" : ",") + term;
    }
    std::string out;
    for (auto [label, size] : sizes) {
      if (pick(random, 0, 1)) out += label;
    }
    std::ranges::shuffle(out, random);
    Tensor result = einsum_twin(terms, out, sizes, operands);
    Case c = make_case("Einsum", operands, result);
    c.attrs["equation"] = equation + "->" + out;
    SCOPED_TRACE(equation + "->" + out);
    run_lanes(c);
  });
}

}  // namespace
}  // namespace sdx::ops
