// KvCache against copies of whole histories.
#include "engine/kv_cache.h"

#include <gtest/gtest.h>

#include <random>

namespace sdx::engine {
namespace {

constexpr int64_t kHeads = 2, kWidth = 3;

/// Histories as plain numbers: token t of a row holds its number in every element, a different one for each head.
struct Twin {
  std::vector<std::vector<float>> rows;
};

void append(KvCache& cache, Twin& twin, int64_t count, float& next) {
  cache.reserve(cache.length() + count);
  for (size_t pair = 0; pair < cache.pairs(); ++pair) {
    Tensor present(DType::kF32, {cache.rows(), kHeads, count + 1, kWidth});
    float* at = present.mutable_view().as<float>();
    for (int64_t row = 0; row < cache.rows(); ++row) {
      for (int64_t head = 0; head < kHeads; ++head) {
        for (int64_t t = 0; t <= count; ++t) {
          const float number = next + static_cast<float>(row * count + t - 1);
          for (int64_t w = 0; w < kWidth; ++w)
            *at++ = number + 0.25f * static_cast<float>(head) + 0.5f * static_cast<float>(pair);
        }
      }
    }
    cache.write(pair, present.view(), 1);
  }
  cache.advance(count);
  for (auto& row : twin.rows) {
    for (int64_t t = 0; t < count; ++t) row.push_back(next++);
  }
}

void expect_equal(const KvCache& cache, const Twin& twin) {
  ASSERT_EQ(cache.rows(), static_cast<int64_t>(twin.rows.size()));
  for (size_t pair = 0; pair < cache.pairs(); ++pair) {
    Tensor past(DType::kF32, {cache.rows(), kHeads, cache.length(), kWidth});
    cache.read(pair, past.mutable_view());
    const float* at = past.as<float>();
    for (const auto& row : twin.rows) {
      ASSERT_EQ(cache.length(), static_cast<int64_t>(row.size()));
      for (int64_t head = 0; head < kHeads; ++head) {
        for (float number : row) {
          for (int64_t w = 0; w < kWidth; ++w)
            ASSERT_EQ(*at++, number + 0.25f * static_cast<float>(head) + 0.5f * static_cast<float>(pair));
        }
      }
    }
  }
}

TEST(KvCache, HoldsWhatCopiesOfHistoriesHold) {
  std::mt19937 random(11);
  for (int round = 0; round < 30; ++round) {
    KvCache cache({{kHeads, kWidth, DType::kF32}, {kHeads, kWidth, DType::kF32}}, 0);
    for (int begin = 0; begin < 2; ++begin) {
      Twin twin{std::vector<std::vector<float>>(1 + random() % 4)};
      cache.clear(static_cast<int64_t>(twin.rows.size()));
      float next = 1;
      for (int step = 0; step < 25; ++step) {
        append(cache, twin, 1 + static_cast<int64_t>(random() % 7), next);
        if (random() % 5 == 0) {
          const auto length = static_cast<int64_t>(random() % static_cast<uint32_t>(cache.length() + 1));
          cache.crop(length);
          for (auto& row : twin.rows) row.resize(static_cast<size_t>(length));
        }
        std::vector<int32_t> parents(1 + random() % 6);
        Twin selected;
        for (int32_t& p : parents) {
          p = static_cast<int32_t>(random() % twin.rows.size());
          selected.rows.push_back(twin.rows[static_cast<size_t>(p)]);
        }
        cache.select(parents);
        twin = selected;
        expect_equal(cache, twin);
      }
    }
  }
}

TEST(KvCache, CopiesOnlyWhatRowsDoNotShare) {
  KvCache cache({{kHeads, kWidth, DType::kF32}}, 0);
  Twin twin{{{}, {}}};
  float next = 1;
  cache.clear(2);
  append(cache, twin, 40, next);
  const std::vector<int32_t> expand = {0, 0}, swap = {1, 0}, first = {0, 0};
  cache.select(expand);
  int64_t before = cache.bytes_moved();
  append(cache, twin, 1, next);
  const int64_t appended = cache.bytes_moved() - before, token = kHeads * kWidth * 4;
  EXPECT_EQ(appended, 2 * token);
  before = cache.bytes_moved();
  cache.select(swap);
  EXPECT_EQ(cache.bytes_moved(), before) << "rows that change places stay where they are";
  cache.select(first);
  EXPECT_EQ(cache.bytes_moved() - before, token) << "one token since the rows parted";
}

TEST(KvCache, KeepsItsLimit) {
  KvCache cache({{kHeads, kWidth, DType::kF32}}, 2 * kHeads * kWidth * 4 * 100);
  cache.clear(2);
  cache.reserve(64);
  cache.reserve(100);
  EXPECT_EQ(cache.capacity(), 100);
  EXPECT_THROW(cache.reserve(101), Error);
  EXPECT_EQ(cache.capacity(), 100);
}

}  // namespace
}  // namespace sdx::engine
