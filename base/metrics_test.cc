#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skald {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, TextHoldsEveryKind) {
  Metrics metrics;
  metrics.Counter("a_total", "A.", {{"t", "x"}}).Add(2);
  metrics.Counter("a_total", "A again.", {{"t", "x"}}).Add();
  metrics.Counter("a_total", "A.", {{"t", "y"}}).Add(5);
  metrics.Gauge("g", "G.").Set(-1.5);
  metrics.Histogram("h_seconds", "H.", {}, {1, 2}).Observe(1.5);
  int owner = 0;
  metrics.Callback(&owner, MetricKind::kGauge, "live", "Live.", [] {
    return std::vector<Metrics::Sample>{{{{"k", "v\"w"}}, 7}};
  });
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# HELP a_total A.\n# TYPE a_total counter\n"));
  EXPECT_THAT(text, HasSubstr("a_total{t=\"x\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("a_total{t=\"y\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("g -1.5\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"2\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("live{k=\"v\\\"w\"} 7\n"));
  metrics.RemoveCallbacks(&owner);
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("live")));
}

TEST(Metrics, ProcessMetrics) {
  Metrics metrics;
  metrics.AddProcessMetrics();
  EXPECT_THAT(metrics.Text(), HasSubstr("process_resident_memory_bytes "));
}

}  // namespace
}  // namespace skald
