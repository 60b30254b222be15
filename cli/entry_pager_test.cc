#include "cli/entry_pager.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace skald::cli {
namespace {

// A server with given lines; answers as query_range does.
class FakeServer {
 public:
  explicit FakeServer(std::vector<int64_t> times) {
    int n = 0;
    for (const int64_t time : times) lines_.push_back({time, labels_, std::to_string(n++)});
  }

  absl::StatusOr<std::vector<Entry>> Answer(const PageRequest& page) {
    ++requests;
    EXPECT_LE(page.limit, kMaxBatch);
    std::vector<Entry> found;
    for (const Entry& line : lines_) {
      if (page.range.Contains(line.time_ns)) found.push_back(line);
    }
    if (!page.forward) std::reverse(found.begin(), found.end());
    SortEntries(&found, page.forward);
    if (found.size() > page.limit) found.resize(page.limit);
    return found;
  }

  int requests = 0;

 private:
  std::shared_ptr<const Labels> labels_ = std::make_shared<const Labels>(Labels{{"app", "a"}});
  std::vector<Entry> lines_;
};

std::vector<std::string> AllPages(FakeServer* server, uint64_t limit, uint64_t batch, bool forward,
                                  absl::Status* status) {
  std::vector<std::string> out;
  *status = PageEntries(
      {0, 1000}, limit, batch, forward, [&](const PageRequest& page) { return server->Answer(page); },
      [&](const std::vector<Entry>& entries) {
        for (const Entry& entry : entries) out.push_back(entry.line);
      });
  return out;
}

TEST(EntryPager, EachLineOnceWhateverTheBatch) {
  const std::vector<int64_t> times = {1, 2, 2, 2, 3, 5, 5, 8, 9, 9, 9, 9, 9, 10};
  for (const bool forward : {true, false}) {
    for (uint64_t batch = 1; batch <= 20; ++batch) {
      for (const uint64_t limit : {0, 1, 3, 5, 13, 14, 50}) {
        FakeServer server(times);
        absl::Status status;
        const std::vector<std::string> got = AllPages(&server, limit, batch, forward, &status);
        ASSERT_TRUE(status.ok()) << status.ToString();
        std::vector<std::string> want;
        for (size_t i = 0; i < times.size(); ++i)
          want.push_back(std::to_string(forward ? i : times.size() - 1 - i));
        if (limit != 0 && limit < want.size()) want.resize(limit);
        EXPECT_EQ(got, want) << "batch " << batch << " limit " << limit << " forward " << forward;
      }
    }
  }
}

TEST(EntryPager, OneRequestWhenOneIsEnough) {
  FakeServer server({1, 2, 3});
  absl::Status status;
  EXPECT_EQ(AllPages(&server, 30, 1000, false, &status).size(), 3u);
  EXPECT_EQ(server.requests, 1);
}

TEST(EntryPager, MoreLinesAtOneTimeThanAnyBatchHolds) {
  FakeServer server(std::vector<int64_t>(kMaxBatch + 1, 7));
  absl::Status status;
  AllPages(&server, 0, 10, true, &status);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status.ToString();
}

TEST(SeenWindow, NewLinesOnceLateOnesToo) {
  const auto labels = std::make_shared<const Labels>(Labels{{"app", "a"}});
  SeenWindow seen(10);
  EXPECT_EQ(seen.begin_ns(), kMinTimeNs);
  EXPECT_EQ(seen.TakeNew({{100, labels, "a"}, {105, labels, "b"}}).size(), 2u);
  EXPECT_EQ(seen.begin_ns(), 95);
  const auto fresh =
      seen.TakeNew({{100, labels, "a"}, {101, labels, "late"}, {105, labels, "b"}, {120, labels, "c"}});
  ASSERT_EQ(fresh.size(), 2u);
  EXPECT_EQ(fresh[0].line, "late");
  EXPECT_EQ(fresh[1].line, "c");
  EXPECT_EQ(seen.begin_ns(), 110);
}

}  // namespace
}  // namespace skald::cli
