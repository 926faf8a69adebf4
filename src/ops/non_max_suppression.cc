// NonMaxSuppression: the best boxes of each class that overlap no better one too much.
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct SuppressionAttrs {
  bool center_point_box = false;
  bool operator==(const SuppressionAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("center_point_box", &SuppressionAttrs::center_point_box)}; }
};

void infer(InferContext& c) {
  for (int i : {0, 1}) {
    c.require_dtype(i, {DType::kF32});
    c.require_rank(i, 3, 3);
  }
  const Shape &boxes = c.input(0).shape, &scores = c.input(1).shape;
  if (boxes.has_rank()) c.require_equal(boxes[2], 4, "the bounds of a box, and 4,");
  if (boxes.has_rank() && scores.has_rank()) {
    c.require_equal(boxes[0], scores[0], "the batches of boxes and scores");
    c.require_equal(boxes[1], scores[2], "the boxes and their scores");
  }
  if (c.has(2)) c.require_dtype(2, {DType::kI64});
  for (int i : {3, 4}) {
    if (c.has(i)) c.require_dtype(i, {DType::kF32});
  }
  for (int i : {2, 3, 4}) {
    if (c.has(i) && c.input(i).shape.has_rank())
      c.require_equal(c.input(i).shape.count(), 1, "the elements of a limit, and 1,");
  }
  c.set(0, DType::kI64, {c.symbols().fresh(), 3});
}

struct Rectangle {
  float top, left, bottom, right;
  float area() const { return (bottom - top) * (right - left); }
};

Rectangle rectangle(const float* box, bool center) {
  if (center) return {box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2};
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]), std::max(box[1], box[3])};
}

/// Intersection over union.
float overlap(const Rectangle& a, const Rectangle& b) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (height <= 0 || width <= 0 || a.area() <= 0 || b.area() <= 0) return 0;
  return height * width / (a.area() + b.area() - height * width);
}

struct Limits {
  int64_t boxes;
  float overlap;
  std::optional<float> score;
  bool center;
};

/// The boxes that one class of one image keeps, best first.
std::vector<int64_t> keep(const float* boxes, const float* scores, int64_t count, const Limits& limits) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) {
    if (!limits.score || scores[i] > *limits.score) order.push_back(i);
  }
  std::ranges::stable_sort(order, [&](int64_t i, int64_t j) { return scores[i] > scores[j]; });
  std::vector<int64_t> kept;
  for (int64_t i : order) {
    if (static_cast<int64_t>(kept.size()) >= limits.boxes) break;
    const Rectangle box = rectangle(boxes + i * 4, limits.center);
    const bool clear = std::ranges::none_of(
        kept, [&](int64_t k) { return overlap(rectangle(boxes + k * 4, limits.center), box) > limits.overlap; });
    if (clear) kept.push_back(i);
  }
  return kept;
}

void run(RunContext& c) {
  const ConstView boxes = c.input(0), scores = c.input(1);
  const int64_t batch = scores.extents[0], classes = scores.extents[1], count = scores.extents[2];
  Limits limits{0, 0, std::nullopt, c.attrs<SuppressionAttrs>().center_point_box};
  if (c.has_input(2)) limits.boxes = *c.input(2).as<int64_t>();
  if (c.has_input(3)) limits.overlap = *c.input(3).as<float>();
  if (c.has_input(4)) limits.score = *c.input(4).as<float>();
  std::vector<std::vector<int64_t>> kept(static_cast<size_t>(batch * classes));
  c.parallel().run(batch * classes, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      kept[static_cast<size_t>(i)] =
          keep(boxes.as<float>() + i / classes * count * 4, scores.as<float>() + i * count, count, limits);
    }
  });
  int64_t total = 0;
  for (const auto& list : kept) total += static_cast<int64_t>(list.size());
  int64_t* to = c.allocate_output(0, DType::kI64, {total, 3}).as<int64_t>();
  for (int64_t i = 0; i < batch * classes; ++i) {
    for (int64_t box : kept[static_cast<size_t>(i)]) {
      *to++ = i / classes;
      *to++ = i % classes;
      *to++ = box;
    }
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "NonMaxSuppression",
     .inputs = {2, 5},
     .outputs = {1, 1},
     .parse = Attrs::parse<SuppressionAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.data_dependent = true},
     .since = 10},
};

}  // namespace

std::span<const Op> non_max_suppression_family() { return kFamily; }

}  // namespace sdx::ops
