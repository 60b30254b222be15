// Rolling windows over lines in memory, with full evaluation beside them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/exec/windows/rolling_windows.h"

namespace skald::exec {

inline constexpr int64_t kS = kNsPerSecond;
inline constexpr int64_t kStart = 1'700'000'000 * kS;

class RollingWindowsTest : public testing::Test {
 protected:
  absl::StatusOr<QueryResult> Run(const std::string& query, int64_t at_ns, int64_t interval_ns,
                                  const std::string& tenant = "t") {
    QueryParams params;
    params.tenant = tenant;
    params.query = query;
    params.instant = true;
    params.end_ns = at_ns;
    if (interval_ns > 0) {
      params.windows = windows_.get();
      params.interval_ns_of_windows = interval_ns;
    }
    return Engine(&source_, &pool_, &budget_).Run(params, QueryLimits(), nullptr);
  }
  struct Sent {
    Labels labels;
    std::vector<MemoryEntry> entries;
    std::string tenant;
    int64_t min_ns = 0;
    int64_t max_ns = 0;
    uint64_t batch = 0;
    uint64_t file = 0;  // that it stands in; 0: in the log
  };
  // For the tenant alone, and for the two as one.
  void Store(const Sent& sent) {
    source_.AddBlock(sent.tenant, {{sent.labels, sent.entries}});
    Labels told = sent.labels;
    told.Set("__tenant_id__", sent.tenant);
    source_.AddBlock("t|u", {{told, sent.entries}});
  }
  void Arrive(const Labels& labels, std::vector<MemoryEntry> entries, const std::string& tenant = "t") {
    int64_t min_ns = kMaxTimeNs;
    int64_t max_ns = kMinTimeNs;
    for (const MemoryEntry& entry : entries) {
      min_ns = std::min(min_ns, entry.time_ns);
      max_ns = std::max(max_ns, entry.time_ns);
    }
    sent_.push_back(Sent{labels, std::move(entries), tenant, min_ns, max_ns, ++batch_});
    Store(sent_.back());
    if (before_publish_) before_publish_();
    Publish(sent_.back());
  }
  void Publish(const Sent& sent) {
    const auto shared = std::make_shared<const Labels>(sent.labels);
    const std::string text = sent.labels.ToString();
    std::vector<std::string>& streams = streams_[sent.tenant];
    const auto it = std::find(streams.begin(), streams.end(), text);
    const auto id = static_cast<uint32_t>(it - streams.begin()) + 1;  // the tenants' are alike
    if (it == streams.end()) streams.push_back(text);
    windows_->Publish(sent.tenant, StreamId{id}, shared, sent.min_ns, sent.max_ns, sent.batch);
  }
  // A few lines of one stream: on time, late, very late, or ahead of the clock.
  void ArriveAtRandom(std::mt19937_64* random, int64_t now_ns, int64_t interval_ns) {
    const auto below = [&](uint64_t n) { return (*random)() % n; };
    Labels labels{{"app", std::string(1, static_cast<char>('a' + below(3)))},
                  {"pod", std::to_string(below(2))}};
    constexpr int64_t kLate[] = {0, 0, 0, 2, 20, 70, 400, 4000, -10};
    const int64_t late_ns = kLate[below(9)] * kS;
    std::vector<MemoryEntry> entries;
    for (uint64_t i = 1 + below(6); i > 0; --i) {
      MemoryEntry entry;
      entry.time_ns = now_ns - late_ns - static_cast<int64_t>(below(static_cast<uint64_t>(interval_ns)));
      std::string d = below(20) == 0 ? "oops" : fmt::format("{}", static_cast<double>(below(1000)) / 8);
      if (below(5) == 0) {  // on the edge; values of one time are alike, so that first and last are clear
        entry.time_ns = now_ns - late_ns;
        d = "7";
      }
      entry.line =
          fmt::format("level={} d={} {}", below(2) == 0 ? "info" : "warn", d, below(3) == 0 ? "error" : "");
      entries.push_back(std::move(entry));
    }
    Arrive(labels, std::move(entries), below(4) == 0 ? "u" : "t");
  }
  // A delete hides one batch.
  void Hide(size_t which) {
    const std::string tenant = sent_[which].tenant;
    sent_.erase(sent_.begin() + static_cast<ptrdiff_t>(which));
    StoreAnew();
    deletes_[tenant] += "x";
    windows_->Forget(tenant, deletes_[tenant]);
  }
  void StoreAnew() {
    source_ = MemoryLogSource();
    for (const Sent& sent : sent_) Store(sent);
  }
  void ExpectSame(const std::string& query, int64_t at_ns, int64_t interval_ns, const std::string& when,
                  const std::string& tenant = "t") {
    const absl::StatusOr<QueryResult> full = Run(query, at_ns, 0, tenant);
    const absl::StatusOr<QueryResult> rolled = Run(query, at_ns, interval_ns, tenant);
    ASSERT_EQ(full.status().code(), rolled.status().code()) << query << " " << when << "\n"
                                                            << full.status().ToString() << "\n"
                                                            << rolled.status().ToString();
    if (!full.ok()) return;
    const auto& want = std::get<Vector>(full->data).samples;
    const auto& got = std::get<Vector>(rolled->data).samples;
    ASSERT_EQ(want.size(), got.size()) << query << " " << when;
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(want[i].labels.ToString(), got[i].labels.ToString()) << query << " " << when;
      if (std::isnan(want[i].value) && std::isnan(got[i].value)) continue;
      EXPECT_NEAR(want[i].value, got[i].value, 1e-9 * std::max(1.0, std::abs(want[i].value)))
          << query << " " << when << " " << want[i].labels.ToString();
    }
  }

