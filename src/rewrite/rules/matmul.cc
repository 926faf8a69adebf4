// Rules that pack constant matrices and move what follows a product into its epilogue.
#include <algorithm>
#include <cmath>

#include "rewrite/fused_activation.h"
#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

constexpr int64_t kF32 = static_cast<int64_t>(DType::kF32);

bool is_f32(const Match& m, std::string_view name) { return m.fact(name).dtype == DType::kF32; }

Pattern packed(std::string_view bind = "product") {
  return either({op_in(ops::kOwnDomain, "PackedMatMul", {any("x"), any("w")}, bind),
                 op_in(ops::kOwnDomain, "PackedMatMul", {any("x"), any("w"), any("bias")}, bind)});
}

ir::ValueId pack(Match& m, bool transposed) {
  return m.own("PackMatrix", {{"transposed", int64_t{transposed}}, {"type", kF32}}, {m["w"]});
}

ir::AttrMap product_attrs(int64_t k, int64_t n, double alpha = 1) {
  return {{"k", k}, {"n", n}, {"type", kF32}, {"alpha", static_cast<float>(alpha)}};
}

// MatMul(x, constant matrix) => PackedMatMul(x, PackMatrix(constant))
Rule pack_matmul() {
  return layout("pack-matmul")
      .match(op("MatMul", {any("x"), constant("w")}))
      .when("the constant is a float32 matrix",
            [](const Match& m) { return is_f32(m, "w") && m.fact("w").rank() == 2; })
      .when("x is no vector", [](const Match& m) { return m.fact("x").shape.has_rank() && m.fact("x").rank() >= 2; })
      .replace([](Match& m) {
        const Extents w = m.fact("w").constant.extents();
        return m.own("PackedMatMul", product_attrs(w[0], w[1]), {m["x"], pack(m, false)});
      });
}

// Gemm(x, constant matrix, row) => PackedMatMul(x, PackMatrix(constant), row)
Rule pack_gemm() {
  return layout("pack-gemm")
      .match(op("Gemm", {any("x"), constant("w")}, "gemm"))
      .match(op("Gemm", {any("x"), constant("w"), any("bias")}, "gemm"))
      .when("the constant is float32", [](const Match& m) { return is_f32(m, "w"); })
      .when("x is not transposed", [](const Match& m) { return m.attr<int64_t>("gemm", "transA", 0) == 0; })
      .when("the third operand is a row with beta 1",
            [](const Match& m) {
              if (!m.has("bias")) return true;
              const Shape& s = m.fact("bias").shape;
              const int64_t n = m.fact("w").constant.extents()[m.attr<int64_t>("gemm", "transB", 0) ? 0 : 1];
              return m.attr<float>("gemm", "beta", 1.0f) == 1.0f && s.has_rank() && s.rank() == 1 && s[0].is(n);
            })
      .replace([](Match& m) {
        const bool transposed = m.attr<int64_t>("gemm", "transB", 0) != 0;
        const Extents w = m.fact("w").constant.extents();
        const auto attrs =
            product_attrs(w[transposed ? 1 : 0], w[transposed ? 0 : 1], m.attr<float>("gemm", "alpha", 1.0f));
        std::vector<ir::ValueId> inputs = {m["x"], pack(m, transposed)};
        if (m.has("bias")) inputs.push_back(m["bias"]);
        return m.own("PackedMatMul", attrs, inputs);
      });
}

// PackedMatMul(x, PackMatrix(w), ...) => the same with weights and x as numbers of three bytes
Rule split_products() {
  return layout("split-products")
      .match(op_prefix_in(ops::kOwnDomain, "PackedMatMul",
                          {any("x"), op_in(ops::kOwnDomain, "PackMatrix", {constant("w")}, "pack")}, "product"))
      .when("the machine has matrix units, or multiplies bytes and most runs have few rows",
            [](const Match& m) {
              // What comes in, such as an encoder's states, is multiplied once and has many rows.
              const bool comes_in = std::ranges::find(m.graph().inputs(), m["x"]) != m.graph().inputs().end();
              return ops::has_fast_bytes(m.few_rows && !comes_in);
            })
      .when("the product is not split yet", [](const Match& m) { return m.attr<int64_t>("product", "split", 0) == 0; })
      .when("the weights are kept as float32",
            [](const Match& m) { return m.attr<int64_t>("product", "type", 0) == kF32; })
      .when("the matrix fills a tile, and sums of bytes fit 32 bits",
            [](const Match& m) {
              constexpr int64_t kTile = 16, kMostDepth = 32768;
              const auto k = m.attr<int64_t>("product", "k", 0);
              return k >= kTile && k <= kMostDepth && m.attr<int64_t>("product", "n", 0) >= kTile;
            })
      .keep_shared()
      .replace([](Match& m) {
        ir::AttrMap pack_attrs = m.node("pack").attrs.map(), attrs = m.node("product").attrs.map();
        pack_attrs["split"] = attrs["split"] = int64_t{1};
        std::vector<ir::ValueId> inputs = m.node("product").inputs;
        inputs[1] = m.own("PackMatrix", pack_attrs, {m["w"]});
        return m.own("PackedMatMul", attrs, inputs);
      });
}

