// Mapped files of every size and what may not be mapped.
#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "temp_folder.h"

namespace sdx {
namespace {

using onnx::test::TempFolder;
namespace fs = std::filesystem;

std::string reason(const fs::path& path) {
  try {
    MappedFile::open(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput);
    return error.what();
  }
  return "mapped";
}

TEST(MappedFile, MapsWhatIsInTheFile) {
  TempFolder folder;
  const auto file = MappedFile::open(folder.write("a", "hello"));
  EXPECT_EQ(MappedFile::share(file).text(), "hello");
  EXPECT_EQ(file->path(), folder.path() / "a");
}

TEST(MappedFile, ReadsPastTheMapping) {
  TempFolder folder;
  std::string content(100'000, ' ');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 % 251);
  const auto file = MappedFile::open(folder.write("a", content));
  std::string copy(70'001, ' ');
  auto* const to = reinterpret_cast<std::byte*>(copy.data());
  ASSERT_TRUE(file->read(file->bytes().subspan(12'345, copy.size()), to));
  EXPECT_EQ(copy, content.substr(12'345, copy.size()));
  EXPECT_TRUE(file->read(file->bytes().subspan(99'999), to));
  EXPECT_FALSE(file->read({to, 10}, to)) << "other bytes";
  EXPECT_FALSE(file->read(file->bytes().subspan(0, 0), to)) << "none";
  fs::rename(folder.path() / "a", folder.path() / "b");
  EXPECT_FALSE(file->read(file->bytes().subspan(0, 10), to)) << "the file is gone";
  folder.write("a", content);
  EXPECT_FALSE(file->read(file->bytes().subspan(0, 10), to)) << "another file";
}

TEST(PathExists, RefusesLinksToNothing) {
  TempFolder folder;
  folder.write("a", "hello");
  fs::create_symlink("a", folder.path() / "good");
  fs::create_symlink("blobs/gone", folder.path() / "dangling");
  EXPECT_TRUE(path_exists(folder.path() / "a"));
  EXPECT_TRUE(path_exists(folder.path() / "good"));
  EXPECT_FALSE(path_exists(folder.path() / "none"));
  try {
    path_exists(folder.path() / "dangling");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidInput);
    EXPECT_NE(std::string(error.what()).find("blobs/gone"), std::string::npos) << error.what();
  }
}

TEST(MappedFile, MapsEmptyFiles) {
  TempFolder folder;
  const auto file = MappedFile::open(folder.write("a", ""));
  EXPECT_TRUE(file->bytes().empty());
  file->will_need(file->bytes());
  file->dont_need(file->bytes());
}

TEST(MappedFile, SharesOutliveTheFile) {
  TempFolder folder;
  SharedBytes part;
  {
    const auto file = MappedFile::open(folder.write("a", "hello"));
    part = MappedFile::share(file).slice(1, 3);
  }
  fs::remove(folder.path() / "a");
  EXPECT_EQ(part.text(), "ell");
}

TEST(MappedFile, SlicesStayInTheFile) {
  TempFolder folder;
  const SharedBytes whole = MappedFile::share(MappedFile::open(folder.write("a", "hello")));
  EXPECT_EQ(whole.slice(5, 0).text(), "");
  EXPECT_EQ(whole.slice(0, 5).text(), "hello");
  EXPECT_THROW(whole.slice(0, 6), Error);
  EXPECT_THROW(whole.slice(6, 0), Error);
  EXPECT_THROW(whole.slice(2, ~uint64_t{0}), Error);
}

TEST(MappedFile, AdviceKeepsTheContent) {
  TempFolder folder;
  const std::string content(100'000, 'x');
  const auto file = MappedFile::open(folder.write("a", content));
  file->will_need(file->bytes().subspan(5000, 50'000));
  file->dont_need(file->bytes().subspan(5000, 50'000));
  EXPECT_EQ(MappedFile::share(file).text(), content);
  std::vector<std::byte> elsewhere(100'000, std::byte{7});
  file->dont_need(elsewhere);
  EXPECT_EQ(std::count(elsewhere.begin(), elsewhere.end(), std::byte{7}), 100'000);
}

TEST(MappedFile, MapsMoreThanTwoGigabytes) {
  TempFolder folder;
  const auto path = folder.write("a", "");
  fs::resize_file(path, (int64_t{5} << 30) + 3);  // sparse
  const auto file = MappedFile::open(path);
  EXPECT_EQ(file->bytes().size(), (size_t{5} << 30) + 3);
  EXPECT_EQ(file->bytes().back(), std::byte{0});
}

TEST(MappedFile, RejectsWhatIsNoRegularFile) {
  TempFolder folder;
  EXPECT_NE(reason(folder.path() / "absent").find("absent"), std::string::npos);
  EXPECT_NE(reason(folder.path()).find("a directory"), std::string::npos);
  EXPECT_NE(reason("/dev/zero").find("a device"), std::string::npos);
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(reason(pipe).find("a named pipe"), std::string::npos);
  fs::create_symlink(pipe, folder.path() / "link");
  EXPECT_NE(reason(folder.path() / "link").find("a named pipe"), std::string::npos);
}

}  // namespace
}  // namespace sdx
