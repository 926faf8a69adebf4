// Det: determinants of square matrices.
#include <algorithm>
#include <cmath>

#include "ops/dispatch.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

void infer(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 2);
  const Shape& x = c.input(0).shape;
  if (!x.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  c.require_equal(x[x.rank() - 2], x[x.rank() - 1], "the rows and columns of a matrix with a determinant");
  c.set(0, c.input(0).dtype, std::vector<Dim>(x.dims().begin(), x.dims().end() - 2));
}

/// By elimination with the largest pivot of each column; destroys the matrix.
double determinant(double* m, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::abs(m[i * n + k]) > std::abs(m[pivot * n + k])) pivot = i;
    }
    const double head = m[pivot * n + k];
    if (head == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(m + k * n, m + (k + 1) * n, m + pivot * n);
      product = -product;
    }
    product *= head;
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = m[i * n + k] / head;
      for (int64_t j = k + 1; j < n; ++j) m[i * n + j] -= factor * m[k * n + j];
    }
  }
  return product;
}

template <class T>
void run_typed(RunContext& c) {
  const ConstView x = c.input(0);
  const int64_t n = x.extents.back();
  auto* work = c.scratch<double>(n * n * c.parallel().threads());
  c.parallel().run(c.output(0).count(), grain_for(n * n * n), [&](int64_t begin, int64_t end, int worker) {
    double* m = work + worker * n * n;
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(x.as<T>() + i * n * n, n * n, m);
      c.output(0).as<T>()[i] = static_cast<T>(determinant(m, n));
    }
  });
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.input(0).dtype == DType::kF64) return run_typed<double>(c);
  run_typed<float>(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Det",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .since = 11},
};

}  // namespace

std::span<const Op> det_family() { return kFamily; }

}  // namespace sdx::ops
