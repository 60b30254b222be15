#include "server/http/params.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

constexpr int64_t kNow = 1'793'538'000'000'000'000;

Params Form(std::string query) {
  HttpRequest request;
  request.method = "GET";
  request.raw_query = std::move(query);
  return *Params::Of(request);
}

TEST(Params, BodyValuesComeFirstAndAllAreKept) {
  HttpRequest request;
  request.method = "POST";
  request.raw_query = "a=url&match=x";
  request.body = "a=body&match=y+z%21";
  request.headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  auto params = Params::Of(request);
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->Get("a"), "body");
  EXPECT_EQ(params->All("match"), (std::vector<std::string>{"y z!", "x"}));
  request.headers.clear();  // without a type the body is not looked at
  EXPECT_EQ(Params::Of(request)->Get("a"), "url");
  request.raw_query = "a=%zz";
  EXPECT_EQ(MessageOf(Params::Of(request).status()), "invalid URL escape \"%zz\"");
}

TEST(Params, Times) {
  const struct {
    const char* text;
    int64_t want;
  } kRows[] = {
      {"", kNow},
      {"1793534400", 1'793'534'400'000'000'000},
      {"4000000000", 4'000'000'000'000'000'000},
      {"1793534400123", 1'793'534'400'123},  // 13 digits are nanoseconds
      {"1793534400000000001", 1'793'534'400'000'000'001},
      {"1793534400.1236", 1'793'534'400'124'000'000},
      {"-1", -1'000'000'000},
      {"2026-11-01T12:00:00.5Z", 1'793'534'400'500'000'000},
  };
  for (const auto& row : kRows) {
    const auto got = ParseTimeParam(row.text, kNow);
    ASSERT_TRUE(got.ok()) << row.text;
    EXPECT_EQ(*got, row.want) << row.text;
  }
  for (const char* bad : {"we", "1e9", " 5", "2026-11-01", "1.x"}) {
    EXPECT_EQ(MessageOf(ParseTimeParam(bad, 0).status()),
              fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", bad));
  }
}

TEST(Params, RangeQueryErrors) {
  const struct {
    const char* query;
    const char* want;
  } kRows[] = {
      {"start=yesterday",
       "could not parse 'start' parameter: strconv.ParseInt: parsing \"yesterday\": invalid syntax"},
      {"end=x", "could not parse 'end' parameter: strconv.ParseInt: parsing \"x\": invalid syntax"},
      {"since=1.5h", "could not parse 'since' parameter: unknown unit \".\" in duration \"1.5h\""},
      {"start=2&end=1", "end timestamp must not be before or equal to start time"},
      {"limit=-1", "limit must be a positive value"},
      {"limit=x", "strconv.Atoi: parsing \"x\": invalid syntax"},
      {"direction=sideways", "invalid direction 'sideways'"},
      {"step=0", "zero or negative query resolution step widths are not accepted. Try a positive integer"},
      {"step=1ms",
       "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step "
       "parameter"},
      {"step=5x", "cannot parse \"5x\" to a valid duration"},
      {"step=1e300", "cannot parse \"1e300\" to a valid duration. It overflows int64"},
      {"interval=-1", "interval must be >= 0"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(MessageOf(ParseRangeQuery(Form(row.query), kNow).status()), row.want) << row.query;
  }
}

TEST(Params, RangeQueryDefaults) {
  auto q = ParseRangeQuery(Form("query=%7Ba%3D%22b%22%7D"), kNow);
  ASSERT_TRUE(q.ok());
  EXPECT_EQ(q->query, "{a=\"b\"}");
  EXPECT_EQ(q->end_ns, kNow);
  EXPECT_EQ(q->start_ns, kNow - 3600 * kNsPerSecond);
  EXPECT_EQ(q->step_ns, 14 * kNsPerSecond);
  EXPECT_EQ(q->limit, 100u);
  EXPECT_EQ(q->direction, Direction::kBackward);
  q = ParseRangeQuery(Form("start=5&end=5&step=1.0019&interval=2m&direction=FORWARD"),
                      kNow);  // equal ends are fine
  ASSERT_TRUE(q.ok());
  EXPECT_EQ(q->step_ns, 1'001'000'000);
  EXPECT_EQ(q->interval_ns, 120 * kNsPerSecond);
  EXPECT_EQ(q->direction, Direction::kForward);
}

TEST(Params, InstantQuery) {
  EXPECT_EQ(MessageOf(ParseInstantQuery(Form("time=we"), kNow).status()),
            "strconv.ParseInt: parsing \"we\": invalid syntax");
  EXPECT_EQ(ParseInstantQuery(Form("time=4000000000"), kNow)->end_ns, 4'000'000'000'000'000'000);
}

TEST(Params, Headers) {
  HttpRequest request;
  request.headers = {{"X-Loki-Response-Encoding-Flags", "a,categorize-labels"},
                     {"X-Query-Tags", "x=y,SOURCE=Grafana-LokiExplore-App"}};
  EXPECT_EQ(EncodingFlags(request), (std::vector<std::string>{"a", "categorize-labels"}));
  EXPECT_TRUE(IsDrilldown(request));
  EXPECT_FALSE(IsDrilldown(HttpRequest()));
}

TEST(Tenant, Rules) {
  const struct {
    bool auth;
    std::string header;
    bool push;
    std::string tenant;
    int status;
    std::string message;
  } kRows[] = {
      {false, "whoever", true, "fake", 200, ""},
      {true, "", true, "", 401, "no org id"},
      {true, "a", false, "a", 200, ""},
      {true, "a:sub", false, "a", 200, ""},
      {true, "a|", false, "a", 200, ""},
      {true, "a|", true, "", 400, "multiple org IDs present"},
      {true, "a|a", false, "a", 200, ""},
      {true, "a|b", false, "", 500, "multiple org IDs present"},
      {true, "a|b", true, "", 400, "multiple org IDs present"},
      {true, "a/b", true, "", 400, "tenant ID 'a/b' contains unsupported character '/'"},
      {true, "..", true, "", 400, "tenant ID is '.' or '..'"},
      {true, std::string(151, 'x'), true, "", 400, "tenant ID is too long: max 150 characters"},
  };
  for (const auto& row : kRows) {
    const TenantOrError got = ResolveTenant(row.auth, row.header, row.push);
    EXPECT_EQ(got.tenant, row.tenant) << row.header;
    EXPECT_EQ(got.status, row.status) << row.header;
    EXPECT_EQ(got.message, row.message) << row.header;
  }
}

TEST(Url, CleanPath) {
  const struct {
    const char* path;
    const char* want;
  } kRows[] = {{"/", "/"},     {"/a/b", "/a/b"}, {"//a", "/a"},     {"/a/../b", "/b"},
               {"/a/", "/a/"}, {"/../x", "/x"},  {"/a/./b", "/a/b"}};
  for (const auto& row : kRows) EXPECT_EQ(CleanPath(row.path), row.want) << row.path;
}

}  // namespace
}  // namespace skald::server
