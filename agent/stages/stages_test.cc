// Each stage by example: a pipeline, an entry, and what the pipeline makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <yaml-cpp/yaml.h>

#include "agent/stages/pipeline.h"
#include "base/clock.h"
#include "base/types.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

absl::StatusOr<std::unique_ptr<Pipeline>> Make(const std::string& yaml) {
  auto pipeline = std::make_unique<Pipeline>();
  for (const YAML::Node& stage : YAML::Load(yaml)) {
    const absl::Status added = pipeline->Add(stage.begin()->first.Scalar(), stage.begin()->second);
    if (!added.ok()) return added;
  }
  return pipeline;
}

constexpr int64_t kReadNs = 1'700'000'000 * kNsPerSecond;

// time|{labels}|line|name=value metadata; "dropped: reason". The time is left out where it is that of the
// reading.
std::string Show(const Pipeline& pipeline, const std::string& line) {
  Entry entry;
  entry.labels = Labels{{"job", "x"}, {"stream", "stdout"}};
  entry.time_ns = kReadNs;
  entry.line = line;
  if (!pipeline.Run(&entry)) return "dropped: " + std::string(entry.drop_reason);
  std::string out = entry.time_ns == kReadNs ? "" : FormatRfc3339Nano(entry.time_ns) + "|";
  entry.labels.Remove("job");
  out += entry.labels.ToString() + "|" + entry.line;
  for (const auto& [name, value] : entry.metadata) out += "|" + name + "=" + value;
  return out;
}

struct Row {
  const char* stages;
  const char* line;
  const char* want;
};

void Check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    auto pipeline = Make(row.stages);
    ASSERT_TRUE(pipeline.ok()) << row.stages << ": " << pipeline.status();
    EXPECT_EQ(Show(**pipeline, row.line), row.want) << row.stages << "\n" << row.line;
  }
}

TEST(Stages, Regex) {
  Check({
      {"[{regex: {expression: '^(?P<a>\\w+) (?P<b>\\d+)?'}}, {labels: {a: , b: }}]", "one 2",
       R"({a="one", b="2", stream="stdout"}|one 2)"},
      // A group that took no part is empty, and an empty label is none.
      {"[{regex: {expression: '^(?P<a>\\w+) (?P<b>\\d+)?'}}, {labels: {a: , b: }}]", "one x",
       R"({a="one", stream="stdout"}|one x)"},
      {"[{regex: {expression: '(?P<a>x+)'}}, {labels: {a: }}]", "no match", R"({stream="stdout"}|no match)"},
      {"[{regex: {expression: '(?P<a>\\w+)@'}}, {labels: {a: }}]", "mail me@home",
       R"({a="me", stream="stdout"}|mail me@home)"},
      // Of an extracted value; labels are extracted from the start.
      {"[{regex: {expression: '^std(?P<s>.*)', source: stream}}, {labels: {s: }}]", "l",
       R"({s="out", stream="stdout"}|l)"},
      {"[{regex: {expression: '(?P<a>.)', source: nothing}}, {labels: {a: }}]", "l",
       R"({stream="stdout"}|l)"},
  });
}

