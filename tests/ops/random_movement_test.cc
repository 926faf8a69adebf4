// Seeded random cases of operators that move elements against naive twins, small and of several thread ranges.
#include <numeric>

#include "random_case.h"

namespace sdx::ops {
namespace {

DType random_type(Random& random) {
  return pick<DType>(random, {DType::kF32, DType::kF64, DType::kF16, DType::kU8, DType::kI64});
}

/// One to four axes; every fourth case has enough elements for several threads.
Extents movable_extents(Random& random) {
  Extents out;
  const auto rank = pick(random, 1, 4);
  for (int64_t i = 0; i < rank; ++i) out.push_back(pick(random, 1, 7));
  if (pick(random, 0, 3) == 0) out[static_cast<int>(pick(random, 0, rank - 1))] = pick(random, 300, 900);
  return out;
}

/// out[at] = x[source(at)], where source gives the index of every axis of x.
template <class Source>
Tensor moved(const Tensor& x, const Extents& extents, const Source& source) {
  Tensor out(x.dtype(), extents);
  walk(extents, [&](const std::vector<int64_t>& at, int64_t i) {
    const std::vector<int64_t> from = source(at, i);
    int64_t offset = 0;
    for (int d = 0; d < x.extents().rank(); ++d) offset = offset * x.extents()[d] + from[static_cast<size_t>(d)];
    store_number(out, i, *load_element(x.view(), offset));
  });
  return out;
}

TEST(RandomMovement, Transpose) {
  for_each_seed(60, [](Random& random) {
    const Tensor x = random_tensor(random, random_type(random), movable_extents(random), 0, 9);
    const auto rank = static_cast<size_t>(x.extents().rank());
    std::vector<int64_t> perm(rank);
    std::iota(perm.begin(), perm.end(), 0);
    std::ranges::shuffle(perm, random);
    Extents extents;
    for (int64_t p : perm) extents.push_back(x.extents()[static_cast<int>(p)]);
    Case c = make_case("Transpose", {x}, moved(x, extents, [&](const std::vector<int64_t>& at, int64_t) {
                         std::vector<int64_t> from(rank);
                         for (size_t d = 0; d < rank; ++d) from[static_cast<size_t>(perm[d])] = at[d];
                         return from;
                       }));
    c.attrs["perm"] = perm;
    run_lanes(c);
  });
}

TEST(RandomMovement, Tile) {
  for_each_seed(60, [](Random& random) {
    const Tensor x = random_tensor(random, random_type(random), movable_extents(random), 0, 9);
    std::vector<int64_t> repeats;
    Extents extents;
    for (int64_t size : x.extents()) {
      repeats.push_back(pick(random, 0, 1) ? 1 : pick(random, 0, 15) ? pick(random, 1, 5) : 0);
      extents.push_back(size * repeats.back());
    }
    const auto twin = [&](std::vector<int64_t> at, int64_t) {
      for (size_t d = 0; d < at.size(); ++d) at[d] %= x.extents()[static_cast<int>(d)];
      return at;
    };
    const Tensor counts = Tensor::from<int64_t>({static_cast<int64_t>(repeats.size())}, repeats);
    run_lanes(make_case("Tile", {x, counts}, moved(x, extents, twin)));
  });
}

/// A tensor cut along an axis at random places, where a part may be empty.
struct Cut {
  Tensor whole;
  int64_t axis;
  std::vector<int64_t> sizes;
  std::vector<Tensor> parts;

  explicit Cut(Random& random) : whole(random_tensor(random, random_type(random), movable_extents(random), 0, 9)) {
    axis = pick(random, 0, whole.extents().rank() - 1);
    const int at_axis = static_cast<int>(axis);
    int64_t first = 0;
    for (auto left = pick(random, 1, 5); left > 0; --left) {
      const int64_t rest = whole.extents()[at_axis] - first, size = left == 1 ? rest : pick(random, 0, rest);
      Extents extents = whole.extents();
      extents[at_axis] = size;
      parts.push_back(moved(whole, extents, [&](std::vector<int64_t> at, int64_t) {
        at[static_cast<size_t>(axis)] += first;
        return at;
      }));
      sizes.push_back(size);
      first += size;
    }
  }
};

TEST(RandomMovement, Concat) {
  for_each_seed(60, [](Random& random) {
    const Cut cut(random);
    Case c = make_case("Concat", cut.parts, cut.whole);
    c.attrs["axis"] = cut.axis;
    run_lanes(c);
  });
}

TEST(RandomMovement, Split) {
  for_each_seed(60, [](Random& random) {
    const Cut cut(random);
    const Tensor sizes = Tensor::from<int64_t>({static_cast<int64_t>(cut.sizes.size())}, cut.sizes);
    Case c = make_case("Split", {cut.whole, sizes}, cut.parts[0]);
    for (size_t i = 1; i < cut.parts.size(); ++i) c.outputs.push_back({true, false, cut.parts[i]});
    c.attrs["axis"] = cut.axis;
    run_lanes(c);
  });
}

TEST(RandomMovement, GatherElements) {
  for_each_seed(60, [](Random& random) {
    const Tensor x = random_tensor(random, random_type(random), movable_extents(random), 0, 9);
    const auto axis = pick(random, 0, x.extents().rank() - 1);
    Extents extents = x.extents();
    for (int64_t d = 0; d < extents.rank(); ++d) {
      int64_t& size = extents[static_cast<int>(d)];
      size = d == axis ? pick(random, 0, 2 * size) : pick(random, (size + 1) / 2, size);
    }
    const int64_t n = x.extents()[static_cast<int>(axis)];
    const Tensor indices = random_tensor(random, pick<DType>(random, {DType::kI64, DType::kI32}), extents,
                                         static_cast<double>(-n), static_cast<double>(n - 1));
    Case c = make_case("GatherElements", {x, indices}, moved(x, extents, [&](std::vector<int64_t> at, int64_t i) {
                         const auto index = static_cast<int64_t>(*load_element(indices.view(), i));
                         at[static_cast<size_t>(axis)] = index < 0 ? index + n : index;
                         return at;
                       }));
    c.attrs["axis"] = axis;
    run_lanes(c);
  });
}

}  // namespace
}  // namespace sdx::ops
