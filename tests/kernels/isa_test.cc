// Tests of kernels/isa.h: limiting the instruction set takes effect and can be undone.
#include "kernels/isa.h"

#include <gtest/gtest.h>

namespace sdx::kernels {
namespace {

TEST(Isa, LimitTakesEffectAndCanBeUndone) {
  const std::vector<Isa> isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(active_isa(), isas.front());
  for (Isa isa : isas) {
    limit_isa(isa);
    EXPECT_EQ(active_isa(), isa) << isa_name(isa);
  }
  limit_isa(isas.front());
  EXPECT_EQ(active_isa(), isas.front());
  EXPECT_EQ(available_isas().size(), isas.size());
}

TEST(Isa, NamesDiffer) {
  EXPECT_EQ(isa_name(Isa::kAvx2), "avx2");
  EXPECT_NE(isa_name(Isa::kAvx512), isa_name(Isa::kAvx2));
}

}  // namespace
}  // namespace sdx::kernels