TEST(Stages, Json) {
  Check({
      {"[{json: {expressions: {level: , u: user.name}}}, {labels: {level: , u: }}]",
       R"({"level":"info","user":{"name":"ann"}})",
       R"({level="info", stream="stdout", u="ann"}|{"level":"info","user":{"name":"ann"}})"},
      // All digits of a number; the last of equal keys.
      {"[{json: {expressions: {n: , d: }}}, {structured_metadata: {n: , d: }}]",
       R"({"n":12345678901234567890,"d":1,"d":2.50})",
       R"({stream="stdout"}|{"n":12345678901234567890,"d":1,"d":2.50}|n=12345678901234567890|d=2.50)"},
      // null is there and is no label; booleans, objects and arrays have a text.
      {"[{json: {expressions: {a: , b: , c: , o: }}}, {structured_metadata: {a: , b: , c: , o: }}]",
       R"({"a":null,"b":true,"c":[1, 2],"o":{"x": "y z"}})",
       R"({stream="stdout"}|{"a":null,"b":true,"c":[1, 2],"o":{"x": "y z"}}|b=true|c=[1,2]|o={"x":"y z"})"},
      {"[{json: {expressions: {a: 'l[1].x', b: '\"k k\".z'}}}, {structured_metadata: {a: , b: }}]",
       R"({"l":[{"x":1},{"x":"\u0041\n"}],"k k":{"z":"q"}})",
       "{stream=\"stdout\"}|{\"l\":[{\"x\":1},{\"x\":\"\\u0041\\n\"}],\"k k\":{\"z\":\"q\"}}|a=A\n|b=q"},
      {"[{json: {expressions: {a: }}}, {labels: {a: }}]", R"({"a":"b")", R"({stream="stdout"}|{"a":"b")"},
      {"[{json: {expressions: {a: }}}, {labels: {a: }}]", R"(["a"])", R"({stream="stdout"}|["a"])"},
      {"[{json: {expressions: {a: }, drop_malformed: true}}]", "text", "dropped: malformed_json"},
      {"[{json: {expressions: {a: }, drop_malformed: true}}, {labels: {a: }}]", R"({"a":1})",
       R"({a="1", stream="stdout"}|{"a":1})"},
      // A label of a boolean, none of null and of what is not there.
      {"[{json: {expressions: {a: , b: , c: }}}, {labels: {a: , b: , c: }}]", R"({"a":false,"b":null})",
       R"({a="false", stream="stdout"}|{"a":false,"b":null})"},
      {"[{json: {expressions: {a: , e: }}}, {labels: {a: , e: }}]", R"({"a":"","e":"x"})",
       R"({e="x", stream="stdout"}|{"a":"","e":"x"})"},
      {"[{json: {expressions: {a: x.y.z}}}, {labels: {a: }}]", R"({"x":{"y":"no map"}})",
       R"({stream="stdout"}|{"x":{"y":"no map"}})"},
      {"[{json: {expressions: {a: }, source: nothing}}, {labels: {a: }}]", R"({"a":"b"})",
       R"({stream="stdout"}|{"a":"b"})"},
      {"[{json: {expressions: {log: }}}, {json: {expressions: {m: }, source: log}}, {output: {source: m}}]",
       R"({"log":"{\"m\":\"inner\"}"})", R"({stream="stdout"}|inner)"},
  });
}

TEST(Stages, Logfmt) {
  Check({
      {"[{logfmt: {mapping: {lvl: level, msg: }}}, {labels: {lvl: }}, {output: {source: msg}}]",
       R"(level=warn msg="a \"b\" c" x=1)", R"({lvl="warn", stream="stdout"}|a "b" c)"},
      {"[{logfmt: {mapping: {a: , b: , c: }}}, {labels: {a: , b: , c: }}]", R"(a b= c="")",
       R"({stream="stdout"}|a b= c="")"},
      {"[{json: {expressions: {m: }}}, {logfmt: {mapping: {a: }, source: m}}, {labels: {a: }}]",
       R"({"m":"a=1"})", R"({a="1", stream="stdout"}|{"m":"a=1"})"},
      {"[{logfmt: {mapping: {a: }, source: nothing}}, {labels: {a: }}]", "a=1", R"({stream="stdout"}|a=1)"},
      {"[{logfmt: {mapping: {a: }}}, {labels: {a: }}]", "a=1 a=2", R"({a="2", stream="stdout"}|a=1 a=2)"},
      {"[{logfmt: {mapping: {a: , b: }}}, {labels: {a: , b: }}]", "a=1 =x b=2",
       R"({a="1", stream="stdout"}|a=1 =x b=2)"},
  });
}

TEST(Stages, Output) {
  Check({
      {"[{output: {source: stream}}]", "l", R"({stream="stdout"}|stdout)"},
      // null is no text.
      {"[{json: {expressions: {a: }}}, {output: {source: a}}]", R"({"a":null})",
       R"({stream="stdout"}|{"a":null})"},
      {"[{json: {expressions: {a: }}}, {output: {source: a}}]", R"({"a":12.50})",
       R"({stream="stdout"}|12.50)"},
      {"[{output: {source: missing}}]", "l", R"({stream="stdout"}|l)"},
  });
}

