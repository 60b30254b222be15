#include "cli/time_flags.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/local_time.h"

namespace skald::cli {
namespace {

constexpr int64_t kNow = 1'793'534'400 * kNsPerSecond;  // 2026-11-01T12:00:00Z
constexpr int64_t kMidnight = kNow - 12 * 3600 * kNsPerSecond;

TEST(TimeFlag, Forms) {
  const std::pair<const char*, int64_t> cases[] = {
      {"now", kNow},
      {"2026-11-01T12:00:00Z", kNow},
      {"2026-11-01T12:00:00.5Z", kNow + kNsPerSecond / 2},
      {"2026-11-01T13:00:00+01:00", kNow},
      {"2026-11-01", kMidnight},
      {"2026-11-01 12:00", kNow},
      {"2026-11-01T12:00:00", kNow},
      {"1793534400", kNow},
      {"1793534400000", kNow},
      {"1793534400000000", kNow},
      {"1793534400000000000", kNow},
      {"1h", kNow - 3600 * kNsPerSecond},
      {"1h30m", kNow - 5400 * kNsPerSecond},
      {"7d", kNow - 7 * 86400 * kNsPerSecond},
  };
  for (const auto& [text, want] : cases) {
    const auto got = ParseTimeFlag(text, kNow);
    ASSERT_TRUE(got.ok()) << text << ": " << got.status().ToString();
    EXPECT_EQ(*got, want) << text;
  }
  for (const char* text : {"", "yesterday", "2026-13-01", "2026-11-01T12", "99999999999999999999", "1 h"}) {
    EXPECT_FALSE(ParseTimeFlag(text, kNow).ok()) << text;
  }
}

TEST(TimeFlag, Range) {
  const auto hour = ResolveRange("", "", "1h", kNow);
  EXPECT_EQ(hour->begin_ns, kNow - 3600 * kNsPerSecond);
  EXPECT_EQ(hour->end_ns, kNow);
  const auto back_from_end = ResolveRange("", "2026-11-01", "1h", kNow);
  EXPECT_EQ(back_from_end->begin_ns, kMidnight - 3600 * kNsPerSecond);
  EXPECT_EQ(ResolveRange("2026-11-01", "", "1h", kNow)->begin_ns, kMidnight);
  EXPECT_NE(MessageOf(ResolveRange("x", "", "1h", kNow).status()).find("--from"), std::string_view::npos);
  EXPECT_NE(MessageOf(ResolveRange("", "", "ages", kNow).status()).find("--since"), std::string_view::npos);
  EXPECT_FALSE(ResolveRange("now", "2026-11-01", "1h", kNow).ok());
}

TEST(FormatTime, ZoneOfTheMachine) {
  setenv("TZ", "XYZ-5:30", 1);  // a POSIX zone: needs no zone files
  tzset();
  EXPECT_EQ(FormatTime(kNow, true, TimeFormat::kRfc3339), "2026-11-01T17:30:00+05:30");
  EXPECT_EQ(FormatTime(kNow + 1, true, TimeFormat::kRfc3339Nano), "2026-11-01T17:30:00.000000001+05:30");
  EXPECT_EQ(FormatTime(kNow, false, TimeFormat::kRfc3339), "2026-11-01T12:00:00Z");
  setenv("TZ", "XYZ+3", 1);
  tzset();
  EXPECT_EQ(FormatTime(kNow, true, TimeFormat::kRfc3339), "2026-11-01T09:00:00-03:00");
  setenv("TZ", "UTC0", 1);
  tzset();
  EXPECT_EQ(FormatTime(kNow, true, TimeFormat::kRfc3339), "2026-11-01T12:00:00Z");
}

TEST(FormatTime, Forms) {
  const struct {
    TimeFormat format;
    const char* want;
  } kCases[] = {
      {TimeFormat::kRfc822Z, "01 Nov 26 12:00 +0000"},
      {TimeFormat::kRfc1123Z, "Sun, 01 Nov 2026 12:00:00 +0000"},
      {TimeFormat::kStampMilli, "Nov  1 12:00:00.123"},
      {TimeFormat::kStampMicro, "Nov  1 12:00:00.123456"},
      {TimeFormat::kStampNano, "Nov  1 12:00:00.123456789"},
      {TimeFormat::kUnixDate, "Sun Nov  1 12:00:00 UTC 2026"},
  };
  for (const auto& test : kCases) EXPECT_EQ(FormatTime(kNow + 123'456'789, false, test.format), test.want);
}

}  // namespace
}  // namespace skald::cli
