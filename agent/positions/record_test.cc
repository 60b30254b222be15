#include "agent/positions/record.h"

#include <gtest/gtest.h>

#include <random>

namespace skald::agent {
namespace {

constexpr int64_t kNoonNs = 1730462400'000000000;  // 2024-11-01T12:00:00Z

TEST(Record, Cri) {
  struct Row {
    const char* line;
    bool ok;
    int64_t time_ns;
    Output output;
    bool partial;
    const char* content;
  };
  const Row rows[] = {
      {"2024-11-01T12:00:00.5Z stdout F hello world", true, kNoonNs + 500000000, Output::kStdout, false,
       "hello world"},
      {"2024-11-01T12:00:00.123456789Z stderr P part", true, kNoonNs + 123456789, Output::kStderr, true,
       "part"},
      {"2024-11-01T13:00:00.000000001+01:00 stdout F x", true, kNoonNs + 1, Output::kStdout, false, "x"},
      {"2024-11-01T12:00:00Z stdout F ", true, kNoonNs, Output::kStdout, false, ""},
      {"2024-11-01T12:00:00Z stdout F", true, kNoonNs, Output::kStdout, false, ""},
      {"2024-11-01T12:00:00Z stdout F  two", true, kNoonNs, Output::kStdout, false, " two"},
      {"2024-11-01T12:00:00Z stdout F:x:y text", true, kNoonNs, Output::kStdout, false, "text"},
      {"2024-11-01T12:00:00Z stdout P:foo text", true, kNoonNs, Output::kStdout, true, "text"},
      {"2024-11-01T12:00:00Z stdout X text", false, 0, Output::kNone, false, ""},
      {"2024-11-01T12:00:00Z stdout Full text", false, 0, Output::kNone, false, ""},
      {"2024-11-01T12:00:00Z stdin F text", false, 0, Output::kNone, false, ""},
      {"not a time stdout F text", false, 0, Output::kNone, false, ""},
      {"xx stdout F text", false, 0, Output::kNone, false, ""},
      {"", false, 0, Output::kNone, false, ""},
  };
  RecordParser parser;
  for (const Row& row : rows) {
    Record record;
    ASSERT_EQ(parser.ParseCri(row.line, &record), row.ok) << row.line;
    if (!row.ok) continue;
    EXPECT_EQ(record.time_ns, row.time_ns) << row.line;
    EXPECT_EQ(record.output, row.output) << row.line;
    EXPECT_EQ(record.partial, row.partial) << row.line;
    EXPECT_EQ(record.content, row.content) << row.line;
  }
}

TEST(Record, Docker) {
  struct Row {
    const char* line;
    bool ok;
    bool partial;
    std::string content;
  };
  const Row rows[] = {
      {R"({"log":"hello\n","stream":"stdout","time":"2024-11-01T12:00:00.5Z"})", true, false, "hello"},
      {R"({"log":"a\\\"b\t\u003cx\u003e\u20ac\ud83d\ude00\n","stream":"stdout","time":"2024-11-01T12:00:00Z"})",
       true, false, "a\\\"b\t<x>\xe2\x82\xac\xf0\x9f\x98\x80"},
      {R"({"log":"part","stream":"stdout","time":"2024-11-01T12:00:00Z"})", true, true, "part"},
      {R"({"time":"2024-11-01T12:00:00Z","attrs":{"a":"}\"","n":[1,{"b":null}]},"log":"x\n","stream":"stderr","n":1.5e3})",
       true, false, "x"},
      {R"({"log":"\ud800x\n","stream":"stdout","time":"2024-11-01T12:00:00Z"})", true, false,
       "\xef\xbf\xbdx"},
      {R"( { "log" : "\n" , "stream" : "stdout" , "time" : "2024-11-01T12:00:00Z" } )", true, false, ""},
      {R"({"log":"x\n","stream":"stdout"})", false, false, ""},
      {R"({"stream":"stdout","time":"2024-11-01T12:00:00Z"})", false, false, ""},
      {R"({"log":"x\n","stream":"stdout","time":"2024-11-01T12:00:00Z")", false, false, ""},
      {R"({"log":"x\n","stream":"stdout","time":"2024-11-01T12:00:00Z"}x)", false, false, ""},
      {R"({"log":"x\q","stream":"stdout","time":"2024-11-01T12:00:00Z"})", false, false, ""},
      {"{}", false, false, ""},
      {"", false, false, ""},
      {"plain", false, false, ""},
  };
  RecordParser parser;
  for (const Row& row : rows) {
    Record record;
    ASSERT_EQ(parser.ParseDocker(row.line, &record), row.ok) << row.line;
    if (!row.ok) continue;
    EXPECT_EQ(record.partial, row.partial) << row.line;
    EXPECT_EQ(record.content, row.content) << row.line;
  }
}

TEST(Record, AnyCutOrFlipIsSafe) {
  const std::string docker =
      R"({"log":"a\"\u00e9\n","stream":"stdout","attrs":{"a":[1,"x"]},"time":"2024-11-01T12:00:00.1Z"})";
  const std::string cri = "2024-11-01T12:00:00.5Z stdout F:a hello";
  RecordParser parser;
  Record record;
  std::mt19937 random(1);
  for (const std::string& whole : {docker, cri}) {
    for (size_t n = 0; n <= whole.size(); ++n) {
      const std::string cut = whole.substr(0, n);
      parser.ParseDocker(cut, &record);
      parser.ParseCri(cut, &record);
      for (int k = 0; k < 20 && n < whole.size(); ++k) {
        std::string flipped = whole;
        flipped[n] = static_cast<char>(random());
        parser.ParseDocker(flipped, &record);
        parser.ParseCri(flipped, &record);
      }
    }
  }
}

TEST(Record, Detect) {
  EXPECT_EQ(DetectFormat("2024-11-01T12:00:00.5Z stdout F hello"), LogFormat::kCri);
  EXPECT_EQ(DetectFormat(R"({"log":"a\n","stream":"stdout","time":"2024-11-01T12:00:00.1Z"})"),
            LogFormat::kDocker);
  EXPECT_EQ(DetectFormat(R"({"level":"info"})"), LogFormat::kPlain);
  EXPECT_EQ(DetectFormat("Nov  1 12:00:00 host sshd[1]: hi"), LogFormat::kPlain);
}

}  // namespace
}  // namespace skald::agent
