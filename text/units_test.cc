#include "text/units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/types.h"
#include "text/runes.h"

namespace skald {
namespace {

struct DurationCase {
  const char* text;
  int64_t ns;
  const char* error;
};

void Check(const DurationCase& c, const absl::StatusOr<int64_t>& got) {
  if (*c.error != '\0') {
    ASSERT_FALSE(got.ok()) << c.text;
    EXPECT_EQ(MessageOf(got.status()), c.error) << c.text;
  } else {
    ASSERT_TRUE(got.ok()) << c.text << " " << got.status();
    EXPECT_EQ(*got, c.ns) << c.text;
  }
}

TEST(Duration, Go) {
  const DurationCase cases[] = {
      {"0", 0, ""},
      {"5m", 300 * kNsPerSecond, ""},
      {"-5m", -300 * kNsPerSecond, ""},
      {"+5s", 5 * kNsPerSecond, ""},
      {"1.5h", 5400 * kNsPerSecond, ""},
      {".5s", 500 * kNsPerMs, ""},
      {"1.s", kNsPerSecond, ""},
      {"1h15m30.918273645s", 4530'918273645, ""},
      {"3ns2h", 7200 * kNsPerSecond + 3, ""},
      {"1\xc2\xb5s", 1000, ""},
      {"1\xce\xbcs", 1000, ""},
      {"-9223372036854775808ns", std::numeric_limits<int64_t>::min(), ""},
      {"9223372036854775808ns", 0, "time: invalid duration \"9223372036854775808ns\""},
      {"x", 0, "time: invalid duration \"x\""},
      {"", 0, "time: invalid duration \"\""},
      {".s", 0, "time: invalid duration \".s\""},
      {"5", 0, "time: missing unit in duration \"5\""},
      {"1d", 0, "time: unknown unit \"d\" in duration \"1d\""},
      {"1h\xc3\xa9", 0, "time: unknown unit \"h\\xc3\\xa9\" in duration \"1h\\xc3\\xa9\""},
  };
  for (const DurationCase& c : cases) Check(c, ParseGoDuration(c.text));
}

TEST(Duration, Prometheus) {
  const DurationCase cases[] = {
      {"0", 0, ""},
      {"5m", 300 * kNsPerSecond, ""},
      {"1d12h", 36 * 3600 * kNsPerSecond, ""},
      {"1y", 365LL * 86400 * kNsPerSecond, ""},
      {"1w", 7LL * 86400 * kNsPerSecond, ""},
      {"10ms", 10 * kNsPerMs, ""},
      {"", 0, "empty duration string"},
      {"5minutes", 0, "unknown unit \"minutes\" in duration \"5minutes\""},
      {"5", 0, "not a valid duration string: \"5\""},
      {"1m1h", 0, "not a valid duration string: \"1m1h\""},
      {"1m1m", 0, "not a valid duration string: \"1m1m\""},
      {"-5m", 0, "not a valid duration string: \"-5m\""},
      {"300y", 0, "duration out of range"},
  };
  for (const DurationCase& c : cases) Check(c, ParsePrometheusDuration(c.text));
  EXPECT_EQ(*ParseQueryDuration("1d12h"), 36 * 3600 * kNsPerSecond);
  EXPECT_EQ(*ParseQueryDuration("-5m"), -300 * kNsPerSecond);
  EXPECT_FALSE(ParseQueryDuration("1.5d").ok());
}

TEST(Duration, Format) {
  const struct {
    int64_t ns;
    const char* go;
    const char* prometheus;
  } cases[] = {
      {0, "0s", "0s"},
      {3600 * kNsPerSecond, "1h0m0s", "1h"},
      {1'500 * kNsPerMs, "1.5s", "1s500ms"},
      {250 * kNsPerMs, "250ms", "250ms"},
      {1'200, "1.2\xc2\xb5s", "0s"},
      {7, "7ns", "0s"},
      {90 * kNsPerSecond, "1m30s", "1m30s"},
      {90LL * 86400 * kNsPerSecond, "2160h0m0s", "90d"},
      {7LL * 86400 * kNsPerSecond, "168h0m0s", "1w"},
      {8LL * 86400 * kNsPerSecond, "192h0m0s", "8d"},
      {365LL * 86400 * kNsPerSecond, "8760h0m0s", "1y"},
      {-300 * kNsPerSecond, "-5m0s", "-5m"},
      {std::numeric_limits<int64_t>::min(), "-2562047h47m16.854775808s", "-106751d23h47m16s854ms"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatGoDuration(c.ns), c.go);
    EXPECT_EQ(FormatPrometheusDuration(c.ns), c.prometheus);
  }
}

TEST(HumanBytes, Parse) {
  const struct {
    const char* text;
    uint64_t bytes;
    const char* error;
  } cases[] = {
      {"999", 999, ""},
      {"5MB", 5'000'000, ""},
      {"2.5KiB", 2560, ""},
      {"5K", 5000, ""},
      {"1 KiB", 1024, ""},
      {"3 kB", 3000, ""},
      {"1,024b", 1024, ""},
      {"1eib", 1ULL << 60, ""},
      {"2Pi", 2ULL << 50, ""},
      {"0.5k", 500, ""},
      {"\u0663KB", 0, "strconv.ParseFloat: parsing \"\\xd9\": invalid syntax"},
      {"2qb", 0, "unhandled size name: qb"},
      {"2QB ", 0, "unhandled size name: qb"},
      {"20eb", 0, "too large: 20eb"},
      {"x", 0, "strconv.ParseFloat: parsing \"\": invalid syntax"},
      {"-5kb", 0, "strconv.ParseFloat: parsing \"\": invalid syntax"},
      {"1.2.3kb", 0, "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"},
  };
  for (const auto& c : cases) {
    const auto got = ParseHumanBytes(c.text);
    if (*c.error != '\0') {
      EXPECT_EQ(MessageOf(got.status()), c.error) << c.text;
    } else {
      ASSERT_TRUE(got.ok()) << c.text;
      EXPECT_EQ(*got, c.bytes) << c.text;
    }
  }
}

TEST(HumanBytes, Format) {
  const std::pair<uint64_t, const char*> cases[] = {{0, "0B"},           {5, "5B"},
                                                    {10, "10B"},         {999, "999B"},
                                                    {1000, "1.0kB"},     {1024, "1.0kB"},
                                                    {2560, "2.6kB"},     {1'000'000, "1.0MB"},
                                                    {999'999, "1000kB"}, {10'000'000'000, "10GB"},
                                                    {82'854'982, "83MB"}};
  for (const auto& [bytes, want] : cases) EXPECT_EQ(FormatHumanBytes(bytes), want);
  EXPECT_EQ(FormatIecBytes(9), "9 B");
  EXPECT_EQ(FormatIecBytes(1023), "1023 B");
  EXPECT_EQ(FormatIecBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatIecBytes(uint64_t{1} << 30), "1.0 GiB");
  EXPECT_EQ(FormatIecBytes(10'240), "10 KiB");
}

TEST(GoFloat, Parse) {
  const std::pair<const char*, double> good[] = {{"5", 5},
                                                 {"-5", -5},
                                                 {"+5", 5},
                                                 {"1e3", 1000},
                                                 {"1E+3", 1000},
                                                 {".5", 0.5},
                                                 {"5.", 5},
                                                 {"010", 10},
                                                 {"1_000", 1000},
                                                 {"0x1p4", 16},
                                                 {"0X_1.8P+1", 3},
                                                 {"1e-400", 0},
                                                 {"1_23.50_0_0e+1_2", 1.235e14},
                                                 {"0.1", 0.1},
                                                 {"-0", -0.0},
                                                 {"123456789012345678", 123456789012345678.0}};
  for (const auto& [text, want] : good) {
    const auto got = ParseGoFloat(text);
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(*got, want) << text;
  }
  for (const char* text : {"inf", "+Inf", "INFINITY", "infinity"})
    EXPECT_EQ(*ParseGoFloat(text), INFINITY) << text;
  EXPECT_EQ(*ParseGoFloat("-inf"), -INFINITY);
  EXPECT_TRUE(std::isnan(*ParseGoFloat("NaN")));
  for (const char* text :
       {"",   "x",    "0x10", "0b10", "1e", "1e+", ".",  "-",    "+nan",  "infin", "1__0", "_1",
        "1_", "1_.5", "1._5", " 1",   "1 ", "1,0", "0x", "0xp1", "1.2.3", "--1",   "1f"}) {
    const auto got = ParseGoFloat(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(MessageOf(got.status()),
              fmt::format("strconv.ParseFloat: parsing \"{}\": invalid syntax", text));
  }
  EXPECT_EQ(MessageOf(ParseGoFloat("-1e999").status()),
            "strconv.ParseFloat: parsing \"-1e999\": value out of range");
}

TEST(GoFloat, Format) {
  const struct {
    double value;
    const char* v;
    const char* sample;
  } cases[] = {
      {0, "0", "0"},
      {1, "1", "1"},
      {-1.5, "-1.5", "-1.5"},
      {3000, "3000", "3000"},
      {123456, "123456", "123456"},
      {3e6, "3e+06", "3000000"},
      {1234567, "1.234567e+06", "1234567"},
      {0.0001, "0.0001", "0.0001"},
      {0.00001, "1e-05", "0.00001"},
      {1e23, "1e+23", "100000000000000000000000"},
      {0.23333333333333334, "0.23333333333333334", "0.23333333333333334"},
      {1e100, "1e+100",
       "1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
       "0"},
      {INFINITY, "+Inf", "+Inf"},
      {-INFINITY, "-Inf", "-Inf"},
      {NAN, "NaN", "NaN"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatGoFloatV(c.value), c.v);
    EXPECT_EQ(FormatSampleValue(c.value), c.sample);
  }
}

TEST(Rfc3339, RoundTrip) {
  const std::pair<const char*, int64_t> cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-01T12:00:00Z", 1793534400LL * kNsPerSecond},
      {"2026-11-01T12:00:00.5Z", 1793534400LL * kNsPerSecond + 500 * kNsPerMs},
      {"1969-12-31T23:59:59.999999999Z", -1},
      {"2024-02-29T23:59:59Z", 1709251199LL * kNsPerSecond},
  };
  for (const auto& [text, ns] : cases) {
    const auto got = ParseRfc3339(text);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, ns) << text;
    EXPECT_EQ(FormatRfc3339Nano(ns), text);
  }
  EXPECT_EQ(*ParseRfc3339("2026-11-01T14:00:00+02:00"), 1793534400LL * kNsPerSecond);
  EXPECT_EQ(*ParseRfc3339("2026-11-01T14:00:00.1234567899+02:00"), 1793534400LL * kNsPerSecond + 123456789);
  EXPECT_EQ(FormatRfc3339(1793534400LL * kNsPerSecond + 5), "2026-11-01T12:00:00Z");
  EXPECT_EQ(MessageOf(ParseRfc3339("x").status()),
            "parsing time \"x\" as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse \"x\" as \"2006\"");
  EXPECT_EQ(MessageOf(ParseRfc3339("2023-02-29T00:00:00Z").status()),
            "parsing time \"2023-02-29T00:00:00Z\": day out of range");
  for (const char* text : {"2026-11-01", "2026-11-01T12:00:00", "2026-11-01 12:00:00Z",
                           "2026-11-01T12:00:00Zx", "2026-13-01T12:00:00Z", "9999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(ParseRfc3339(text).ok()) << text;
  }
}

TEST(Runes, CaseAndSpace) {
  EXPECT_EQ(ToLower("AB\xc3\x84\xff"), "ab\xc3\xa4\xef\xbf\xbd");
  EXPECT_EQ(ToUpper("ab\xc3\xa4"), "AB\xc3\x84");
  EXPECT_EQ(TrimSpace(" \t\xc2\xa0x y\xe2\x80\x83\n"), "x y");
  EXPECT_EQ(TrimSpace("  "), "");
  EXPECT_TRUE(IsLetterRune(U'é'));
  EXPECT_FALSE(IsLetterRune(U'٣'));
  EXPECT_TRUE(IsDigitRune(U'٣'));
  EXPECT_FALSE(IsLetterRune(U'€'));
}

}  // namespace
}  // namespace skald
