#include "agent/tail/line_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "agent/testing/test_directory.h"
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
    auto result = reader->Read(file_, limit, max_line_, take_rest, encoding_.get(), &block_, path_);
    EXPECT_TRUE(result.ok());
    for (const RawLine& line : block_.lines) {
      lines_.emplace_back(line.text);
      cut_ += line.cut_bytes;
      EXPECT_EQ(line.begin, last_end_);
      last_end_ = line.end;
    }
    replaced_ += block_.replaced_characters;
    return *result;
  }

  std::string path_;
  FileDescriptor fd_;
  LogFile file_;
  uint64_t size_ = 0;
  size_t max_line_ = 1 << 18;
  std::shared_ptr<const TextEncoding> encoding_;
  LineBlock block_;
  std::vector<std::string> lines_;
  uint64_t cut_ = 0;
  uint64_t last_end_ = 0;
  uint64_t replaced_ = 0;
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

// "line N, with U+0A0A and U+1F642": a newline's byte in other characters, and a pair of units.
std::u16string Utf16Line(int n) {
  std::u16string text = u"line ";
  for (const char c : std::to_string(n)) text += static_cast<char16_t>(c);
  return text + u" \u0A0A \u010A \U0001F642";
}
std::string Utf8Line(int n) { return "line " + std::to_string(n) + " \u0A0A \u010A \U0001F642"; }

std::string Bytes(const std::u16string& text, bool big) {
  std::string bytes;
  for (const char16_t unit : text) {
    const char low = static_cast<char>(unit & 0xFF);
    const char high = static_cast<char>(unit >> 8);
    bytes += {big ? high : low, big ? low : high};
  }
  return bytes;
}

TEST_F(LineReaderTest, Utf16InPiecesOfAnySize) {
  std::mt19937 random(11);
  for (const bool big : {false, true}) {
    for (const bool mark : {false, true}) {
      Truncate(0);
      lines_.clear();
      last_end_ = 0;
      LineReader reader;
      encoding_ = mark ? nullptr : *TextEncoding::Make(big ? "UTF-16BE" : "utf-16le");
      std::string bytes = mark ? Bytes(u"\uFEFF", big) : "";
      std::vector<std::string> want;
      std::vector<uint64_t> ends;
      for (int n = 0; n < 300; ++n) {
        bytes += Bytes(Utf16Line(n) + u"\n", big);
        want.push_back(Utf8Line(n));
        ends.push_back(bytes.size());
      }
      for (size_t at = 0; at < bytes.size();) {
        const size_t n = std::min<size_t>(1 + random() % 50, bytes.size() - at);
        Append(bytes.substr(at, n));
        at += n;
        Read(&reader);
        if (random() % 8 != 0) continue;
        // As after a restart: from a position alone.
        const uint64_t offset = reader.offset();
        EXPECT_TRUE(offset == 0 || std::binary_search(ends.begin(), ends.end(), offset)) << offset;
        reader = LineReader();
        ASSERT_TRUE(reader.Seek(file_, offset, path_).ok());
      }
      EXPECT_EQ(lines_, want) << big << mark;
      EXPECT_EQ(reader.offset(), size_);
    }
  }
  EXPECT_EQ(replaced_, 0u);
}

TEST_F(LineReaderTest, Utf16LimitCountsWhatIsDecoded) {
  max_line_ = 10;
  encoding_ = *TextEncoding::Make("utf-16le");
  LineReader reader;
  Append(Bytes(u"\u20AC\u20AC\u20AC\u20AC\n0123456789\n01234567\u00E4x\n", false));
  Read(&reader);
  // Three characters of three bytes fit; a character is not cut.
  EXPECT_THAT(lines_, testing::ElementsAre("\u20AC\u20AC\u20AC", "0123456789", "01234567\u00E4"));
  EXPECT_EQ(cut_, 4u);
}

TEST_F(LineReaderTest, Utf16LineLongerThanABlock) {
  max_line_ = 1000;
  LineReader reader;
  std::u16string text;
  while (text.size() < 400'000) text += Utf16Line(static_cast<int>(text.size()));
  Append(Bytes(u"\uFEFF" + text, false) + "x");
  while (Read(&reader) == LineReader::Result::kMore) EXPECT_LE(reader.memory_bytes(), 2000u);
  EXPECT_TRUE(lines_.empty());
  Append(std::string("\0\n\0", 3) + Bytes(u"next\n", false));
  while (Read(&reader) == LineReader::Result::kMore) {
  }
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_TRUE(lines_[0].starts_with(Utf8Line(0)));
  EXPECT_GT(lines_[0].size(), 996u);
  TextDecoder decoder(TextEncoding::Utf16LittleEndian());
  std::string whole;
  decoder.Decode(Bytes(text + u"x", false), true, &whole);
  EXPECT_EQ(cut_ + lines_[0].size(), whole.size());
  EXPECT_TRUE(whole.starts_with(lines_[0]));
  EXPECT_EQ(lines_[1], "next");
  EXPECT_EQ(replaced_, 0u);
}

TEST_F(LineReaderTest, BrokenTextTakesNoLineAway) {
  encoding_ = *TextEncoding::Make("utf-16be");
  LineReader reader;
  Append(Bytes(u"before\n", true) + "\xD8\x3D" + Bytes(u"alone\n", true) + Bytes(u"after\nrest", true) + "x");
  Read(&reader);
  EXPECT_THAT(lines_, testing::ElementsAre("before", "\uFFFDalone", "after"));
  EXPECT_EQ(replaced_, 1u);
  Read(&reader, true);
  EXPECT_EQ(lines_.back(), "rest\uFFFD");
  EXPECT_EQ(reader.offset(), size_);
}

TEST_F(LineReaderTest, OneByteAndManyBytes) {
  for (const auto& [encoding, bytes, want] :
       {std::tuple{"windows-1252", std::string("\xC4pfel \x80\nx\n"), std::string("\u00C4pfel \u20AC")},
        std::tuple{"Shift_JIS", std::string("\x93\xFA\x96\x7B\nx\n"), std::string("\u65E5\u672C")},
        std::tuple{"ibm037", std::string("\xC8\x81\x25\xA7\x25"), std::string("Ha")}}) {
    Truncate(0);
    lines_.clear();
    last_end_ = 0;
    encoding_ = *TextEncoding::Make(encoding);
    LineReader reader;
    Append(bytes);
    Read(&reader);
    EXPECT_THAT(lines_, testing::ElementsAre(want, "x")) << encoding;
  }
}

}  // namespace
}  // namespace skald::agent
