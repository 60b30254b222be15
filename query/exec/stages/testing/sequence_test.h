// What tests of stages of the answer share: a few streams in memory, and queries over them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/logql/parser.h"

namespace skald::exec {

class SequenceTest : public testing::Test {
 protected:
  // One block of a stream: lines at seconds.
  void Add(const std::vector<std::pair<int64_t, std::string>>& lines, const Labels& stream = {{"app", "x"}}) {
    std::vector<MemoryEntry> entries;
    for (const auto& [t_s, line] : lines) entries.push_back({t_s * kNsPerSecond, line, {}});
    source_.AddBlock("t", {{stream, entries}});
  }

  QueryResult Run(const std::string& query, uint32_t limit, Direction direction) {
    QueryParams params;
    params.tenant = "t";
    params.end_ns = 1000 * kNsPerSecond;
    params.limit = limit;
    params.direction = direction;
    const auto expr = logql::ParseExpr(query, {.extensions = true});
    EXPECT_TRUE(expr.ok()) << query << " " << expr.status();
    auto result = Engine(&source_, &pool_, &budget_).RunExpr(*expr, params, QueryLimits(), nullptr);
    EXPECT_TRUE(result.ok()) << query << " " << result.status();
    return *std::move(result);
  }

  // What stands behind n= in each line of the answer.
  std::string Numbers(const std::string& query, uint32_t limit, Direction direction) {
    const QueryResult result = Run(query, limit, direction);
    const auto& streams = std::get<Streams>(result.data);
    std::string out;
    for (const Streams::Entry& entry : streams.entries()) {
      const std::string_view line = entry.line;
      out += (out.empty() ? "" : " ") + std::string(line.substr(line.find("n=") + 2));
    }
    return out;
  }
  std::string Forward(const std::string& query, uint32_t limit = 100) {
    return Numbers(query, limit, Direction::kForward);
  }
  std::string Backward(const std::string& query, uint32_t limit = 100) {
    return Numbers(query, limit, Direction::kBackward);
  }

  // The labels of each line of the answer.
  std::string Labeled(const std::string& query) {
    const QueryResult result = Run(query, 100, Direction::kForward);
    const auto& streams = std::get<Streams>(result.data);
    std::string out;
    for (const Streams::Entry& entry : streams.entries()) {
      std::vector<Labels::Pair> pairs;
      for (const CategorizedLabel& label : streams.labels(entry)) pairs.emplace_back(label.name, label.value);
      out += (out.empty() ? "" : " ") + Labels(std::move(pairs)).ToString();
    }
    return out;
  }

  MemoryLogSource source_;
  ThreadPool pool_{2};
  MemoryBudget budget_{"process", int64_t{1} << 30};
};

}  // namespace skald::exec
