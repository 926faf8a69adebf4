// Seeded random cases of the broadcasting operators against naive twins in double precision.
#include <cmath>
#include <functional>

#include "random_case.h"

namespace sdx::ops {
namespace {

using Elements = std::vector<double>;
using Twin = std::function<double(const Elements&)>;

struct Row {
  std::string name;
  Twin twin;
};

/// The result of broadcasting the inputs to `full` and applying the twin.
Tensor expected(const std::vector<Tensor>& inputs, const Extents& full, DType type, const Twin& twin) {
  Tensor out(type, full);
  walk(full, [&](const std::vector<int64_t>& at, int64_t i) {
    Elements x;
    for (const Tensor& t : inputs) x.push_back(broadcast_element(t, at));
    store_number(out, i, twin(x));
  });
  return out;
}

/// What the operands broadcast to together, which need not be the shape that they were cut from.
Extents joined(const std::vector<Tensor>& inputs) {
  Extents out;
  int rank = 0;
  for (const Tensor& t : inputs) rank = std::max(rank, t.extents().rank());
  for (int axis = 0; axis < rank; ++axis) {
    int64_t size = 1;
    for (const Tensor& t : inputs) {
      const int own = axis - (rank - t.extents().rank());
      if (own >= 0 && t.extents()[own] != 1) size = t.extents()[own];
    }
    out.push_back(size);
  }
  return out;
}

void run_rows(const std::vector<Row>& rows, const std::vector<DType>& types, double low, double high) {
  for_each_seed(120, [&](Random& random) {
    const Row& row = pick(random, rows);
    const DType type = pick(random, types);
    const Extents full = random_extents(random, 5);
    std::vector<Tensor> inputs;
    for (int i = 0; i < 2; ++i) inputs.push_back(random_tensor(random, type, random_operand(random, full), low, high));
    Tensor result = expected(inputs, joined(inputs), type, row.twin);
    SCOPED_TRACE(
        cat(row.name, " of ", dtype_name(type), inputs[0].extents().text(), " and ", inputs[1].extents().text()));
    run_lanes(make_case(row.name, std::move(inputs), std::move(result)));
  });
}

TEST(RandomElementwise, Arithmetic) {
  run_rows({{"Add", [](const Elements& x) { return x[0] + x[1]; }},
            {"Sub", [](const Elements& x) { return x[0] - x[1]; }},
            {"Mul", [](const Elements& x) { return x[0] * x[1]; }},
            {"Min", [](const Elements& x) { return std::min(x[0], x[1]); }},
            {"Max", [](const Elements& x) { return std::max(x[0], x[1]); }}},
           {DType::kF32, DType::kF64, DType::kI8, DType::kI32, DType::kI64}, -10, 10);
}

TEST(RandomElementwise, FloatDivisionAndPower) {
  run_rows({{"Div", [](const Elements& x) { return x[0] / x[1]; }},
            {"Pow", [](const Elements& x) { return std::pow(x[0], x[1]); }}},
           {DType::kF32, DType::kF64}, 0.5, 3);
}

TEST(RandomElementwise, IntegerDivisionAndRemainder) {
  run_rows({{"Div", [](const Elements& x) { return std::trunc(x[0] / x[1]); }},
            {"Mod", [](const Elements& x) { return std::fmod(x[0], x[1]); }},
            {"BitwiseAnd", [](const Elements& x) { return double(int64_t(x[0]) & int64_t(x[1])); }},
            {"BitwiseXor", [](const Elements& x) { return double(int64_t(x[0]) ^ int64_t(x[1])); }}},
           {DType::kI8, DType::kU8, DType::kI16, DType::kU16, DType::kI32, DType::kU32, DType::kI64, DType::kU64}, 1,
           120);
}

TEST(RandomElementwise, Comparisons) {
  const std::vector<Row> rows = {{"Equal", [](const Elements& x) { return double(x[0] == x[1]); }},
                                 {"Less", [](const Elements& x) { return double(x[0] < x[1]); }},
                                 {"LessOrEqual", [](const Elements& x) { return double(x[0] <= x[1]); }},
                                 {"Greater", [](const Elements& x) { return double(x[0] > x[1]); }},
                                 {"GreaterOrEqual", [](const Elements& x) { return double(x[0] >= x[1]); }}};
  for_each_seed(120, [&](Random& random) {
    const Row& row = pick(random, rows);
    const DType type = pick<DType>(random, {DType::kF32, DType::kF64, DType::kU8, DType::kI32, DType::kI64});
    const Extents full = random_extents(random, 4);
    std::vector<Tensor> inputs;
    for (int i = 0; i < 2; ++i) inputs.push_back(random_tensor(random, type, random_operand(random, full), 0, 3));
    Tensor result = expected(inputs, joined(inputs), DType::kBool, row.twin);
    SCOPED_TRACE(
        cat(row.name, " of ", dtype_name(type), inputs[0].extents().text(), " and ", inputs[1].extents().text()));
    run_lanes(make_case(row.name, std::move(inputs), std::move(result)));
  });
}

TEST(RandomElementwise, ThreeOperands) {
  const std::vector<Row> rows = {{"Sum", [](const Elements& x) { return x[0] + x[1] + x[2]; }},
                                 {"Mean", [](const Elements& x) { return (x[0] + x[1] + x[2]) / 3; }},
                                 {"Where", [](const Elements& x) { return x[0] != 0 ? x[1] : x[2]; }}};
  for_each_seed(120, [&](Random& random) {
    const Row& row = pick(random, rows);
    const DType type = pick<DType>(random, {DType::kF32, DType::kF64});
    const Extents full = random_extents(random, 4);
    std::vector<Tensor> inputs;
    for (int i = 0; i < 3; ++i) {
      const bool condition = i == 0 && row.name == "Where";
      inputs.push_back(random_tensor(random, condition ? DType::kBool : type, random_operand(random, full),
                                     condition ? 0 : -4, condition ? 1 : 4));
    }
    Tensor result = expected(inputs, joined(inputs), type, row.twin);
    SCOPED_TRACE(cat(row.name, " to ", result.extents().text()));
    run_lanes(make_case(row.name, std::move(inputs), std::move(result)));
  });
}

/// Enough elements for several ranges, so that threads share the work.
TEST(RandomElementwise, ManyRanges) {
  const std::vector<std::pair<Extents, Extents>> shapes = {
      {{60000}, {60000}}, {{200, 300}, {300}}, {{200, 300}, {200, 1}}, {{60000}, {}}, {{1, 20000, 3}, {20000, 1}}};
  for_each_seed(static_cast<int>(shapes.size()), [&](Random& random) {
    const auto& [a, b] = pick(random, shapes);
    std::vector<Tensor> inputs = {random_tensor(random, DType::kF32, a, -4, 4),
                                  random_tensor(random, DType::kF32, b, -4, 4)};
    if (pick(random, 0, 1)) std::swap(inputs[0], inputs[1]);
    Tensor result = expected(inputs, joined(inputs), DType::kF32, [](const Elements& x) { return x[0] - x[1]; });
    SCOPED_TRACE(cat(a.text(), " and ", b.text()));
    run_lanes(make_case("Sub", std::move(inputs), std::move(result)));
  });
}

TEST(RandomElementwise, PReluBroadcastsTheSlopeAlone) {
  for_each_seed(60, [&](Random& random) {
    const Extents full = random_extents(random, 4);
    std::vector<Tensor> inputs = {random_tensor(random, DType::kF32, full, -4, 4),
                                  random_tensor(random, DType::kF32, random_operand(random, full), -1, 1)};
    Tensor result =
        expected(inputs, full, DType::kF32, [](const Elements& x) { return x[0] < 0 ? x[0] * x[1] : x[0]; });
    SCOPED_TRACE(cat(full.text(), " and ", inputs[1].extents().text()));
    run_lanes(make_case("PRelu", std::move(inputs), std::move(result)));
  });
}

}  // namespace
}  // namespace sdx::ops