TEST(Stages, Labels) {
  Check({
      {"[{labels: {out: stream, no: missing}}]", "l", R"({out="stdout", stream="stdout"}|l)"},
      // The value is the extracted one, whatever became of the label.
      {"[{static_labels: {stream: s}}, {labels: {later: stream}}]", "l", R"({later="stdout", stream="s"}|l)"},
      {"[{labeldrop: [stream, nothing]}]", "l", "{}|l"},
      {"[{static_labels: {a: b, e: ''}}, {labelallow: [a]}]", "l", R"({a="b"}|l)"},
      {"[{labelallow: [nothing]}]", "l", "{}|l"},
      {"[{structured_metadata: {a: missing}}]", "l", R"({stream="stdout"}|l)"},
      // Both a label and extracted: once.
      {"[{structured_metadata: {stream: }}]", "l", "{}|l|stream=stdout"},
      {"[{non_indexed_labels: {s: stream}}]", "l", R"({stream="stdout"}|l|s=stdout)"},
      {"[{static_labels: {a: b}}, {structured_metadata: {a: }}]", "l", R"({stream="stdout"}|l|a=b)"},
  });
}

TEST(Stages, Decolorize) {
  Check({{"[{decolorize: {}}]", "\x1b[1;38;5;196mbold\x1b[0m \x1b[2Kline \x1b[mend",
          R"({stream="stdout"}|bold line end)"},
         {"[{decolorize: {}}]", "no [31m escape", R"({stream="stdout"}|no [31m escape)"},
         {"[{decolorize: {}}]", "a\x1b[31mred\x1b[0m", R"({stream="stdout"}|ared)"}});
}

