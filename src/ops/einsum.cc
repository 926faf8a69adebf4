// Einsum: sums of products over named axes, two operands at a time through matrix products.
#include <algorithm>
#include <cstring>

#include "kernels/binary.h"
#include "kernels/reduce.h"
#include "ops/einsum_equation.h"
#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

struct EinsumAttrs {
  std::string equation;
  bool operator==(const EinsumAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{required("equation", &EinsumAttrs::equation)}; }
};

constexpr std::array kTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16,
                               DType::kI32, DType::kI64, DType::kU32, DType::kU64};

void infer(InferContext& c) {
  c.require_dtype(0, kTypes);
  std::vector<int> ranks;
  for (int i = 0; i < c.input_count(); ++i) {
    c.require_same_dtype(0, i);
    if (!c.input(i).shape.has_rank()) return c.set(0, c.input(0).dtype, Shape());
    ranks.push_back(c.input(i).rank());
  }
  const auto equation = parse_einsum(c.attrs<EinsumAttrs>().equation, ranks);
  std::array<Shape, kEinsumLabels> sizes;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    for (size_t axis = 0; axis < equation.operands[i].size(); ++axis) {
      Shape& size = sizes[static_cast<size_t>(equation.operands[i][axis])];
      const Shape own = {c.input(static_cast<int>(i)).shape[static_cast<int>(axis)]};
      size = size.has_rank() ? c.broadcast(size, own) : own;
    }
  }
  std::vector<Dim> out;
  for (int label : equation.output) out.push_back(sizes[static_cast<size_t>(label)][0]);
  c.set(0, c.input(0).dtype, std::move(out));
}

using Labels = std::vector<int>;
using LabelSizes = std::array<int64_t, kEinsumLabels>;

bool holds(const Labels& labels, int label) { return std::ranges::find(labels, label) != labels.end(); }

/// A strided tensor with labelled axes, none of size 1.
template <class T>
struct Term {
  const T* data = nullptr;
  Labels labels;
  std::array<int64_t, kEinsumLabels> stride = {};

  int64_t step(int label) const { return stride[static_cast<size_t>(label)]; }
};

/// One evaluation of an equation over elements of type T.
template <class T>
class Contraction {
 public:
  Contraction(RunContext& c, const EinsumEquation& equation) : c_(c), equation_(equation) {
    sizes_.fill(1);
    for (size_t i = 0; i < equation.operands.size(); ++i) {
      const Extents& x = c.input(static_cast<int>(i)).extents;
      for (int axis = 0; axis < x.rank(); ++axis) {
        auto& size = sizes_[static_cast<size_t>(equation.operands[i][static_cast<size_t>(axis)])];
        if (x[axis] != 1) size = x[axis];
      }
    }
    for (int label : equation.output) {
      if (size(label) != 1) output_.push_back(label);
    }
  }

  void run() {
    T* const y = c_.output(0).template as<T>();
    if (std::ranges::find(sizes_, 0) != sizes_.end()) {
      std::fill_n(y, c_.output(0).count(), T{});
      return;
    }
    Term<T> left = term(0);
    for (size_t i = 1; i < equation_.operands.size(); ++i) left = multiply(left, term(i), needed_after(i));
    write(left, output_, y);
  }

 private:
  int64_t size(int label) const { return sizes_[static_cast<size_t>(label)]; }
  int64_t count(const Labels& labels) const {
    int64_t n = 1;
    for (int label : labels) n *= size(label);
    return n;
  }

  /// Operand i with its diagonals taken.
  Term<T> term(size_t i) const {
    const ConstView x = c_.input(static_cast<int>(i));
    Term<T> out{x.as<T>(), {}, {}};
    int64_t step = 1;
    for (int axis = x.rank(); axis-- > 0; step *= x.extents[axis]) {
      const int label = equation_.operands[i][static_cast<size_t>(axis)];
      if (x.extents[axis] == 1) continue;
      out.stride[static_cast<size_t>(label)] += step;
      if (!holds(out.labels, label)) out.labels.insert(out.labels.begin(), label);
    }
    return out;
  }

