#include "cli/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace skald::cli {
namespace {

TEST(Table, PadsByRunesAndShowsControlCharacters) {
  Table table({"A", "B"});
  table.Add({"\xc3\xa4\xc3\xb6\xc3\xbc", "x"});
  table.Add({"line\n", "\x1b[31m"}, 31);
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "A       B\n"
            "\xc3\xa4\xc3\xb6\xc3\xbc     x\n"
            "\x1b[31mline\\n  \\x1b[31m\x1b[0m\n");
  std::ostringstream empty;
  Table({"A"}).Print(empty);
  EXPECT_EQ(empty.str(), "");
}

TEST(Table, EntriesHaveAColumnForEachLabelThatDiffers) {
  const auto labels = [](const char* app, const char* level) {
    return std::make_shared<const Labels>(Labels{{"app", app}, {"env", "prod"}, {"detected_level", level}});
  };
  std::ostringstream out;
  PrinterOptions options;
  options.local_time = false;
  constexpr int64_t kNoon = 1'793'534'400'000'000'000;
  PrintEntryTable({{kNoon, labels("a", "error"), "one"}, {kNoon, labels("long", "info"), "two"}}, options,
                  out);
  EXPECT_EQ(out.str(),
            "TIME                  LEVEL  app   LINE\n"
            "2026-11-01T12:00:00Z  error  a     one\n"
            "2026-11-01T12:00:00Z  info   long  two\n");
}

TEST(Table, Metrics) {
  PrinterOptions options;
  options.local_time = false;
  QueryAnswer answer;
  answer.result_type = "matrix";
  answer.result_json =
      R"([{"metric":{"app":"a"},"values":[[1793534400,"1"],[1793534460.5,"2"]]},{"metric":{},"values":[[1793534400,"3"]]}])";
  std::ostringstream out;
  ASSERT_TRUE(PrintMetricTable(answer, options, out).ok());
  EXPECT_EQ(out.str(),
            "app  TIME                  VALUE\n"
            "a    2026-11-01T12:00:00Z  1\n"
            "a    2026-11-01T12:01:00Z  2\n"
            "     2026-11-01T12:00:00Z  3\n");
  answer.result_type = "vector";
  answer.result_json = R"([{"metric":{"app":"a"},"value":[1793534400,"7"]}])";
  std::ostringstream vector;
  ASSERT_TRUE(PrintMetricTable(answer, options, vector).ok());
  EXPECT_EQ(vector.str(), "app  VALUE\na    7\n");
  answer.result_json = "7";
  EXPECT_FALSE(PrintMetricTable(answer, options, vector).ok());
}

TEST(Table, LevelsHaveColours) {
  const struct {
    const char* level;
    int code;
  } kCases[] = {{"error", 31}, {"ERROR", 31},  {"warn", 33}, {"critical", 35},
                {"debug", 36}, {"unknown", 0}, {"", 0}};
  for (const auto& test : kCases) EXPECT_EQ(ColorOfLevel(test.level), test.code) << test.level;
}

}  // namespace
}  // namespace skald::cli