TEST(Stages, Timestamp) {
  const char* const kRegex = "{regex: {expression: '^(?P<t>[^|]*)'}}";
  struct TimeRow {
    const char* stage;
    const char* line;
    const char* want;  // "" = the time of reading
  };
  const TimeRow rows[] = {
      {"format: RFC3339", "2024-03-01T10:00:00+02:00", "2024-03-01T08:00:00Z"},
      {"format: RFC3339Nano", "2024-03-01T10:00:00.123456789Z", "2024-03-01T10:00:00.123456789Z"},
      {"format: Unix", "1700000001", "2023-11-14T22:13:21Z"},
      {"format: Unix", "1700000001.25", "2023-11-14T22:13:21.25Z"},
      {"format: UnixMs", "1700000001001", "2023-11-14T22:13:21.001Z"},
      {"format: UnixUs", "1700000001000001", "2023-11-14T22:13:21.000001Z"},
      {"format: UnixNs", "1700000001000000001", "2023-11-14T22:13:21.000000001Z"},
      {"format: RFC1123Z", "Fri, 01 Mar 2024 10:00:00 +0100", "2024-03-01T09:00:00Z"},
      {"format: '2006-01-02 15:04:05.000'", "2024-03-01 10:00:00.5", ""},
      {"format: '2006-01-02 15:04:05.000'", "2024-03-01 10:00:00.500", "2024-03-01T10:00:00.5Z"},
      {"format: '2006-01-02 15:04:05,000'", "2024-03-01 10:00:00,500", "2024-03-01T10:00:00.5Z"},
      {"format: '2006-01-02 15:04', location: Europe/Berlin", "2024-07-01 10:00", "2024-07-01T08:00:00Z"},
      // Named formats are in UTC whatever the location.
      {"format: ANSIC, location: Europe/Berlin", "Fri Mar  1 10:00:00 2024", "2024-03-01T10:00:00Z"},
      {"format: Unix, fallback_formats: [UnixMs, RFC3339]", "2024-03-01T10:00:00Z", "2024-03-01T10:00:00Z"},
      {"format: UnixDate", "Fri Mar  1 10:00:00 UTC 2024", "2024-03-01T10:00:00Z"},
      {"format: RubyDate", "Fri Mar 01 10:00:00 +0100 2024", "2024-03-01T09:00:00Z"},
      {"format: RFC822", "01 Mar 24 10:00 UTC", "2024-03-01T10:00:00Z"},
      {"format: RFC822Z", "01 Mar 24 10:00 -0700", "2024-03-01T17:00:00Z"},
      {"format: RFC850", "Friday, 01-Mar-24 10:00:00 UTC", "2024-03-01T10:00:00Z"},
      {"format: RFC1123", "Fri, 01 Mar 2024 10:00:00 UTC", "2024-03-01T10:00:00Z"},
      {"format: '02/Jan/2006:15:04:05 -0700'", "01/Mar/2024:10:00:00 +0530", "2024-03-01T04:30:00Z"},
      {"format: 'Jan _2 15:04:05 2006'", "Mar  1 10:00:00 2024", "2024-03-01T10:00:00Z"},
      {"format: '2006 002 15:04'", "2024 061 10:00", "2024-03-01T10:00:00Z"},
      {"format: '2006-01-02 3:04:05 PM'", "2024-03-01 1:02:03 PM", "2024-03-01T13:02:03Z"},
      {"format: '2006-01-02T15:04:05Z07:00'", "2024-03-01T10:00:00Z", "2024-03-01T10:00:00Z"},
      {"format: '2006-01-02T15:04:05Z07:00'", "2024-03-01T10:00:00-01:00", "2024-03-01T11:00:00Z"},
      {"format: '2006-01-02 15:04:05.999'", "2024-03-01 10:00:00", "2024-03-01T10:00:00Z"},
      {"format: '2006-01-02 15:04:05.999'", "2024-03-01 10:00:00.5", "2024-03-01T10:00:00.5Z"},
      // Input may have a fraction that the layout does not name.
      {"format: '2006-01-02 15:04:05'", "2024-03-01 10:00:00.123", "2024-03-01T10:00:00.123Z"},
      {"format: '2006-01-02 15:04:05'", "2024-02-30 10:00:00", ""},
      {"format: '2006-01-02', location: America/New_York", "2024-03-01", "2024-03-01T05:00:00Z"},
      {"format: RFC3339, action_on_failure: skip", "yesterday", ""},
      {"format: RFC3339", "yesterday", ""},
  };
  for (const TimeRow& row : rows) {
    auto pipeline = Make(std::string("[") + kRegex + ", {timestamp: {source: t, " + row.stage + "}}]");
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    const std::string rest = std::string(R"({stream="stdout"}|)") + row.line;
    EXPECT_EQ(Show(**pipeline, row.line), *row.want == '\0' ? rest : std::string(row.want) + "|" + rest)
        << row.stage;
  }
  // A time that cannot be read is that of the line before and a nanosecond.
  auto pipeline = Make(std::string("[") + kRegex + ", {timestamp: {source: t, format: RFC3339}}]");
  ASSERT_TRUE(pipeline.ok());
  Show(**pipeline, "2024-03-01T10:00:00Z");
  EXPECT_EQ(Show(**pipeline, "x"), R"(2024-03-01T10:00:00.000000001Z|{stream="stdout"}|x)");
  EXPECT_EQ(Show(**pipeline, "x"), R"(2024-03-01T10:00:00.000000002Z|{stream="stdout"}|x)");
}

TEST(Stages, TimestampWithoutAYearIsNotInTheFarFuture) {
  auto pipeline =
      Make("[{regex: {expression: '^(?P<t>.*)'}}, {timestamp: {source: t, format: 'Jan _2 15:04:05'}}]");
  ASSERT_TRUE(pipeline.ok());
  for (const char* line : {"Jan  1 00:00:00", "Jun 15 12:00:00", "Dec 31 23:59:59"}) {
    Entry entry;
    entry.line = line;
    ASSERT_TRUE((*pipeline)->Run(&entry));
    EXPECT_LT(std::abs(entry.time_ns - Clock::System().NowNs()), 366 * 24 * 3600 * kNsPerSecond) << line;
  }
}