  MemoryLogSource source_;
  ThreadPool pool_{2};
  MemoryBudget budget_{"test", int64_t{1} << 30};
  std::unique_ptr<RollingWindows> windows_ = std::make_unique<RollingWindows>(int64_t{256} << 20);
  std::map<std::string, std::vector<std::string>> streams_;
  std::vector<Sent> sent_;
  uint64_t batch_ = 0;
  std::map<std::string, std::string> deletes_;
  std::function<void()> before_publish_;  // lines can be read already
};

inline const char* const kQueries[] = {
    "count_over_time({app=~\".+\"}[1m])",
    "sum(count_over_time({app=~\".+\"}[5m]))",
    "sum by (app) (rate({app=~\"a|b\"} |= \"error\" [45s])) > 0.01",
    "rate({app=\"a\"}[7s])",
    "bytes_rate({app=~\".+\"}[1m] offset 30s)",
    "sum by (level) (bytes_over_time({app=~\".+\"} | logfmt [2m]))",
    "sum(sum_over_time({app=~\".+\"} | logfmt | unwrap d | __error__=\"\" [3m])) by (app)",
    "min_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
    "max_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [100s]) by (app)",
    "avg_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "stddev_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "stdvar_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [2m])",
    "first_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "last_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "quantile_over_time(0.9, {app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [2m]) by (app)",
    "quantile_over_time(0.5, {app=\"b\"} | logfmt d | unwrap d | __error__=\"\" [20s])",
    "rate_counter({app=\"a\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
    "sum by (app) (rate_counter({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [10m] offset 1m))",
    "quantile_over_time(0.99, {app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1h]) by (app, level)",
    "absent_over_time({app=\"c\"}[20s])",
    "absent_over_time({app=\"nobody\"}[1m])",
    "sum(count_over_time({app=\"a\"} |= \"error\" [1m])) / sum(count_over_time({app=\"a\"}[1m])) > 0.1",
    "topk(2, sum by (level) (count_over_time({app=~\".+\"} | logfmt [1m])))",
    // Unhandled errors fail as long as a window holds such a line.
    "sum_over_time({app=\"c\"} | logfmt d | unwrap d [30s])",
    "sum(count_over_time({app=~\".+\"}[1h])) + sum(count_over_time({app=~\".+\"}[10m] offset 1m))",
};

// Of two tenants as one.
inline const char* const kQueriesOfTwo[] = {
    "sum by (__tenant_id__) (count_over_time({app=~\".+\"}[2m]))",
    "count_over_time({app=\"a\", __tenant_id__=\"u\"}[1m])",
    "sum(sum_over_time({app=~\"a|b\", __tenant_id__!=\"u\"} | logfmt d | unwrap d | __error__=\"\" [3m]))",
    "rate_counter({app=\"b\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
};

}  // namespace skald::exec
