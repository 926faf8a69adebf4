// CacheAppend: new keys or values put into a cache behind those that are there; the engine keeps such caches.
#include "ops/attention_core.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

/// Inputs: cache float32 [slots, heads, capacity, width]; x [batch, heads, rows, width], or [batch, rows, heads, width]
/// for the layout "bshd"; past int64 [1]; slots int64 [batch], all different. Output: the cache with row r of batch
/// item b of x at [slots[b], :, past + r, :].
struct CacheAppendAttrs {
  std::string layout = "bhsd";
  bool operator==(const CacheAppendAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("layout", &CacheAppendAttrs::layout)}; }
};

void infer(InferContext& c) {
  const auto& a = c.attrs<CacheAppendAttrs>();
  if (a.layout != "bhsd" && a.layout != "bshd")
    c.invalid("layout '", a.layout, "' of the new rows; it must be bhsd or bshd");
  c.require_dtype(0, {DType::kF32});
  c.require_same_dtype(0, 1);
  c.require_dtype(2, {DType::kI64});
  c.require_dtype(3, {DType::kI64});
  c.require_rank(0, 4, 4);
  c.require_rank(1, 4, 4);
  c.require_rank(2, 1, 1);
  c.require_rank(3, 1, 1);
  const Shape cache = c.input(0).shape.has_rank() ? c.input(0).shape : c.fresh_shape(4);
  const Shape x = c.input(1).shape.has_rank() ? c.input(1).shape : c.fresh_shape(4);
  const int heads = a.layout == "bhsd" ? 1 : 2;
  c.require_equal(cache[1], x[heads], "the heads of the cache and of the new rows");
  c.require_equal(cache[3], x[3], "the widths of the cache and of the new rows");
  c.require_at_most(x[3 - heads], cache[2], "the new rows and the room of the cache");
  if (c.input(3).shape.has_rank()) c.require_equal(x[0], c.input(3).shape[0], "the batch size and the number of slots");
  c.set(0, DType::kF32, cache);
}

void run(RunContext& c) {
  const auto& a = c.attrs<CacheAppendAttrs>();
  const Extents& cache = c.input(0).extents;
  const Extents& x = c.input(1).extents;
  const bool merged = a.layout == "bshd";
  const int64_t batch = x[0], heads = cache[1], rows = merged ? x[1] : x[2], width = cache[3];
  const auto* slots = c.input(3).as<int64_t>();
  if (c.input(2).count() != 1)
    fail(ErrorKind::kInvalidInput, "past has ", c.input(2).count(), " elements but must have 1");
  const int64_t past = *c.input(2).as<int64_t>();
  if (past < 0 || past > cache[2] - rows) {
    fail(ErrorKind::kInvalidInput, rows, " rows do not fit behind ", past, " in a cache with room for ", cache[2]);
  }
  for (int64_t b = 0; b < batch; ++b) {
    if (slots[b] >= 0 && slots[b] < cache[0]) continue;
    fail(ErrorKind::kInvalidInput, "slot ", slots[b], " of batch item ", b, " is outside the cache of ", cache[0],
         " slots");
  }
  ir::copy_elements(c.input(0), c.output(0));
  const auto* data = c.input(1).as<float>();
  const HeadsView from = merged ? bshd(data, heads, rows, width) : bhsd(data, heads, rows, width);
  auto* to = c.output(0).as<float>();
  c.parallel().run(batch * heads, grain_for(rows * width), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / heads, h = i % heads;
      for (int64_t r = 0; r < rows; ++r) {
        const float* source = from.data + b * from.batch + h * from.head + r * from.row;
        std::copy_n(source, width, to + ((slots[b] * heads + h) * cache[2] + past + r) * width);
      }
    }
  });
}

const Op kFamily[] = {
    {.domain = kOwnDomain,
     .name = "CacheAppend",
     .inputs = {4, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<CacheAppendAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.in_place = 1}},
};

}  // namespace

std::span<const Op> cache_append_family() { return kFamily; }

}  // namespace sdx::ops
