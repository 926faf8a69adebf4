// Random operator cases: seeds that can be replayed, random shapes and values, and naive twins over doubles.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "case.h"
#include "elements.h"
#include "lanes.h"

namespace sdx::ops {

using Random = std::mt19937_64;

/// Calls body(random) for `count` seeds, or for SARDONYX_SEED alone where the environment has it. A failure names its
/// seed and the command that replays it.
template <class Body>
void for_each_seed(int count, const Body& body) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const char* given = std::getenv("SARDONYX_SEED");
  const int first = given ? std::atoi(given) : 1;
  for (int seed = first; seed < (given ? first + 1 : first + count); ++seed) {
    SCOPED_TRACE(cat("replay with SARDONYX_SEED=", seed, " ops_random_test --gtest_filter=", test->test_suite_name(),
                     ".", test->name()));
    Random random(static_cast<uint64_t>(seed));
    body(random);
  }
}

inline int64_t pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}
template <class T>
const T& pick(Random& random, const std::vector<T>& list) {
  return list[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(list.size()) - 1))];
}

/// Rank up to `most`; mostly small sizes, now and then 0 or one that spans several vectors and thread ranges. At most
/// 8000 elements.
inline Extents random_extents(Random& random, int most) {
  Extents out;
  const auto rank = pick(random, 0, most);
  for (int64_t i = 0; i < rank; ++i) {
    const auto kind = pick(random, 0, 19);
    out.push_back(kind == 0 ? 0 : kind == 1 ? pick(random, 60, 700) : pick(random, 1, 6));
    if (out.count() > 8000) out[out.rank() - 1] = 1;
  }
  return out;
}

/// A shape that broadcasts to `full`.
inline Extents random_operand(Random& random, const Extents& full) {
  Extents out;
  const auto dropped = pick(random, 0, 2) == 0 ? pick(random, 0, full.rank()) : 0;
  for (int i = static_cast<int>(dropped); i < full.rank(); ++i) out.push_back(pick(random, 0, 2) == 0 ? 1 : full[i]);
  return out;
}

/// Eighths in [low, high] for floats, integers otherwise.
inline Tensor random_tensor(Random& random, DType type, const Extents& extents, double low, double high) {
  Tensor out(type, extents);
  for (int64_t i = 0; i < extents.count(); ++i) {
    const double scale = is_float(type) ? 8 : 1;
    const auto step = pick(random, static_cast<int64_t>(low * scale), static_cast<int64_t>(high * scale));
    const double value = static_cast<double>(step) / scale;
    store_element(out.mutable_view(), i, is_float(type) ? cat(value) : std::to_string(static_cast<int64_t>(value)));
  }
  return out;
}

/// Stores a double in an element of any numeric type.
inline void store_number(Tensor& out, int64_t i, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  store_element(out.mutable_view(), i, is_float(out.dtype()) ? text : std::to_string(static_cast<int64_t>(value)));
}

/// Calls body(index, number) for every index of a row-major walk over `extents`.
template <class Body>
void walk(const Extents& extents, const Body& body) {
  std::vector<int64_t> at(static_cast<size_t>(extents.rank()), 0);
  for (int64_t i = 0; i < extents.count(); ++i) {
    body(at, i);
    for (int axis = extents.rank(); axis-- > 0;) {
      if (++at[static_cast<size_t>(axis)] < extents[axis]) break;
      at[static_cast<size_t>(axis)] = 0;
    }
  }
}

/// The element that index `at` of the full shape broadcasts from.
inline double broadcast_element(const Tensor& x, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  const size_t shift = at.size() - static_cast<size_t>(x.extents().rank());
  for (int axis = 0; axis < x.extents().rank(); ++axis) {
    const int64_t index = x.extents()[axis] == 1 ? 0 : at[shift + static_cast<size_t>(axis)];
    offset = offset * x.extents()[axis] + index;
  }
  return *load_element(x.view(), offset);
}

/// A case of the newest opset with runtime inputs.
inline Case make_case(std::string name, std::vector<Tensor> inputs, Tensor expected) {
  Case out;
  out.file = "random";
  out.name = std::move(name);
  out.version = 27;
  for (Tensor& t : inputs) out.inputs.push_back({false, false, std::move(t)});
  out.outputs.push_back({true, false, std::move(expected)});
  return out;
}

}  // namespace sdx::ops
