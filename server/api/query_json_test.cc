#include "server/api/query_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skald::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

QueryResult TwoEntries() {
  Streams streams;
  const uint32_t set = streams.AddLabelSet({{"app", "a<b", LabelCategory::kStream},
                                            {"level", "info", LabelCategory::kParsed},
                                            {"trace", "t", LabelCategory::kMetadata}});
  const uint32_t bare = streams.AddLabelSet({{"app", "a<b", LabelCategory::kStream}});
  streams.AddEntry(20, set, "x <&> \xff");
  streams.AddEntry(10, bare, "y");
  QueryResult result;
  result.data = std::move(streams);
  result.warnings = {"w"};
  return result;
}

std::string Without(std::string text, std::string_view part) {
  const size_t at = text.find(part);
  return at == std::string::npos ? text : text.erase(at, part.size());
}

std::string Body(const QueryResult& result, const std::vector<std::string>& flags) {
  return Without(QueryResultJson(result, flags, {}), ",\"stats\":" + StatsJson(result.stats, {}));
}

TEST(QueryJson, Streams) {
  EXPECT_EQ(Body(TwoEntries(), {}),
            "{\"status\":\"success\",\"warnings\":[\"w\"],\"data\":{\"resultType\":\"streams\",\"result\":["
            "{\"stream\":{\"app\":\"a<b\",\"level\":\"info\",\"trace\":\"t\"},\"values\":[[\"20\",\"x "
            "\\u003c\\u0026\\u003e \\ufffd\"]]},"
            "{\"stream\":{\"app\":\"a<b\"},\"values\":[[\"10\",\"y\"]]}]}}\n");
  QueryResult empty;
  empty.data = Streams();
  EXPECT_EQ(Body(empty, {}),
            "{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[]}}\n");
}

TEST(QueryJson, CategorizedStreams) {
  EXPECT_EQ(
      Body(TwoEntries(), {"x", "categorize-labels"}),
      "{\"status\":\"success\",\"warnings\":[\"w\"],\"data\":{\"resultType\":\"streams\",\"encodingFlags\":["
      "\"x\",\"categorize-"
      "labels\"],\"result\":[{\"stream\":{\"app\":\"a<b\"},\"values\":[[\"20\",\"x \\u003c\\u0026\\u003e "
      "\\ufffd\","
      "{\"structuredMetadata\":{\"trace\":\"t\"},\"parsed\":{\"level\":\"info\"}}],[\"10\",\"y\",{}]]}]}}\n");
}

TEST(QueryJson, Numbers) {
  QueryResult result;
  Matrix matrix;
  matrix.series.push_back(
      {Labels{{"a", "<"}},
       {{1'568'404'331'324, 0.013333333333333334}, {1'588'889'221'000, 1e12}, {5, 1e-8}}});
  result.data = matrix;
  EXPECT_EQ(
      Body(result, {"categorize-labels"}),
      "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":"
      "\"\\u003c\"},\"values\":["
      "[1568404331.324,\"0.013333333333333334\"],[1588889221,\"1000000000000\"],[0.005,\"0.00000001\"]]}]}}");
  Vector vector;
  vector.t_ms = 4'000'000'000'000;
  vector.samples.push_back({Labels(), 2});
  result.data = vector;
  result.warnings = {"w"};
  EXPECT_EQ(Body(result, {}),
            "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
            "\"value\":[4000000000,\"2\"]}]},"
            "\"warnings\":[\"w\"]}");
  result.warnings.clear();
  Scalar scalar;
  scalar.value = 2;
  result.data = scalar;
  EXPECT_EQ(Body(result, {}),
            "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[0,\"2\"]}}");
}

TEST(QueryJson, StatsHaveAllFields) {
  QueryStats stats;
  stats.bytes_processed = 1000;
  stats.lines_processed = 10;
  const std::string json = StatsJson(stats, {500'000'000, 0});
  EXPECT_THAT(json, StartsWith("{\"summary\":{\"bytesProcessedPerSecond\":2000,\"linesProcessedPerSecond\":"
                               "20,\"totalBytesProcessed\":1000,"));
  for (const char* key : {"execTime\":0.5", "\"querier\":{\"store\":{", "\"ingester\":{\"totalReached\":0",
                          "\"instantMetricResult\":{", "\"usedBloomFilters\":false",
                          "\"dataobj\":{\"prePredicateDecompressedRows\":0", "\"totalDuplicates\":0"}) {
    EXPECT_THAT(json, HasSubstr(key));
  }
}

TEST(QueryJson, Lists) {
  EXPECT_EQ(StringListJson({}), "{\"status\":\"success\"}\n");
  EXPECT_EQ(StringListJson({"a", "<"}), "{\"status\":\"success\",\"data\":[\"a\",\"<\"]}\n");
  EXPECT_EQ(SeriesJson({}), "{\"status\":\"success\",\"data\":[]}\n");
  EXPECT_EQ(SeriesJson({Labels{{"a", "b"}}}), "{\"status\":\"success\",\"data\":[{\"a\":\"b\"}]}\n");
}

}  // namespace
}  // namespace skald::server
