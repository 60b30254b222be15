#include "cli/entry_printer.h"

#include <gtest/gtest.h>

#include <sstream>

namespace skald::cli {
namespace {

constexpr int64_t kTime = 1'793'534'400'500'000'000;

std::vector<Entry> TwoStreams() {
  const auto a = std::make_shared<const Labels>(Labels{{"app", "a"}, {"env", "prod"}});
  const auto b = std::make_shared<const Labels>(Labels{{"app", "long"}, {"env", "prod"}});
  return {{kTime, a, "one"}, {kTime + 1, b, "two \"2\""}};
}

std::string Printed(PrinterOptions options, const Labels& common) {
  options.local_time = false;
  std::ostringstream out;
  EntryPrinter(options, &out).Print(TwoStreams(), common);
  return out.str();
}

TEST(EntryPrinter, CommonLabels) {
  EXPECT_EQ(CommonLabels(TwoStreams()).ToString(), R"({env="prod"})");
  EXPECT_TRUE(CommonLabels({}).empty());
}

TEST(EntryPrinter, Modes) {
  const Labels common{{"env", "prod"}};
  EXPECT_EQ(Printed({}, common),
            "2026-11-01T12:00:00Z {app=\"a\"}    one\n"
            "2026-11-01T12:00:00Z {app=\"long\"} two \"2\"\n");
  EXPECT_EQ(Printed({.mode = OutputMode::kRaw}, common), "one\ntwo \"2\"\n");
  EXPECT_EQ(
      Printed({.mode = OutputMode::kJsonl}, common),
      R"({"labels":{"app":"a","env":"prod"},"line":"one","timestamp":"2026-11-01T12:00:00.5Z"})"
      "\n"
      R"({"labels":{"app":"long","env":"prod"},"line":"two \"2\"","timestamp":"2026-11-01T12:00:00.500000001Z"})"
      "\n");
}

TEST(EntryPrinter, LabelFlags) {
  EXPECT_EQ(Printed({.no_labels = true}, {}), "2026-11-01T12:00:00Z one\n2026-11-01T12:00:00Z two \"2\"\n");
  EXPECT_EQ(Printed({.include_labels = {"env"}}, {{"env", "prod"}}),
            "2026-11-01T12:00:00Z {env=\"prod\"} one\n2026-11-01T12:00:00Z {env=\"prod\"} two \"2\"\n");
  EXPECT_EQ(Printed({.exclude_labels = {"app", "env"}}, {}),
            "2026-11-01T12:00:00Z {} one\n2026-11-01T12:00:00Z {} two \"2\"\n");
  EXPECT_EQ(Printed({.mode = OutputMode::kJsonl, .no_labels = true}, {}).substr(0, 14), R"({"line":"one",)");
}

}  // namespace
}  // namespace skald::cli