TEST(Stages, Drop) {
  Check({
      {"[{drop: {expression: '^debug'}}]", "debug: x", "dropped: drop_stage"},
      {"[{drop: {expression: '^debug', drop_counter_reason: noise}}]", "debug: x", "dropped: noise"},
      {"[{drop: {expression: '^debug'}}]", "info: x", R"({stream="stdout"}|info: x)"},
      {"[{drop: {longer_than: 4b}}]", "12345", "dropped: drop_stage"},
      {"[{drop: {longer_than: 4b}}]", "1234", R"({stream="stdout"}|1234)"},
      {"[{drop: {older_than: 24h}}]", "l", "dropped: drop_stage"},
      {"[{drop: {older_than: 2400000h}}]", "l", R"({stream="stdout"}|l)"},
      {"[{drop: {source: stream}}]", "l", "dropped: drop_stage"},
      {"[{drop: {source: [stream, missing]}}]", "l", R"({stream="stdout"}|l)"},
      {"[{drop: {source: stream, value: stdout}}]", "l", "dropped: drop_stage"},
      {"[{drop: {source: stream, value: std}}]", "l", R"({stream="stdout"}|l)"},
      {"[{drop: {source: [job, stream], value: 'x;stdout'}}]", "l", "dropped: drop_stage"},
      {"[{drop: {source: [job, stream], separator: '-', expression: '^x-std'}}]", "l", "dropped: drop_stage"},
      // Of several sources those that are there count; none of them tests nothing.
      {"[{drop: {source: [stream, missing], expression: '^stdout'}}]", "l", "dropped: drop_stage"},
      {"[{drop: {source: [missing, stream], value: stdout}}]", "l", "dropped: drop_stage"},
      {"[{drop: {source: missing}}]", "l", R"({stream="stdout"}|l)"},
      {"[{drop: {source: missing, value: stdout}}]", "l", R"({stream="stdout"}|l)"},
      {"[{json: {expressions: {n: }}}, {drop: {source: n, value: '5'}}]", R"({"n":5})",
       "dropped: drop_stage"},
      {"[{drop: {older_than: 24h, expression: l}}]", "l", "dropped: drop_stage"},
      {"[{drop: {older_than: 24h, expression: m}}]", "l", R"({stream="stdout"}|l)"},
      // All conditions.
      {"[{drop: {source: stream, longer_than: 10b}}]", "l", R"({stream="stdout"}|l)"},
  });
}

TEST(Stages, DropBySize) {
  for (const auto& [limit, kept] :
       {std::pair{"1kb", 1024u}, std::pair{"1KB", 1024u}, std::pair{"100", 100u}, std::pair{"2B", 2u}}) {
    auto pipeline = Make(std::string("[{drop: {longer_than: ") + limit + "}}]");
    ASSERT_TRUE(pipeline.ok()) << limit << pipeline.status();
    EXPECT_EQ(Show(**pipeline, std::string(kept + 1, 'x')), "dropped: drop_stage") << limit;
    EXPECT_EQ(Show(**pipeline, std::string(kept, 'x')).size(), kept + 18) << limit;
  }
}

TEST(Stages, Pack) {
  Check({
      {"[{pack: {labels: [stream, job, missing], ingest_timestamp: false}}]", "a \"b\"",
       R"({}|{"_entry":"a \"b\"","job":"x","stream":"stdout"})"},
      {"[{pack: {ingest_timestamp: false}}]", "l", R"({stream="stdout"}|{"_entry":"l"})"},
  });
  auto pipeline = Make("[{pack: {labels: [stream]}}]");
  ASSERT_TRUE(pipeline.ok());
  Entry entry;
  entry.line = "l";
  const int64_t before = Clock::System().NowNs();
  ASSERT_TRUE((*pipeline)->Run(&entry));
  EXPECT_GE(entry.time_ns, before);
}

