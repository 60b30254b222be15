#include "base/split_text.h"

#include <gtest/gtest.h>

#include <random>

namespace skald {
namespace {

std::string Padded(const std::string& stream) { return stream + std::string(kJoinSlack, '?'); }

bool Join(const SplitText& split, std::string* out) {
  const std::string rest = Padded(split.rest), digits = Padded(split.digits), hex = Padded(split.hex);
  return JoinText(std::string_view(rest).substr(0, split.rest.size()),
                  std::string_view(digits).substr(0, split.digits.size()),
                  std::string_view(hex).substr(0, split.hex.size()), out->data(), out->size());
}

TEST(SplitTextTest, TakesApart) {
  using namespace std::string_literals;
  const struct {
    std::string text, rest, digits, hex;
  } rows[] = {
      {"", "", "", ""},
      {"plain text\n", "plain text\n", "", ""},
      {"took 25ms", "took \x02ms", "25", ""},
      {"id=req-dff5fdb5e751f5b5 x", "id=req-\x15 x", "", "dff5fdb5e751f5b5"},
      {"deadbeef 1a2b3c4d", "deadbeef \x14", "", "1a2b3c4d"},
      {"0123456789abc", "\x17\x0d", "", "0123456789abc"},
      {"a1b2c3d4g",
       "a\x01"
       "b\x01"
       "c\x01"
       "d\x01g",
       "1234", ""},
      {"12345678901234567", "\x13\x01", "12345678901234567", ""},
      {"\x01\x18\t", "\x18\x01\x18\x18\t", "", ""},
      {"nul \0 byte"s, "nul \0 byte"s, "", ""},
  };
  for (const auto& row : rows) {
    SplitText got;
    SplitTextInto(row.text, &got);
    EXPECT_EQ(got.rest, row.rest) << row.text;
    EXPECT_EQ(got.digits, row.digits) << row.text;
    EXPECT_EQ(got.hex, row.hex) << row.text;
    std::string back(row.text.size(), '-');
    EXPECT_TRUE(Join(got, &back)) << row.text;
    EXPECT_EQ(back, row.text);
  }
}

TEST(SplitTextTest, AnyBytesComeBackAndAnyStreamsAreSafe) {
  std::mt19937 random(std::random_device{}());
  const std::string alphabets[] = {"0123456789abcdef", "0123456789abcdef -.",
                                   "01ab \n\t\r\x01\x08\x17\x18\x19zZ"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    const size_t size = random() % 300;
    for (size_t k = 0; k < size; ++k) {
      const std::string& from = alphabets[i % 3];
      text += i % 7 == 0 ? static_cast<char>(random()) : from[random() % from.size()];
    }
    SplitText split;
    SplitTextInto(text, &split);
    std::string back(text.size(), '-');
    ASSERT_TRUE(Join(split, &back)) << text;
    ASSERT_EQ(back, text);
    std::string other(text.size() + 1 + random() % 40, '-');
    EXPECT_FALSE(Join(split, &other));
    // Streams that do not belong together.
    if (!split.rest.empty()) split.rest[random() % split.rest.size()] = static_cast<char>(random() % 0x1a);
    if (!split.digits.empty() && random() % 2 == 0) split.digits.pop_back();
    if (!split.hex.empty() && random() % 2 == 0) split.hex.pop_back();
    (void)Join(split, &back);
    back.resize(back.size() / 2);
    (void)Join(split, &back);
  }
}

}  // namespace
}  // namespace skald
