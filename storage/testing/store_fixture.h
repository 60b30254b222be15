// Helpers for tests of a whole store: batches out of short texts, and all rows of a selection as sorted text.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/store.h"

namespace skald {

struct TestLine {
  int64_t time_ns;
  std::string line;
};

inline std::shared_ptr<const Rows> MakeRows(std::vector<TestLine> lines) {
  std::stable_sort(lines.begin(), lines.end(),
                   [](const TestLine& a, const TestLine& b) { return a.time_ns < b.time_ns; });
  auto rows = std::make_shared<Rows>();
  for (const TestLine& line : lines) rows->Append(line.time_ns, line.line);
  return rows;
}

inline AppendBatch MakeBatch(const Labels& labels, std::vector<TestLine> lines, std::string agent = "",
                             uint64_t sequence = 0) {
  AppendBatch batch;
  batch.tenant = "t";
  batch.agent_id = std::move(agent);
  batch.sequence = BatchSeq{sequence};
  batch.streams.push_back({labels, MakeRows(std::move(lines)), ""});
  return batch;
}

inline Matcher Match(std::string name, std::string value, MatchOp op = MatchOp::kEqual) {
  return *Matcher::Make(op, std::move(name), std::move(value));
}

struct ReadResult {
  std::vector<std::string> rows;  // "time {labels} line", sorted; repetitions in overlapping slices taken out
  uint64_t repetitions = 0;       // taken out
  uint64_t damaged_blocks = 0;
  size_t blocks = 0;
};

// Checks on the way what a Selection promises.
inline ReadResult ReadAll(const LogSource& source, const std::vector<Matcher>& matchers, TimeRange range = {},
                          const std::string& tenant = "t") {
  ReadResult result;
  auto selection = source.Select(tenant, matchers, range);
  EXPECT_TRUE(selection.ok()) << selection.status();
  if (!selection.ok()) return result;
  std::vector<std::string> texts;
  for (const StreamRef& stream : selection->streams) texts.push_back(stream.labels->ToString());
  EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
  std::map<std::string, int> seen;  // in slices that overlap
  std::vector<std::string> alone;
  result.blocks = selection->blocks.size();
  for (const auto& block : selection->blocks) {
    EXPECT_TRUE(range.Overlaps(block->min_ns(), block->max_ns()));
    Rows scratch;
    auto rows = block->Read({true, true, true}, &scratch, nullptr);
    if (!rows.ok()) {
      EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss) << rows.status();
      ++result.damaged_blocks;
      continue;
    }
    for (const Slice& slice : block->slices()) {
      uint64_t bytes = 0;
      uint64_t level_rows = 0;
      for (const LevelCount& level : slice.levels) level_rows += level.rows;
      EXPECT_EQ(level_rows, slice.rows());
      for (uint32_t i = slice.row_begin; i < slice.row_end; ++i) {
        const int64_t t = (*rows)->time_ns[i];
        EXPECT_GE(t, slice.min_ns);
        EXPECT_LE(t, slice.max_ns);
        bytes += (*rows)->line(i).size();
        if (!range.Contains(t)) continue;
        std::string text = fmt::format("{} {} {}", t, texts[slice.stream], (*rows)->line(i));
        if (slice.overlaps) {
          if (++seen[text] > 1) ++result.repetitions;
        } else {
          alone.push_back(std::move(text));
        }
      }
      EXPECT_EQ(bytes, slice.line_bytes);
    }
  }
  result.rows = std::move(alone);
  for (const auto& [text, count] : seen) result.rows.push_back(text);
  std::sort(result.rows.begin(), result.rows.end());
  return result;
}

}  // namespace skald
