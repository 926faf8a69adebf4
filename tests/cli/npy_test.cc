// The .npy format: every type there and back, and files that numpy writes in its other ways.
#include "cli/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace sdx::cli {
namespace {

std::string file(const std::string& descr, bool fortran, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
  std::string out = "\x93NUMPY";
  out += {'\1', '\0', static_cast<char>(header.size()), '\0'};
  return out + header + data;
}

TEST(Npy, GivesBackEveryType) {
  for (int number = 1; number < kDTypeCount; ++number) {
    const auto type = static_cast<DType>(number);
    for (const Extents& extents : {Extents{}, Extents{5}, Extents{2, 3}, Extents{0, 4}}) {
      Tensor t(type, extents);
      if (type == DType::kString) {
        for (int64_t i = 0; i < extents.count(); ++i) t.mutable_view().as<std::string>()[i] = i % 2 ? "zwölf ✓ 😀" : "";
      } else {
        std::memset(t.mutable_view().data, 0, static_cast<size_t>(t.view().bytes()));
        const int64_t whole = extents.count() * dtype_bits(type) / 8;
        for (int64_t i = 0; i < whole; ++i)
          t.mutable_view().data[i] = static_cast<std::byte>(type == DType::kBool ? i % 2 : i * 37 + 1);
      }
      const std::string bytes = write_npy(t.view());
      EXPECT_EQ(bytes.find('\n') % 64, 63u);
      EXPECT_TRUE(read_npy(bytes, type) == t) << dtype_name(type) << extents.text();
    }
  }
}

TEST(Npy, ReadsColumnMajorAndBigEndian) {
  const Tensor t = read_npy(file(">i2", true, "(2, 3)", std::string("\0\1\0\4\0\2\0\5\0\3\0\6", 12)));
  ASSERT_EQ(t.dtype(), DType::kI16);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(t.as<int16_t>()[i], i + 1);
}

TEST(Npy, RefusesBrokenFiles) {
  const std::string good = file("<f4", false, "(2,)", std::string(8, '\0'));
  EXPECT_NO_THROW(read_npy(good));
  for (size_t cut = 0; cut < good.size(); ++cut) EXPECT_THROW(read_npy(good.substr(0, cut)), Error) << cut;
  EXPECT_THROW(read_npy(file("|O", false, "(1,)", "xxxxxxxx")), Error);
  EXPECT_THROW(read_npy(file("<f3", false, "(1,)", "xxxxxxxx")), Error);
  EXPECT_THROW(read_npy(file("<f4", false, "(99999999999999999999,)", "")), Error);
  EXPECT_THROW(read_npy(file("<f4", false, "(4294967296, 4294967296)", "")), Error);
  EXPECT_THROW(read_npy(file("<f4", false, "(-1,)", "")), Error);
}

}  // namespace
}  // namespace sdx::cli
