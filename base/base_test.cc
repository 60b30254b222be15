#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/json_writer.h"
#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "base/utf8.h"

namespace skald {
namespace {

TEST(Crc32c, LongTextsAreTheirPieces) {
  std::string text;
  for (uint32_t i = 0; i < 20'000; ++i) text += static_cast<char>(i * i >> 5);
  for (const size_t size : {3071, 3072, 3073, 6144, 9999, 20'000}) {
    uint32_t pieces = 0;
    for (size_t at = 0; at < size; at += 100)
      pieces = Crc32c(std::string_view(text).substr(at, std::min<size_t>(100, size - at)), pieces);
    EXPECT_EQ(Crc32c(std::string_view(text).substr(0, size)), pieces) << size;
  }
}

TEST(Crc32c, KnownVectorsAndContinuation) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720 B.4
  EXPECT_EQ(Crc32c("456789", Crc32c("123")), Crc32c("123456789"));
}

TEST(Coding, VarintsRoundTripAtTheEdges) {
  for (uint64_t v : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 35, ~uint64_t{0}}) {
    std::string bytes;
    PutVarint(&bytes, v);
    ByteReader reader(bytes);
    EXPECT_EQ(reader.Varint(), v);
    EXPECT_TRUE(reader.ok());
  }
  for (int64_t v : {int64_t{0}, int64_t{-1}, int64_t{1}, INT64_MIN, INT64_MAX})
    EXPECT_EQ(UnZigZag(ZigZag(v)), v);
}

TEST(Coding, ReaderFailsForGoodAtTheEnd) {
  ByteReader reader(
      std::string_view("\x05"
                       "abc",
                       4));
  EXPECT_EQ(reader.Text(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.Fixed<uint8_t>(), 0);
  ByteReader endless("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_EQ(endless.Varint(), 0u);
  EXPECT_FALSE(endless.ok());
}

TEST(JsonWriter, CommasNestingEscapes) {
  std::string out;
  JsonWriter(&out)
      .BeginObject()
      .Key("a")
      .BeginArray()
      .Int(-1)
      .UInt(2)
      .Double(0.5)
      .EndArray()
      .Key("b")
      .String("x\"\n\x01<\xff")
      .Key("c")
      .BeginObject()
      .EndObject()
      .Key("d")
      .Bool(true)
      .EndObject();
  EXPECT_EQ(out, R"({"a":[-1,2,0.5],"b":"x\"\n\u0001<\ufffd","c":{},"d":true})");
  out.clear();
  AppendJsonString(&out, "<&>é", JsonEscape::kHtml);
  EXPECT_EQ(out, R"("\u003c\u0026\u003eé")");
}

TEST(Utf8, InvalidBytesCountOneByOne) {
  EXPECT_TRUE(IsValidUtf8("aé日\xF0\x9F\x98\x80"));
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));  // a surrogate
  EXPECT_FALSE(IsValidUtf8("\xC0\x80"));      // overlong
  EXPECT_EQ(CountRunes("a\xff\xfe"
                       "é"),
            4u);
  std::string out;
  AppendValidUtf8(&out,
                  "a\xff"
                  "b\xe6\x97",
                  "?");
  EXPECT_EQ(out, "a?b??");
}

TEST(MemoryBudget, RefusalTakesNothing) {
  MemoryBudget process("process", 100);
  {
    MemoryBudget query("query", 80, &process);
    EXPECT_TRUE(query.Reserve(70).ok());
    EXPECT_EQ(query.Reserve(11).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(process.used(), 70);
    MemoryBudget other("other", 80, &process);
    EXPECT_FALSE(other.Reserve(40).ok());
    EXPECT_EQ(other.used(), 0);
  }
  EXPECT_EQ(process.used(), 0);
}

TEST(ThreadPool, ParallelForRunsEachOnceAlsoWhenNested) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  pool.ParallelFor(50, [&](int i) { pool.ParallelFor(4, [&](int j) { sum += i * 4 + j; }); });
  EXPECT_EQ(sum, 199 * 200 / 2);
  pool.ParallelFor(0, [&](int) { FAIL(); });
}

}  // namespace
}  // namespace skald
