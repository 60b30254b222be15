#include "agent/files/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "agent/files/compressed_file.h"
#include "agent/testing/test_directory.h"

namespace skald::agent {
namespace {

std::string SomeText(size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) text += "line " + std::to_string(random()) + " of some text\n";
  return text;
}

class LogFileTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string directory = TestDirectory("log_file");
    std::filesystem::create_directories(directory);
    path_ = directory + "/file";
  }
  void TearDown() override { ::unlink(path_.c_str()); }
  void Write(std::string_view bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  static std::string ReadAll(LogFile* file, const std::string& path) {
    std::string all;
    std::string piece(100000, '\0');
    while (true) {
      const auto n = file->ReadAt(piece.data(), piece.size(), all.size(), path);
      if (!n.ok() || *n == 0) return all;
      all.append(piece, 0, *n);
    }
  }

  std::string path_;
};

TEST_P(LogFileTest, ReadsTextAtAnyOffset) {
  const std::string text = SomeText(2 << 20);
  Write(CompressFor(GetParam(), text));
  auto file = LogFile::Open(path_);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->compressed());
  if (const auto size = file->TextSize(std::filesystem::file_size(path_), path_); size) {
    EXPECT_EQ(*size, text.size());
  }
  EXPECT_EQ(ReadAll(&*file, path_), text);
  std::mt19937 random(3);
  std::string buffer(300 << 10, '\0');
  for (int i = 0; i < 20; ++i) {
    const size_t offset = random() % (text.size() + 1000);
    const size_t n = random() % buffer.size();
    const auto got = file->ReadAt(buffer.data(), n, offset, path_);
    ASSERT_TRUE(got.ok()) << got.status();
    const std::string want = offset < text.size() ? text.substr(offset, n) : "";
    ASSERT_EQ(std::string_view(buffer).substr(0, *got), want) << offset;
    if (i % 10 == 0) file->Idle();
  }
}

TEST_P(LogFileTest, MembersOneAfterTheOtherAndPadding) {
  Write(CompressFor(GetParam(), "one\n") + CompressFor(GetParam(), "two\n") + std::string(512, '\0'));
  auto file = LogFile::Open(path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(ReadAll(&*file, path_), "one\ntwo\n");
}

TEST_P(LogFileTest, FileThatIsStillBeingWritten) {
  const std::string text = SomeText(1 << 20);
  const std::string bytes = CompressFor(GetParam(), text);
  Write(bytes.substr(0, bytes.size() / 2));
  auto file = LogFile::Open(path_);
  ASSERT_TRUE(file.ok());
  const std::string half = ReadAll(&*file, path_);
  EXPECT_EQ(text.substr(0, half.size()), half);
  EXPECT_LT(half.size(), text.size());
  std::ofstream(path_, std::ios::binary | std::ios::app) << bytes.substr(bytes.size() / 2);
  std::string rest(text.size(), '\0');
  size_t done = half.size();
  while (true) {
    const auto n = file->ReadAt(rest.data(), rest.size(), done, path_);
    ASSERT_TRUE(n.ok());
    if (*n == 0) break;
    ASSERT_EQ(text.substr(done, *n), rest.substr(0, *n));
    done += *n;
  }
  EXPECT_EQ(done, text.size());
}

TEST_P(LogFileTest, DamageIsAnErrorBehindWhatIsWhole) {
  const std::string text = SomeText(1 << 20);
  const std::string whole = CompressFor(GetParam(), text);
  std::mt19937 random(5);
  for (int i = 0; i < 10; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 8; ++k) bytes[20 + random() % (bytes.size() - 20)] ^= static_cast<char>(0x5a);
    Write(bytes);
    auto file = LogFile::Open(path_);
    ASSERT_TRUE(file.ok());
    const std::string got = ReadAll(&*file, path_);
    EXPECT_TRUE(file->torn() || got == text);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, LogFileTest, testing::Values(".gz", ".zst", ".bz2"));

TEST(LogFilePlainTest, TextThatOnlyLooksCompressedIsText) {
  const std::string path = TestDirectory("log_file_plain") + std::to_string(::getpid());
  for (const std::string_view text :
       {std::string_view(""), std::string_view("BZh9 is a magic\n"), std::string_view("\x1f\x8b\n")}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    auto file = LogFile::Open(path);
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE(file->compressed());
  }
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace skald::agent
