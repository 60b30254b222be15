#include "base/compress.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace skald {
namespace {

TEST(CompressTest, RoundTrips) {
  std::mt19937 random(1);
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise.push_back(static_cast<char>(random()));
  std::string lines;
  for (int i = 0; i < 500; ++i) lines += "level=info msg=\"request completed\" n=" + std::to_string(i) + "\n";
  const struct {
    std::string raw;
    Codec want;
    Effort effort = Effort::kFast;
  } rows[] = {{"", Codec::kRaw},
              {"a", Codec::kRaw},
              {noise, Codec::kRaw},
              {lines, Codec::kLz4},
              {std::string(1 << 20, 'x'), Codec::kLz4},
              {std::string(5 << 20, 'y'), Codec::kLz4},
              {"", Codec::kRaw, Effort::kSmall},
              {"a", Codec::kRaw, Effort::kSmall},
              {noise, Codec::kRaw, Effort::kSmall},
              {lines, Codec::kZstd, Effort::kSmall},
              {std::string(5 << 20, 'y'), Codec::kZstd, Effort::kSmall}};
  for (const auto& row : rows) {
    std::string stored = "before";
    EXPECT_EQ(AppendCompressed(row.raw, &stored, row.effort), row.want) << row.raw.size();
    ASSERT_TRUE(stored.starts_with("before"));
    const std::string_view bytes = std::string_view(stored).substr(6);
    EXPECT_LE(bytes.size(), row.raw.size());
    const auto codec = static_cast<uint8_t>(row.want);
    EXPECT_TRUE(PlausibleRawSize(codec, bytes.size(), row.raw.size()));
    std::string back(row.raw.size(), '?');
    ASSERT_TRUE(Decompress(codec, bytes, back.data(), back.size()));
    EXPECT_EQ(back, row.raw);
    std::string other(row.raw.size() + 1, '?');
    EXPECT_FALSE(Decompress(codec, bytes, other.data(), other.size()));
    if (row.raw.empty()) continue;
    EXPECT_FALSE(Decompress(codec, bytes, other.data(), row.raw.size() - 1));
    EXPECT_FALSE(Decompress(codec, bytes.substr(1), other.data(), row.raw.size()));
  }
}

TEST(CompressTest, RefusesWhatCannotBe) {
  EXPECT_FALSE(PlausibleRawSize(9, 10, 10));  // no such codec
  EXPECT_FALSE(PlausibleRawSize(2, 10, 1 << 20));
  EXPECT_FALSE(PlausibleRawSize(0, 10, 11));
  EXPECT_FALSE(PlausibleRawSize(1, 10, 1 << 20));
  EXPECT_FALSE(PlausibleRawSize(1, uint64_t{1} << 60, uint64_t{1} << 62));
  char out[32];
  EXPECT_FALSE(Decompress(9, "0123456789", out, 10));
  EXPECT_FALSE(Decompress(2, "0123456789", out, 20));
}

}  // namespace
}  // namespace skald