TEST(Stages, Sampling) {
  Check({
      {"[{sampling: {rate: 1}}]", "l", R"({stream="stdout"}|l)"},
      {"[{sampling: {rate: 0}}]", "l", "dropped: sampling_stage"},
      {"[{sampling: {rate: 0.0, drop_counter_reason: few}}]", "l", "dropped: few"},
  });
  auto pipeline = Make("[{sampling: {rate: 0.25}}]");
  ASSERT_TRUE(pipeline.ok());
  int kept = 0;
  for (int i = 0; i < 10000; ++i) {
    Entry entry;
    kept += (*pipeline)->Run(&entry) ? 1 : 0;
  }
  EXPECT_NEAR(kept, 2500, 300);  // seven standard deviations
}

TEST(Stages, SamplingOfWholeTraces) {
  // Two agents choose the same.
  const char* const stages = "[{logfmt: {mapping: {trace: }}}, {sampling: {rate: 0.25, source: trace}}]";
  const auto one = Make(stages);
  const auto other = Make(stages);
  ASSERT_TRUE(one.ok() && other.ok());
  int kept = 0;
  for (int i = 0; i < 10000; ++i) {
    const auto keeps = [&](const Pipeline& pipeline, const char* text) {
      Entry entry;
      entry.line = "trace=t" + std::to_string(i) + " " + text;
      return pipeline.Run(&entry);
    };
    const bool keep = keeps(**one, "begins");
    EXPECT_EQ(keeps(**one, "ends"), keep) << i;
    EXPECT_EQ(keeps(**other, "elsewhere"), keep) << i;
    kept += keep ? 1 : 0;
  }
  EXPECT_NEAR(kept, 2500, 300);
  // Without a trace, each by itself.
  kept = 0;
  for (int i = 0; i < 10000; ++i) {
    Entry entry;
    entry.line = "no trace";
    kept += (*one)->Run(&entry) ? 1 : 0;
  }
  EXPECT_NEAR(kept, 2500, 300);
}

TEST(Stages, RefusedWhenTheyAreRead) {
  struct ErrorRow {
    const char* stages;
    const char* want;
  };
  const ErrorRow rows[] = {
      {"[{regex: {expression: '('}}]", "missing closing )"},
      {"[{regex: {expression: 'a'}}]", "no named group"},
      {"[{regex: {}}]", "expression is required"},
      {"[{regex: {expresion: 'a'}}]", "unknown key \"expresion\""},
      {"[{json: {}}]", "at least one name"},
      {"[{json: {expressions: {a: 'b | c'}}}]", "only fields and indexes"},
      {"[{output: {}}]", "source is required"},
      {"[{labels: {'a-b': }}]", "not a label name"},
      {"[{timestamp: {source: t}}]", "format is required"},
      {"[{timestamp: {source: t, format: Unix, location: Nowhere/Land}}]", "unknown location"},
      {"[{timestamp: {source: t, format: Unix, action_on_failure: cry}}]", "fudge or skip"},
      {"[{drop: {}}]", "is required"},
      {"[{drop: {value: a, expression: b}}]", "exclude each other"},
      {"[{drop: {older_than: long}}]", "duration"},
      {"[{drop: {longer_than: far}}]", "size"},
      {"[{drop: {value: a}}]", "source"},
      {"[{drop: {expression: '('}}]", "missing closing )"},
      {"[{logfmt: {}}]", "at least one name"},
      {"[{static_labels: {'a-b': c}}]", "not a label name"},
      {"[{sampling: {}}]", "rate is required"},
      {"[{sampling: {rate: 1.5}}]", "not between 0 and 1"},
      {"[{pack: {labels: stream}}]", "a list"},
      {"[{eventlogmessage: {}}]", "not done by the agent"},
  };
  for (const ErrorRow& row : rows) {
    const auto pipeline = Make(row.stages);
    EXPECT_FALSE(pipeline.ok()) << row.stages;
    EXPECT_THAT(std::string(pipeline.status().message()), testing::HasSubstr(row.want)) << row.stages;
  }
}

}  // namespace
}  // namespace skald::agent