bool plain_product(const Match& m) { return m.attr<std::string>("product", "activation", "").empty(); }

// PackedMatMul(x, w) + row => PackedMatMul(x, w, row)
Rule fuse_bias() {
  return layout("fuse-bias")
      .match(add(op_in(ops::kOwnDomain, "PackedMatMul", {any("x"), any("w")}, "product"), any("row")))
      .when("the product has no activation", plain_product)
      .when("the other operand is one row",
            [](const Match& m) {
              const Shape &row = m.fact("row").shape, &y = m.fact("product").shape;
              if (!row.has_rank() || row.rank() < 1 || !y.has_rank() || row.rank() > y.rank()) return false;
              for (int i = 0; i + 1 < row.rank(); ++i) {
                if (!(row[i] == Dim(1))) return false;
              }
              return row[row.rank() - 1] == y[y.rank() - 1];
            })
      .replace([](Match& m) {
        return m.own("PackedMatMul", m.node("product").attrs.map(), {m["x"], m["w"], m["row"]});
      });
}

// act(PackedMatMul(x, w, bias)) => PackedMatMul with that activation
Rule fuse_activation() {
  return layout("fuse-product-activation")
      .match(activation_of(packed()))
      .when("the product has no activation yet", plain_product)
      .when("the epilogue knows the activation", [](const Match& m) { return !fused_activation(m).empty(); })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("product").attrs.map();
        attrs["activation"] = fused_activation(m);
        std::vector<ir::ValueId> inputs = {m["x"], m["w"]};
        if (m.has("bias")) inputs.push_back(m["bias"]);
        return m.own("PackedMatMul", attrs, inputs);
      });
}

// PackedMatMul(x, w, bias) + y => PackedMatMul(x, w, bias, y)
Rule fuse_residual() {
  return layout("fuse-residual")
      .match(add(packed(), any("residual")))
      .when("the residual has the product's shape",
            [](const Match& m) {
              return m.fact("residual").shape == m.fact("product").shape && m.fact("residual").shape.has_rank() &&
                     !m.fact("residual").is_constant();
            })
      .when("the bias is known first", [](const Match& m) { return m.has("bias") || m.fact("residual").rank() > 1; })
      .replace([](Match& m) {
        return m.own("PackedMatMul", m.node("product").attrs.map(),
                     {m["x"], m["w"], m.has("bias") ? m["bias"] : ir::kNone, m["residual"]});
      });
}

// Reshape(PackedMatMul(Reshape(x))) that only merges and splits the leading axes => PackedMatMul(x)
Rule drop_flattening() {
  auto flat = op_prefix("Reshape", {any("from")});
  return layout("drop-flattening")
      .match(op_prefix("Reshape",
                       {either({op_in(ops::kOwnDomain, "PackedMatMul", {flat, any("w")}, "product"),
                                op_in(ops::kOwnDomain, "PackedMatMul", {flat, any("w"), any("bias")}, "product")})}))
      .when("the result has the leading sizes of what was flattened",
            [](const Match& m) {
              const Shape &from = m.fact("from").shape, &to = m.root_fact().shape;
              if (!from.has_rank() || !to.has_rank() || from.rank() != to.rank() || from.rank() < 2) return false;
              for (int d = 0; d + 1 < from.rank(); ++d) {
                if (!(from[d] == to[d])) return false;
              }
              const Shape& product = m.fact("product").shape;
              return product.has_rank() && to[to.rank() - 1] == product[product.rank() - 1] &&
                     from[from.rank() - 1].is(m.attr<int64_t>("product", "k", 0));
            })
      .replace([](Match& m) {
        std::vector<ir::ValueId> inputs = {m["from"], m["w"]};
        if (m.has("bias")) inputs.push_back(m["bias"]);
        return m.own("PackedMatMul", m.node("product").attrs.map(), inputs);
      });
}

}  // namespace

std::vector<Rule> matmul_rules() {
  return {pack_matmul(),     pack_gemm(),     split_products(), fuse_bias(),
          fuse_activation(), fuse_residual(), drop_flattening()};
}

}  // namespace sdx::rewrite
