#include "agent/line_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "agent/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = TestDirectory("line_reader") + std::to_string(::getpid());
    fd_ = *OpenFile(path_, O_RDWR | O_CREAT | O_TRUNC);
    file_ = *LogFile::Open(path_);
  }
  void TearDown() override { ::unlink(path_.c_str()); }
  void Append(std::string_view text) {
    ASSERT_EQ(::pwrite(fd_.get(), text.data(), text.size(), static_cast<off_t>(size_)),
              static_cast<ssize_t>(text.size()));
    size_ += text.size();
  }
  void Truncate(uint64_t size) {
    ASSERT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
    size_ = size;
  }
  LineReader::Result Read(LineReader* reader, bool take_rest = false, uint64_t limit = UINT64_MAX) {
    auto result = reader->Read(file_, limit, max_line_, take_rest, &block_, path_);
    EXPECT_TRUE(result.ok());
    for (const RawLine& line : block_.lines) {
      lines_.emplace_back(line.text);
      cut_ += line.cut_bytes;
      EXPECT_EQ(line.begin, last_end_);
      last_end_ = line.end;
    }
    return *result;
  }

  std::string path_;
  FileDescriptor fd_;
  LogFile file_;
  uint64_t size_ = 0;
  size_t max_line_ = 1 << 18;
  LineBlock block_;
  std::vector<std::string> lines_;
  uint64_t cut_ = 0;
  uint64_t last_end_ = 0;
};

TEST_F(LineReaderTest, CutsLines) {
  LineReader reader;
  Append("a\n\nbb\nccc");
  EXPECT_EQ(Read(&reader), LineReader::Result::kEnd);
  EXPECT_THAT(lines_, testing::ElementsAre("a", "", "bb"));
  EXPECT_EQ(reader.offset(), 6u);
  EXPECT_EQ(reader.scanned(), 9u);
  Append("d\n");
  EXPECT_EQ(Read(&reader), LineReader::Result::kEnd);
  EXPECT_EQ(lines_.back(), "cccd");
  Append("rest");
  Read(&reader);
  EXPECT_EQ(lines_.size(), 4u);
  Read(&reader, true);
  EXPECT_EQ(lines_.back(), "rest");
  EXPECT_EQ(reader.offset(), size_);
}

TEST_F(LineReaderTest, NoticesChange) {
  LineReader reader;
  Append("first line\nsecond line\n");
  Read(&reader);
  Truncate(0);
  EXPECT_EQ(Read(&reader), LineReader::Result::kChanged);
  Append("other text that is longer than before\nmore\n");
  EXPECT_EQ(Read(&reader), LineReader::Result::kChanged);
  LineReader again;
  last_end_ = 0;
  EXPECT_EQ(Read(&again), LineReader::Result::kEnd);
  EXPECT_EQ(lines_.back(), "more");
}

TEST_F(LineReaderTest, RegrowIsFoundInRandomTrials) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    Truncate(0);
    LineReader reader;
    last_end_ = 0;
    const size_t first = 1 + random() % 40;
    for (size_t i = 0; i < first; ++i)
      Append("t" + std::to_string(trial) + " " + std::to_string(random()) + "\n");
    Read(&reader);
    Truncate(0);
    const size_t second = random() % 80;
    for (size_t i = 0; i < second; ++i)
      Append("u" + std::to_string(trial) + " " + std::to_string(random()) + "\n");
    ASSERT_EQ(Read(&reader), LineReader::Result::kChanged) << trial;
  }
}

TEST_F(LineReaderTest, LongLineIsCutInBoundedMemory) {
  max_line_ = 1000;
  LineReader reader;
  Append("short\n");
  // 1 GiB without a newline, as a hole: NULs count as nothing kept.
  Truncate(uint64_t{1} << 30);
  Append("visible " + std::string(5000, 'x') + "\nnext\n");
  while (Read(&reader) == LineReader::Result::kMore) EXPECT_LE(reader.memory_bytes(), 2000u);
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_EQ(lines_[1].size(), 1000u);
  EXPECT_TRUE(lines_[1].starts_with("visible xxx"));
  EXPECT_EQ(lines_[2], "next");
  EXPECT_EQ(cut_, 8u + 5000u - 1000u);
  EXPECT_EQ(reader.offset(), size_);
}

TEST_F(LineReaderTest, LongLineOverManyReads) {
  max_line_ = 300;
  LineReader reader;
  std::string whole;
  for (int i = 0; i < 9; ++i) {
    const std::string part(100'000, static_cast<char>('a' + i));
    Append(part);
    whole += part;
    while (Read(&reader) == LineReader::Result::kMore) {
    }
  }
  EXPECT_TRUE(lines_.empty());
  Append("\nend\n");
  while (Read(&reader) == LineReader::Result::kMore) {
  }
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_[0], whole.substr(0, 300));
  EXPECT_EQ(cut_, whole.size() - 300);
}

TEST_F(LineReaderTest, SameLinesAgainOverARange) {
  std::mt19937 random(3);
  std::vector<std::string> want;
  std::vector<uint64_t> ends{0};
  for (int i = 0; i < 3000; ++i) {
    want.emplace_back(random() % 2000, static_cast<char>('a' + i % 26));
    Append(want.back() + "\n");
    ends.push_back(size_);
  }
  for (int trial = 0; trial < 20; ++trial) {
    size_t from = random() % want.size();
    size_t to = from + random() % (want.size() - from) + 1;
    LineReader reader;
    ASSERT_TRUE(reader.Seek(file_, ends[from], path_).ok());
    lines_.clear();
    last_end_ = ends[from];
    while (Read(&reader, true, ends[to]) == LineReader::Result::kMore) {
    }
    EXPECT_EQ(lines_, std::vector<std::string>(want.begin() + static_cast<long>(from),
                                               want.begin() + static_cast<long>(to)));
    EXPECT_EQ(reader.offset(), ends[to]);
  }
}

}  // namespace
}  // namespace skald::agent
