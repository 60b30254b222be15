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

TEST(CompressTest, TextIsTakenApart) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < 300'000) {
    text += "level=info id=" + std::to_string(random()) + " took=" + std::to_string(random() % 1000) +
            "ms trace=00ab" + std::to_string(random() % 1'000'000'000 + 1'000'000'000) + "cd\n";
  }
  std::string plain, split;
  EXPECT_EQ(AppendCompressed(text, &plain, Effort::kSmall), Codec::kZstd);
  EXPECT_EQ(AppendCompressedText(text, &split, Effort::kSmall), Codec::kSplitZstd);
  EXPECT_LT(split.size(), plain.size() * 95 / 100);
  EXPECT_TRUE(PlausibleRawSize(3, split.size(), text.size()));
  std::string back(text.size(), '?');
  ASSERT_TRUE(Decompress(3, split, back.data(), back.size()));
  EXPECT_EQ(back, text);
  std::string other(text.size() + 1, '?');
  EXPECT_FALSE(Decompress(3, split, other.data(), other.size()));
  EXPECT_FALSE(Decompress(3, std::string_view(split).substr(0, split.size() - 1), back.data(), back.size()));
  for (int i = 0; i < 200; ++i) {
    std::string bad = split;
    bad[random() % (i < 100 ? 12 : bad.size())] ^= static_cast<char>(1 << random() % 8);
    (void)Decompress(3, bad, back.data(), back.size());  // whatever it says, within bounds
  }
  std::string fast;
  EXPECT_EQ(AppendCompressedText(text, &fast, Effort::kFast), Codec::kLz4);
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
