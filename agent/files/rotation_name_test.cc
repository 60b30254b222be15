#include "agent/files/rotation_name.h"

#include <gtest/gtest.h>

namespace skald::agent {
namespace {

TEST(RotationName, Suffixes) {
  for (const char* suffix : {".1", ".old", "-20250101", ".20250101-101010", ".2025-01-01T10:10:10", "_3"})
    EXPECT_TRUE(IsRotationSuffix(suffix)) << suffix;
  for (const char* suffix : {"", ".", ".log", ".1a", "1", ".gz", "-x"})
    EXPECT_FALSE(IsRotationSuffix(suffix)) << suffix;
}

TEST(RotationName, Compression) {
  EXPECT_EQ(WithoutCompression("a.log.1.gz"), "a.log.1");
  EXPECT_EQ(WithoutCompression("a.log.zst"), "a.log");
  EXPECT_EQ(WithoutCompression("a.log.1"), "a.log.1");
  EXPECT_TRUE(IsCompressedName("a.bz2"));
  EXPECT_FALSE(IsCompressedName("a.xz"));
  EXPECT_TRUE(IsPassedOver("a.log.1.xz"));
  EXPECT_TRUE(IsPassedOver("0.log.20250101-101010.tmp"));
  EXPECT_FALSE(IsPassedOver("0.log.20250101-101010.gz"));
}

TEST(RotationName, Older) {
  struct Row {
    int64_t a_ns;
    const char* a;
    int64_t b_ns;
    const char* b;
    bool want;
  };
  const Row rows[] = {
      {1, "/x/a.log.1", 2, "/x/a.log.2", true},  // times decide between numbers
      {2, "/x/a.log.1", 1, "/x/a.log.2", false},
      {1, "/x/a.log.2", 1, "/x/a.log.1", true},  // a rename chain
      {1, "/x/a.log.10.gz", 1, "/x/a.log.9", true},
      // Compressed later than the next one was written.
      {9, "/x/0.log.20250101-101010.gz", 5, "/x/0.log.20250101-101500", true},
      {5, "/x/0.log.20250101-101500", 9, "/x/0.log.20250101-101010.gz", false},
      {1, "/x/a.log-20250101", 1, "/x/a.log-20250102", true},
      {2, "/x/0.log.2024-9", 1, "/x/0.log.2024-10", false},  // no dates
  };
  for (const Row& row : rows) EXPECT_EQ(IsOlder(row.a_ns, row.a, row.b_ns, row.b), row.want) << row.a;
}

}  // namespace
}  // namespace skald::agent
