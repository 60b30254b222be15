#include "cli/answer.h"

#include <gtest/gtest.h>

namespace skald::cli {
namespace {

TEST(Answer, Streams) {
  const auto answer = ParseQueryAnswer(
      R"({"status":"success","data":{"resultType":"streams","result":[)"
      R"({"stream":{"app":"a","x":"\u003c"},"values":[["2","two"],["1","o\"ne",{"parsed":{"k":"v"}}]]},)"
      R"({"stream":{},"values":[["9223372036854775807",""]]}],)"
      R"("stats":{"summary":{"totalBytesProcessed":7,"totalLinesProcessed":3,"execTime":0.5}}},"warnings":["w"]})");
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->result_type, "streams");
  ASSERT_EQ(answer->entries.size(), 3u);
  EXPECT_EQ(answer->entries[0].time_ns, 2);
  EXPECT_EQ(answer->entries[0].labels->ToString(), R"({app="a", x="<"})");
  EXPECT_EQ(answer->entries[1].line, "o\"ne");
  EXPECT_EQ(answer->entries[2].time_ns, INT64_MAX);
  EXPECT_EQ(answer->warnings, std::vector<std::string>{"w"});
  EXPECT_EQ(answer->bytes_processed, 7u);
  EXPECT_EQ(answer->execution_seconds, 0.5);
}

TEST(Answer, MetricsKeepTheirJson) {
  const auto answer = ParseQueryAnswer(
      R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"2"]}]}})");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->result_json, R"([{"metric":{"a":"b"},"value":[1.5,"2"]}])");
}

TEST(Answer, OtherTextsAreRefusedByName) {
  const char* cases[] = {
      "",
      "<html>bad gateway</html>",
      "[]",
      R"({"status":"success"})",
      R"({"data":{"resultType":"streams","result":null}})",
      R"({"data":{"resultType":"streams","result":[{"stream":{"a":1},"values":[]}]}})",
      R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[[1,"x"]]}]}})",
      R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[["1x","x"]]}]}})",
      R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[["1"]]}]}})",
  };
  for (const char* text : cases) {
    const auto answer = ParseQueryAnswer(text);
    EXPECT_FALSE(answer.ok()) << text;
    EXPECT_NE(answer.status().ToString().find("not an answer of the query API"), std::string::npos) << text;
  }
}

TEST(Answer, ListsAndSeries) {
  EXPECT_EQ(*ParseStringList(R"({"status":"success","data":["a","b"]})"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(ParseStringList(R"({"status":"success"})")->empty());
  EXPECT_FALSE(ParseStringList(R"({"data":[1]})").ok());
  const auto series = ParseSeries(R"({"status":"success","data":[{"b":"2","a":"1"}]})");
  ASSERT_TRUE(series.ok());
  EXPECT_EQ(series->at(0).ToString(), R"({a="1", b="2"})");
}

TEST(ParseTailFrame, LabelsOfAllCategoriesAndWhatWasDropped) {
  const auto frame =
      ParseTailFrame(R"({"streams":[{"stream":{"app":"a","x":"index"},"values":[["5","line",)"
                     R"({"structuredMetadata":{"trace":"t"},"parsed":{"x":"parsed"}}]]},)"
                     R"({"stream":{"app":"b"},"values":[["6","other"]]}],)"
                     R"("dropped_entries":[{"timestamp":"7","labels":{}},{"timestamp":"8","labels":{}}]})");
  ASSERT_TRUE(frame.ok()) << frame.status().ToString();
  ASSERT_EQ(frame->entries.size(), 2u);
  EXPECT_EQ(frame->entries[0].labels->ToString(), R"({app="a", trace="t", x="parsed"})");
  EXPECT_EQ(frame->entries[0].time_ns, 5);
  EXPECT_EQ(frame->entries[1].labels->ToString(), R"({app="b"})");
  EXPECT_EQ(frame->dropped, 2u);
  EXPECT_FALSE(ParseTailFrame("{}").ok());
  EXPECT_FALSE(ParseTailFrame("<html>").ok());
}

}  // namespace
}  // namespace skald::cli
