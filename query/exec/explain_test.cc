#include "query/exec/explain.h"

#include <gtest/gtest.h>

#include "query/exec/memory_log_source.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

constexpr int64_t kS = kNsPerSecond;

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() {
    for (int block = 0; block < 4; ++block) {
      std::vector<MemoryEntry> entries;
      for (int i = 0; i < 10; ++i)
        entries.push_back({(block * 100 + i) * kS, i == 0 ? "first of block" : "n=1", {}});
      source_.AddBlock("t", {{{{"app", "x"}}, entries}});
    }
  }

  Explanation Of(const std::string& query, bool analyze) {
    QueryParams params;
    params.tenant = "t";
    params.end_ns = 400 * kS;
    params.step_ns = 400 * kS;
    params.direction = Direction::kForward;
    const auto expr = logql::ParseExpr(query);
    EXPECT_TRUE(expr.ok()) << expr.status();
    auto out = Engine(&source_, &pool_, &budget_).Explain(*expr, params, QueryLimits(), analyze, nullptr);
    EXPECT_TRUE(out.ok()) << out.status();
    return *std::move(out);
  }

  MemoryLogSource source_;
  ThreadPool pool_{2};
  MemoryBudget budget_{"process", int64_t{1} << 30};
};

TEST_F(ExplainTest, HeadersAnswer) {
  const Explanation x = Of(R"(sum(count_over_time({app="x"}[400s])))", true);
  EXPECT_EQ(x.estimates[0].streams, 1u);
  EXPECT_EQ(x.estimates[0].blocks_from_header, x.trace.reads[0].blocks_from_header);
  EXPECT_EQ(x.estimates[0].blocks_to_decode, x.trace.reads[0].blocks_decoded);
  EXPECT_GT(x.estimates[0].blocks_from_header, 0u);
  EXPECT_EQ(x.total.entries_returned, 1u);
}

TEST_F(ExplainTest, EstimateAlone) {
  const uint64_t reads = source_.reads();
  const Explanation x = Of(R"({app="x"} |= "first")", false);
  EXPECT_EQ(source_.reads(), reads);
  EXPECT_FALSE(x.analyzed);
  EXPECT_EQ(x.estimates[0].blocks, 4u);
  EXPECT_EQ(x.estimates[0].lines, 40u);
  EXPECT_NE(ExplainText(x).find(
                "estimate      1 streams, 4 blocks: 0 outside of windows, 0 by header, at most 4 to decode"),
            std::string::npos)
      << ExplainText(x);
}

TEST_F(ExplainTest, CountsOfLines) {
  const Explanation x = Of(R"({app="x"} |= "first" | logfmt | x!="y")", true);
  EXPECT_EQ(x.trace.reads[0].blocks_decoded, 4u);
  EXPECT_EQ(x.trace.reads[0].lines_processed, 40u);
  EXPECT_EQ(x.trace.reads[0].lines_after_leading_filters, 4u);
  EXPECT_NE(ExplainText(x).find("4 passed the filters, 4 parsed, 4 kept"), std::string::npos)
      << ExplainText(x);
  const Explanation none = Of(R"({app="x"} |= "absent")", true);
  EXPECT_EQ(none.trace.reads[0].blocks_without_match, 4u);
}

TEST_F(ExplainTest, StepsAndSharedReads) {
  const Explanation x = Of(R"(rate({app="x"}[1m]) / rate({app="x"}[1m]))", true);
  ASSERT_EQ(x.trace.reads.size(), 1u);
  EXPECT_EQ(x.trace.steps.size(), 3u);
  EXPECT_EQ(x.trace.reads[0].lines_processed, x.total.lines_processed);
  std::string json;
  JsonWriter w(&json);
  WriteExplainJson(x, &w);
  EXPECT_NE(json.find(R"("analyzed":true,"steps":[{"name":"/","depth":0,)"), std::string::npos) << json;
}

}  // namespace
}  // namespace skald::exec