  /// Labels of the result and of the operands after i.
  Labels needed_after(size_t i) const {
    Labels out = output_;
    for (size_t k = i + 1; k < equation_.operands.size(); ++k) {
      out.insert(out.end(), equation_.operands[k].begin(), equation_.operands[k].end());
    }
    return out;
  }

  Term<T> contiguous(const T* data, const Labels& labels) const {
    Term<T> out{data, labels, {}};
    int64_t step = 1;
    for (size_t i = labels.size(); i-- > 0; step *= size(labels[i])) out.stride[static_cast<size_t>(labels[i])] = step;
    return out;
  }

  /// Copies the term to `to`, contiguous in the order of `labels`, which are all of its own.
  void copy(const Term<T>& x, const Labels& labels, T* to) const {
    Box box;
    const Term<T> target = contiguous(to, labels);
    for (size_t i = 0; i < labels.size(); ++i) {
      box.sizes.push_back(size(labels[i]));
      box.from[i] = x.step(labels[i]);
      box.to[i] = target.step(labels[i]);
    }
    copy_box(c_.parallel(), c_.output(0).dtype, reinterpret_cast<const std::byte*>(x.data),
             reinterpret_cast<std::byte*>(to), box);
  }

  /// Writes the term to `to` in the order of `labels`; its other labels are summed.
  void write(const Term<T>& x, const Labels& labels, T* to) const {
    Labels summed;
    std::ranges::copy_if(x.labels, std::back_inserter(summed), [&](int label) { return !holds(labels, label); });
    if (summed.empty()) return copy(x, labels, to);
    Labels order = labels;
    order.insert(order.end(), summed.begin(), summed.end());
    T* whole = c_.scratch<T>(count(order));
    copy(x, order, whole);
    const kernels::ReduceShape shape{count(summed), 1};
    c_.parallel().run(count(labels), grain_for(shape.reduce), [&](int64_t begin, int64_t end, int) {
      kernels::reduce(kernels::ReduceOp::kSum, whole, to, shape, begin, end);
    });
  }

  /// Labels of `x` that satisfy the predicate.
  template <class F>
  static Labels filter(const Labels& x, const F& f) {
    Labels out;
    std::ranges::copy_if(x, std::back_inserter(out), f);
    return out;
  }

  /// Sums the labels that neither `other` nor what follows has.
  Term<T> summed(const Term<T>& x, const Labels& other, const Labels& needed) const {
    const Labels kept = filter(x.labels, [&](int label) { return holds(other, label) || holds(needed, label); });
    if (kept.size() == x.labels.size()) return x;
    T* to = c_.scratch<T>(count(kept));
    write(x, kept, to);
    return contiguous(to, kept);
  }

  Term<T> multiply(const Term<T>& a, const Term<T>& b, const Labels& needed) const {
    const Term<T> left = summed(a, b.labels, needed), right = summed(b, a.labels, needed);
    const auto shared = [&](int label) { return holds(right.labels, label); };
    const Labels inner = filter(left.labels, [&](int label) { return shared(label) && !holds(needed, label); });
    const Labels batch = filter(left.labels, [&](int label) { return shared(label) && holds(needed, label); });
    const Labels rows = filter(left.labels, [&](int label) { return !shared(label); });
    const Labels columns = filter(right.labels, [&](int label) { return !holds(left.labels, label); });
    Labels order = batch;
    order.insert(order.end(), rows.begin(), rows.end());
    order.insert(order.end(), columns.begin(), columns.end());
    T* to = c_.scratch<T>(count(order));
    if (inner.empty())
      outer_product(left, right, order, to);
    else
      inner_product({arranged(left, batch, rows, inner), arranged(right, batch, inner, columns)}, to);
    return contiguous(to, order);
  }

