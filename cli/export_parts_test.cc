#include "cli/export_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "cli/progress_bar.h"

namespace skald::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kNoon = 1'793'534'400 * kNsPerSecond;  // 2026-11-01T12:00:00Z

std::vector<std::string> PathsOf(TimeRange range, int64_t length_ns, bool forward) {
  std::vector<std::string> paths;
  for (const ExportPart& part : CutIntoParts(range, length_ns, forward, "/x/p")) paths.push_back(part.path);
  return paths;
}

TEST(ExportParts, CutTheRangeWithoutGaps) {
  const TimeRange range{kNoon, kNoon + 150 * kNsPerSecond};
  EXPECT_THAT(
      PathsOf(range, 60 * kNsPerSecond, true),
      ElementsAre("/x/p_20261101T120000_20261101T120100.part", "/x/p_20261101T120100_20261101T120200.part",
                  "/x/p_20261101T120200_20261101T120230.part"));
  EXPECT_EQ(PathsOf(range, 60 * kNsPerSecond, false).front(), "/x/p_20261101T120200_20261101T120230.part");
  EXPECT_THAT(PathsOf({kNoon + 1, kNoon + 2}, INT64_MAX, true),
              ElementsAre("/x/p_20261101T120000.000000001_20261101T120000.000000002.part"));
  int64_t at = range.begin_ns;
  for (const ExportPart& part : CutIntoParts(range, 7 * kNsPerSecond, true, "p")) {
    EXPECT_EQ(part.range.begin_ns, at);
    at = part.range.end_ns;
  }
  EXPECT_EQ(at, range.end_ns);
}

TEST(ExportParts, APrefixBelongsToOneExport) {
  const TempDir directory;
  const std::string prefix = directory.path() + "/p";
  EXPECT_TRUE(ClaimPrefix(prefix, "{one}\n", false).ok());
  EXPECT_TRUE(ClaimPrefix(prefix, "{one}\n", false).ok());
  const absl::Status other = ClaimPrefix(prefix, "{two}\n", false);
  EXPECT_TRUE(absl::IsFailedPrecondition(other));
  EXPECT_THAT(std::string(other.message()), HasSubstr("--part-path-prefix"));
  EXPECT_TRUE(ClaimPrefix(prefix, "{two}\n", true).ok());
  ReleasePrefix(prefix);
  EXPECT_TRUE(ClaimPrefix(prefix, "{three}\n", false).ok());
}

TEST(ExportParts, Progress) {
  EXPECT_EQ(
      ProgressText({.parts = 12, .parts_done = 3, .parts_found = 1, .lines = 1200, .bytes = 1'200'000}, 4),
      "[#####---------------]  25%  3/12 parts (1 there)  1200 lines  1.2MB  300kB/s  18s left");
  EXPECT_EQ(ProgressText({.parts = 1, .parts_done = 1}, 0),
            "[####################] 100%  1/1 parts  0 lines  0B");
}

}  // namespace
}  // namespace skald::cli