  void outer_product(const Term<T>& a, const Term<T>& b, const Labels& order, T* to) const {
    Extents extents;
    std::vector<int64_t> steps_a, steps_b;
    for (int label : order) {
      extents.push_back(size(label));
      steps_a.push_back(a.step(label));
      steps_b.push_back(b.step(label));
    }
    const auto loop = kernels::make_loop<2>(extents.span(), {steps_a, steps_b});
    c_.parallel().run(count(order), grain_for(1), [&](int64_t begin, int64_t end, int) {
      kernels::binary(kernels::BinaryOp::kMul, loop, a.data, b.data, to, begin, end);
    });
  }

  struct Side {
    const T* data;
    Operand view;
  };

  /// The stride of several axes as one, where they lie like one.
  std::optional<int64_t> merged(const Term<T>& x, const Labels& labels) const {
    if (labels.empty()) return 1;
    for (size_t i = 0; i + 1 < labels.size(); ++i) {
      if (x.step(labels[i]) != x.step(labels[i + 1]) * size(labels[i + 1])) return std::nullopt;
    }
    return x.step(labels.back());
  }

  /// The term as a batch of matrices; copied where its axes do not merge.
  Side arranged(const Term<T>& x, const Labels& batch, const Labels& rows, const Labels& columns) const {
    auto row_stride = merged(x, rows), column_stride = merged(x, columns);
    Term<T> term = x;
    if (!row_stride || !column_stride) {
      Labels order = batch;
      order.insert(order.end(), rows.begin(), rows.end());
      order.insert(order.end(), columns.begin(), columns.end());
      T* to = c_.scratch<T>(count(order));
      copy(x, order, to);
      term = contiguous(to, order);
      row_stride = count(columns);
      column_stride = 1;
    }
    Side out{term.data, {count(rows), count(columns), *row_stride, *column_stride, {}, {}}};
    for (int label : batch) {
      out.view.batch.push_back(size(label));
      out.view.batch_strides.push_back(term.step(label));
    }
    return out;
  }

  void inner_product(const std::pair<Side, Side>& sides, T* to) const {
    const Side &a = sides.first, &b = sides.second;
    int64_t batch = 1;
    for (int64_t n : a.view.batch) batch *= n;
    const int64_t matrix = a.view.rows * b.view.columns;
    if constexpr (std::is_same_v<T, float>) {
      kernels::Gemm gemm{.m = a.view.rows, .n = b.view.columns, .k = a.view.columns};
      gemm.a = {a.data, a.view.row_stride, a.view.column_stride};
      gemm.b = {b.data, b.view.row_stride, b.view.column_stride};
      gemm.c = to;
      gemm.c_stride = gemm.n;
      if (batch == 1) return run_product(c_, gemm);
      run_products(c_, gemm, batch, [&](int64_t i, kernels::Gemm& one) {
        one.a.data = a.data + a.view.offset(i, a.view.batch);
        one.b.data = b.data + b.view.offset(i, b.view.batch);
        one.c = to + i * matrix;
      });
    } else {
      for (int64_t i = 0; i < batch; ++i) {
        plain_product(c_.parallel(), a.view, a.data + a.view.offset(i, a.view.batch), b.view,
                      b.data + b.view.offset(i, b.view.batch), to + i * matrix);
      }
    }
  }

  RunContext& c_;
  const EinsumEquation& equation_;
  LabelSizes sizes_;
  Labels output_;  ///< without those of size 1
};

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  std::vector<int> ranks;
  for (int i = 0; i < c.input_count(); ++i) ranks.push_back(c.input(i).rank());
  const auto equation = parse_einsum(c.attrs<EinsumAttrs>().equation, ranks);
  switch (c.output(0).dtype) {
    case DType::kF32: return Contraction<float>(c, equation).run();
    case DType::kF64: return Contraction<double>(c, equation).run();
    case DType::kI32:
    case DType::kU32: return Contraction<uint32_t>(c, equation).run();
    default: return Contraction<uint64_t>(c, equation).run();
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Einsum",
     .inputs = {1, ir::kVariadic},
     .outputs = {1, 1},
     .parse = Attrs::parse<EinsumAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .since = 12},
};

}  // namespace

std::span<const Op> einsum_family() { return kFamily; }

}  // namespace sdx::ops
