// What stages make of single lines: the label layers, parsers, filters and formats of LogQL.
#include "query/exec/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Rows RowsOf(const std::vector<std::string>& lines, const Pairs& metadata = {}) {
  Rows rows;
  for (const std::string& line : lines) rows.Append(0, line);
  for (const auto& [name, value] : metadata) {
    MetadataColumn column;
    column.name = name;
    column.value_bytes = value;
    column.value_end = {static_cast<uint32_t>(value.size())};
    column.index.assign(lines.size(), 1);
    rows.metadata.push_back(std::move(column));
  }
  return rows;
}

std::shared_ptr<const Pipeline> LogPipeline(const std::string& stages) {
  const auto query = logql::ParseLogSelector("{a=\"b\"} " + stages);
  EXPECT_TRUE(query.ok()) << stages << " " << query.status();
  auto pipeline = Pipeline::Compile(PlanPipeline(*query));
  EXPECT_TRUE(pipeline.ok()) << stages << " " << pipeline.status();
  return *pipeline;
}

// The line and the labels that are not the stream's own, "line|{a="b"}"; "-" for a dropped line.
std::string RunLine(const std::string& stages, const std::string& line, const Pairs& metadata = {},
                    const Labels& stream = {{"app", "s"}}) {
  const auto pipeline = LogPipeline(stages);
  const Rows rows = RowsOf({line}, metadata);
  LabelSetInterner interner;
  PipelineRunner runner(pipeline, &interner);
  runner.StartSlice(stream, &rows);
  std::vector<uint32_t> kept;
  pipeline->FilterRows(rows, 0, 1, &kept);
  EXPECT_EQ(kept.size() == 1, pipeline->PassesLeadingFilters(line));
  Entry entry;
  if (kept.empty() || !runner.ProcessEntry(0, &entry)) return "-";
  Labels labels = interner.Get(entry.labels).labels;
  for (const auto& [name, value] : stream) {
    if (labels.Get(name) == value) labels.Remove(name);
  }
  const std::string text = labels.ToString();
  return entry.line == line ? text : std::string(entry.line) + "|" + text;
}

struct Row {
  const char* stages;
  const char* line;
  const char* want;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows)
    EXPECT_EQ(RunLine(row.stages, row.line), row.want) << row.stages << " on " << row.line;
}

constexpr char kNoObject[] =
    R"(__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol")";

TEST(Pipeline, LineFilters) {
  Check({
      {R"(|= "")", "foo bar", "{}"},
      {R"(!= "")", "foo bar", "-"},
      {R"(|= "")", "", "{}"},
      {R"(|~ ".+")", "bar", "{}"},
      {R"(|~ ".+")", "", "-"},
      {R"(!~ ".+")", "bar", "-"},
      {R"(!~ ".+")", "", "{}"},
      {R"(|> "")", "", "{}"},
      {R"(|> "")", "bar", "-"},
      {R"(!> "")", "", "-"},
      {R"(!> "")", "bar", "{}"},
      {R"(|= "foo" or "bar")", "bar", "{}"},
      {R"(|= "foo" or "bar")", "baz", "-"},
      {R"(!= "foo" or "bar")", "bar", "-"},
      {R"(!= "foo" or "bar")", "", "{}"},
      {R"(|= "foo" or "")", "foo bar", "{}"},
      {R"(|= "foo" or "")", "bar", "-"},
      {R"(|> "<_> bar")", "foo bar", "{}"},
      {R"(|> "foo <_>")", "foo bar", "{}"},
      {R"(|> "<_>bar")", "bar", "-"},
      {R"(|= ip("10.0.0.0/8"))", "src=10.1.2.3:80 ok", "{}"},
      {R"(|= ip("10.0.0.0/8"))", "src=11.0.0.1 ok", "-"},
      {R"(!= ip("10.0.0.0/8"))", "src=11.0.0.1 ok", "{}"},
      {R"(|= ip("10.0.0.0/8") or "foo")", "10.1.2.3", "-"},
      {R"(|= ip("10.0.0.0/8") or "foo")", "foo", "{}"},
      {R"(|~ "a.c")", "a\nc", "-"},
      {R"(|~ "(?s)a.c")", "a\nc", "{}"},
      {R"(|~ "(?i)ERR")", "an error", "{}"},
      {R"(|~ "foo|")", "bar", "-"},
      {R"(|~ "a.c")",
       "a\xff"
       "c",
       "{}"},
      {R"(|~ "a[^b]c")",
       "a\xff"
       "c",
       "{}"},
      {R"(|~ "a..c")",
       "a\xff\xff"
       "c",
       "{}"},
      {R"(|~ "^a.c$")",
       "a\xff"
       "c",
       "{}"},
      {R"(|~ "a\\x{FFFD}+c")",
       "a\xff"
       "c",
       "{}"},
      {R"(|~ "a\\x{FFFD}c")",
       "a\xff"
       "c",
       "-"},
      {R"(|~ "(?i)err.*time" |= "out")", "ERR: timeout", "{}"},
      {R"(|~ "k(?P<n>el)+v[io]n" != "x")", "kelvin", "{}"},
      // Hoisted over decolorize, so it is the coloured line that is looked at; but not over line_format.
      {R"(| decolorize |= "[31m")", "\x1b[31mred", "red|{}"},
      {R"(| line_format "x" |= "y")", "y", "-"},
      {R"(| line_format "xy" |= "y")", "z", "xy|{}"},
  });
}

TEST(Pipeline, Json) {
  Check({
      {"| json", R"({"a":{"b":1,"c":[1]},"d":null,"e":true,"f":1.50,"g-h":"x","1k":"v","z":""})",
       R"({_1k="v", a_b="1", e="true", f="1.50", g_h="x", z=""})"},
      {"| json", R"({"app":"p","app2":"q"})", R"({app2="q", app_extracted="p"})"},
      {"| json", R"({"a":1,"a":2})", R"({a="1"})"},
      {"| json", R"({"a":{"b":1},"a_b":2})", R"({a_b="1"})"},
      {"| json", R"({"a":1)",
       R"({__error__="JSONParserErr", __error_details__="Value is array, but can't find closing ']' symbol", a="1"})"},
      {"| json", R"({" ":{"k":"v"}})", R"({k="v"})"},
      {"| json | drop a | json", R"({"a":1,"b":2})", R"({b="2"})"},
      {R"(| json x="s[1]", y="o", z="o.k", w="no")", R"({"s":["p","q"],"o":{"k":"v"}})",
       R"({w="", x="q", y="{\"k\":\"v\"}", z="v"})"},
      {R"(| json x="a")", "plain", R"({__error__="JSONParserErr"})"},
      {R"(| json x="a")", "", "{}"},
      {R"(| json app)", R"({"app":"z"})", R"({app_extracted="z"})"},
      {R"(| json app)", R"({"b":"z"})", "{}"},
      {R"(| json a="n" | json a="m")", R"({"n":1,"m":2})", R"({a="2"})"},
      {R"(| json x)", R"({"x":null})", R"({x=""})"},
      {R"(| json x="a")", R"({"a":[1,"b\n"]})", "{x=\"[1,\\\"b\\n\\\"]\"}"},
      {R"(| json x="a")", R"({"a":"x)",
       R"({__error__="JSONParserErr", __error_details__="Value is string, but can't find closing '\"' symbol", x=""})"},
  });
  EXPECT_EQ(RunLine("| json", "plain"), std::string("{") + kNoObject + "}");
  EXPECT_EQ(RunLine("| json", ""), std::string("{") + kNoObject + "}");
}

TEST(Pipeline, Logfmt) {
  constexpr char kLine[] = R"(a=1 b c="x y" d= e="q\"r" =bad f=g=h i=2)";
  Check({
      {"| logfmt", kLine, R"({a="1", c="x y", e="q\"r", i="2"})"},
      {"| logfmt --keep-empty", kLine, R"({a="1", b="", c="x y", d="", e="q\"r", i="2"})"},
      {"| logfmt --strict", kLine,
       R"({__error__="LogfmtParserErr", __error_details__="logfmt syntax error at pos 27 : unexpected '='", a="1", c="x y", e="q\"r"})"},
      {"| logfmt", "a=1 a=2", R"({a="1"})"},
      {"| logfmt a", "a=1 a=2", R"({a="2"})"},
      {R"(| logfmt x="a", n="zz")", "a=1", R"({n="", x="1"})"},
      {"| logfmt", "foo.bar=1 app=p", R"({app_extracted="p", foo_bar="1"})"},
      {R"(| logfmt ip="addr")", "addr=2 ip=1", R"({ip="1"})"},
      {R"(| logfmt ip="addr")", "ip=1", R"({ip="1"})"},
      {R"(| logfmt ip="addr")", "ip=1 addr=2", R"({ip="2"})"},
      {"| logfmt app", "x=1", "{}"},
      {"| logfmt app", "app=1", R"({app_extracted="1"})"},
      {"| logfmt a", "a=\xff", R"({a=""})"},
      {"| logfmt",
       "a=x\xff"
       "y",
       R"({a="x y"})"},
      {R"(| logfmt x="\"foo_bar\"")", "foo.bar=1", R"({x="1"})"},
  });
}

TEST(Pipeline, RegexpPatternUnpack) {
  Check({
      {R"~(| regexp "(?P<a>x)?(?P<b>y)")~", "y", R"({a="", b="y"})"},
      {R"~(| regexp "(?P<a>x)?(?P<b>y)")~", "zzz", "{}"},
      {R"~(| regexp "(?P<m>[A-Z]+) (?P<app>\\S+)")~", "GET /x", R"({app_extracted="/x", m="GET"})"},
      {R"(| regexp "(?<a>.)z")",
       "\xff"
       "z",
       R"({a="\xff"})"},
      {R"~(| regexp "^(?P<a>\\S+) (?P<b>.*)$" | line_format "{{.b}};{{.a}}")~",
       "x\xef\xbf\xbd\xc3 lev\xffl\xc3\xa9",
       "lev\xffl\xc3\xa9;x\xef\xbf\xbd\xc3|{a=\"x\xef\xbf\xbd\\xc3\", b=\"lev\\xffl\xc3\xa9\"}"},
      {R"(| pattern "<ip> - <u> <_>")", "1.2.3.4 - bob rest", R"({ip="1.2.3.4", u="bob"})"},
      {R"(| pattern "<p>?<_>")", "/status", R"({p="/status"})"},
      {R"(| pattern "GET <p> <_>")", "POST /x 1", "{}"},
      {R"(| pattern "<_> <app>")", "a b", R"({app_extracted="b"})"},
      {"| unpack", R"({"pod":"p","n":1,"_entry":"hi"})", R"(hi|{pod="p"})"},
      {"| unpack", R"({"pod":"p"})", "{}"},
      {"| unpack", R"(["x"])",
       R"({__error__="JSONParserErr", __error_details__="expecting json object(6), but it is not"})"},
      {"| unpack", "", "{}"},
      {"| unpack", R"({"a-b":"x","app":"y","_entry":"q\"r"})", R"(q"r|{a_b="x", app_extracted="y"})"},
      {"| unpack", R"({"pod":"p","_entry":"hi")",
       R"({__error__="JSONParserErr", __error_details__="Value is array, but can't find closing ']' symbol"})"},
  });
}

TEST(Pipeline, LabelFilters) {
  Check({
      {"| logfmt | n > 5", "n=6", R"({n="6"})"},
      {"| logfmt | n > 5", "n=5", "-"},
      {"| logfmt | n > 5", "n=x",
       R"({__error__="LabelFilterErr", __error_details__="strconv.ParseFloat: parsing \"x\": invalid syntax", n="x"})"},
      {"| logfmt | n > 5", "m=1", "-"},
      {"| logfmt | n != 5", "m=1", "-"},
      {R"(| logfmt | n != "5")", "m=1", R"({m="1"})"},
      {"| logfmt | d >= 1d", "d=24h", R"({d="24h"})"},
      {"| logfmt | d >= 1d", "d=1d",
       R"({__error__="LabelFilterErr", __error_details__="time: unknown unit \"d\" in duration \"1d\"", d="1d"})"},
      {"| logfmt | s < 1KB", "s=999", R"({s="999"})"},
      {"| logfmt | s < 1KB", "s=\"1 KiB\"", "-"},
      {"| logfmt | s < 1KB", "s=2qb",
       R"({__error__="LabelFilterErr", __error_details__="unhandled size name: qb", s="2qb"})"},
      {"| logfmt | s = 2.5KiB", "s=2600", R"({s="2600"})"},
      {"| logfmt | s = 2.5KiB", "s=2560", "-"},
      {R"(| logfmt | l=~"warn|warning")", "l=prewarn", R"({l="prewarn"})"},
      {R"(| logfmt | l=~"foo|bar")", "l=foox", "-"},
      {R"(| logfmt | l=~"err.*")", "l=xerr", R"({l="xerr"})"},
      {R"(| logfmt | l=~"^err.*")", "l=xerr", "-"},
      {R"(| logfmt | l=~"fo+")", "l=fooo", R"({l="fooo"})"},
      {R"(| logfmt | l=~"fo+")", "l=xfooo", "-"},
      {R"(| logfmt | a="")", "a=1", "-"},
      {R"(| logfmt | a=~"")", "a=1", R"({a="1"})"},
      {R"(| logfmt | a!~"")", "b=1", "-"},
      {R"(| logfmt | a=~".+")", "b=1", "-"},
      {"| logfmt | a=1 or b=2 and c=3", "a=1", R"({a="1"})"},
      {"| logfmt | a=1 or b=2 and c=3", "b=2", "-"},
      {R"(| json | __error__="")", "plain", "-"},
      {R"(| json | __error__!="")", R"({"a":1})", "-"},
      {R"(| json | __error_details__="")", "plain",
       R"({__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol"})"},
      {R"(| logfmt | a=ip("10.0.0.0/8"))", "a=x10.1.1.1y", R"({a="x10.1.1.1y"})"},
      {R"(| logfmt | a!=ip("10.0.0.0/8"))", "a=10.1.1.1", "-"},
      {R"(| logfmt | a!=ip("10.0.0.0/8"))", "b=10.1.1.1", "-"},
      {R"(| logfmt | a=ip("bad") or b=1)", "b=1 a=1.2.3.4", R"({a="1.2.3.4", b="1"})"},
      // Run as soon as the parser sets the label, though a later stage changes it.
      {R"(| json | label_format l="x" | l="x")", R"({"l":"y"})", "-"},
      {R"(| json | drop a | a="")", R"({"a":"1"})", "-"},
  });
}

TEST(Pipeline, Formats) {
  Check({
      {"| logfmt | label_format b=a", "a=1", R"({b="1"})"},
      {"| logfmt | label_format a=b,b=a", "a=1 b=2", R"({b="2"})"},
      {R"(| logfmt | label_format x="{{.a}}",y="{{.x}}")", "a=1", R"({a="1", x="1", y=""})"},
      {R"(| logfmt | label_format x=a,y="{{.x}}{{.a}}")", "a=1", R"({x="1", y="1"})"},
      {R"(| logfmt | line_format "{{.no}}x{{.a}}")", "a=1", R"(x1|{a="1"})"},
      {R"(| logfmt | line_format "{{.no}}")", "a=1", R"(|{a="1"})"},
      {R"(| logfmt | line_format "a {{- .a -}} b")", "a=1", R"(a1b|{a="1"})"},
      {R"(| json | line_format "{{.__error__}}")", "x",
       std::string("JSONParserErr|{").append(kNoObject).append("}").c_str()},
      {"| decolorize", "\x1b[31mred\x1b[0m", "red|{}"},
      {R"(| logfmt | keep a, b="2")", "a=1 b=3 c=4", R"({a="1"})"},
      {R"(| logfmt | drop a="9", b)", "a=1 b=2", R"({a="1"})"},
      {"| json | drop __error__", "x",
       R"({__error_details__="Value looks like object, but can't find closing '}' symbol"})"},
      {"| json | drop __error__, __error_details__", "x", "{}"},
      {R"(| json | drop __error__="x")", "x",
       R"({__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol"})"},
      {"| json | keep zz", "x",
       R"({__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol"})"},
  });
}

TEST(Pipeline, Metadata) {
  EXPECT_EQ(RunLine("", "x", {{"app", "m"}}), R"({app_extracted="m"})");
  EXPECT_EQ(RunLine("| logfmt", "k=p", {{"k", "m"}}), R"({k="m", k_extracted="p"})");
  EXPECT_EQ(RunLine("| drop k", "x", {{"k", "m"}}), "{}");
  EXPECT_EQ(RunLine("| drop k | logfmt", "k=p", {{"k", "m"}}), R"({k="p"})");
  EXPECT_EQ(RunLine("| drop app | logfmt", "app=p"), R"({app_extracted="p"})");
  EXPECT_EQ(RunLine(R"(| k="m")", "x", {{"k", "m"}}), R"({k="m"})");
  EXPECT_EQ(RunLine(R"(| k="n")", "x", {{"k", "m"}}), "-");
  EXPECT_EQ(RunLine("", "x", {{"__error__", "E"}}), R"({__error__="E"})");
  EXPECT_EQ(RunLine(R"(| label_format k="v")", "x", {{"k", "m"}}), R"({k="v"})");
}

TEST(Pipeline, Categories) {
  const auto pipeline = LogPipeline("| logfmt | label_format app=\"x\"");
  const Rows rows = RowsOf({"a=1"}, {{"k", "m"}});
  LabelSetInterner interner;
  PipelineRunner runner(pipeline, &interner);
  const Labels stream = {{"app", "s"}, {"env", "p"}};
  runner.StartSlice(stream, &rows);
  Entry entry;
  ASSERT_TRUE(runner.ProcessEntry(0, &entry));
  const LabelSet& set = interner.Get(entry.labels);
  EXPECT_EQ(set.labels.ToString(), R"({a="1", app="x", env="p", k="m"})");
  EXPECT_EQ(set.categories, (std::vector<LabelCategory>{LabelCategory::kParsed, LabelCategory::kParsed,
                                                        LabelCategory::kStream, LabelCategory::kMetadata}));
}

TEST(Pipeline, StageErrors) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(| json app="p..q")",
       R"(parse error : stage '| json app="p..q"' : cannot parse expression [p..q]: syntax error: unexpected DOT, expecting FIELD)"},
      {R"(| x=ip("1.1"))", R"(parse error : stage '| x=ip("1.1")' : ip: invalid pattern: "1.1")"},
      {R"(|= ip("x"))", R"(parse error : stage '|= ip("x")' : ip: invalid pattern: "x")"},
      {R"(|~ ip("1.1.1.1"))", R"(parse error : stage '|~ ip("1.1.1.1")' : ip: invalid operation)"},
      {R"(|~ "(")", "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"},
      {R"(| logfmt x="field with space")",
       R"(parse error : stage '| logfmt x="field with space"' : cannot parse expression [field with space]: syntax error: unexpected KEY)"},
      {R"(| logfmt x="a.b")",
       R"(parse error : stage '| logfmt x="a.b"' : cannot parse expression [a.b]: unexpected char .)"},
      {R"(| logfmt x="1a")",
       R"(parse error : stage '| logfmt x="1a"' : cannot parse expression [1a]: syntax error: unexpected $end, expecting STRING or KEY)"},
      {R"(| logfmt x="a é")",
       R"(parse error : stage '| logfmt x="a é"' : cannot parse expression [a é]: unexpected char é)"},
      {R"(| label_format __error__="x")",
       R"(parse error : stage '| label_format __error__="x"' : __error__ cannot be formatted)"},
      {R"(| label_format a="x",a="y")",
       R"(parse error : stage '| label_format a="x",a="y"' : multiple label name 'a' not allowed in a single format operation)"},
  };
  for (const auto& [stages, want] : cases) {
    const auto query = logql::ParseLogSelector(std::string("{a=\"b\"} ") + stages);
    ASSERT_TRUE(query.ok()) << stages << query.status();
    EXPECT_EQ(MessageOf(Pipeline::Compile(PlanPipeline(*query)).status()), want);
  }
}

// ------------------------------------------------------------------------------------------------------
// samples

struct SampleRow {
  const char* query;
  const char* line;
  const char* want;  // "value {labels}", or "-"
};

std::string RunSample(const std::string& query, const std::string& line, const Pairs& metadata) {
  const auto expr = logql::ParseExpr(query);
  EXPECT_TRUE(expr.ok()) << query << expr.status();
  const logql::VectorAggregation* parent = std::get_if<logql::VectorAggregation>(&(*expr)->node);
  const auto* range =
      std::get_if<logql::RangeAggregation>(parent == nullptr ? &(*expr)->node : &parent->inner->node);
  const auto pipeline = Pipeline::Compile(PlanPipeline(*range, parent));
  EXPECT_TRUE(pipeline.ok()) << pipeline.status();
  const Rows rows = RowsOf({line}, metadata);
  LabelSetInterner interner;
  PipelineRunner runner(*pipeline, &interner);
  const Labels stream = {{"app", "s"}};
  runner.StartSlice(stream, &rows);
  std::vector<uint32_t> kept;
  (*pipeline)->FilterRows(rows, 0, 1, &kept);
  Sample sample;
  const bool keep = !kept.empty() && runner.ProcessSample(0, &sample);
  if (const auto constant = runner.SliceConstant(); constant && !kept.empty()) {
    EXPECT_EQ(constant->keep, keep) << query;
    if (keep) {
      EXPECT_EQ(constant->labels, sample.labels) << query;
    }
  }
  return keep ? fmt::format("{} {}", sample.value, interner.Get(sample.labels).labels.ToString()) : "-";
}

TEST(Pipeline, Samples) {
  const SampleRow rows[] = {
      {R"(count_over_time({a="b"}[1m]))", "x", R"(1 {app="s", k="m"})"},
      {R"(bytes_over_time({a="b"}[1m]))", "four", R"(4 {app="s", k="m"})"},
      {R"(bytes_over_time({a="b"} | line_format "12345"[1m]))", "x", R"(5 {app="s", k="m"})"},
      {R"(sum(count_over_time({a="b"}[1m])))", "x", "1 {}"},
      {R"(sum by (app)(count_over_time({a="b"}[1m])))", "x", R"(1 {app="s"})"},
      {R"(sum by (k, no)(rate({a="b"}[1m])))", "x", R"(1 {k="m"})"},
      {R"(sum without (k)(rate({a="b"}[1m])))", "x", R"(1 {app="s"})"},
      {R"(sum without ()(rate({a="b"}[1m])))", "x", R"(1 {app="s", k="m"})"},
      {R"(max by (app)(rate({a="b"}[1m])))", "x", R"(1 {app="s", k="m"})"},
      {R"(absent_over_time({a="b"}[1m]))", "x", "1 {}"},
      {R"(count_over_time({a="b"} | logfmt[1m]))", "l=1", R"(1 {app="s", k="m", l="1"})"},
      {R"(sum(count_over_time({a="b"} | json[1m])))", "x", "1 {}"},
      {R"(count_over_time({a="b"} | json | drop __error__[1m]))", "x",
       R"(1 {__error_details__="Value looks like object, but can't find closing '}' symbol", app="s", k="m"})"},
      {R"(count_over_time({a="b"} | json | drop __error_details__[1m]))", "x",
       R"(1 {__error__="JSONParserErr", app="s", k="m"})"},
      {R"(sum by (x)(count_over_time({a="b"} | json[1m])))", "x",
       R"(1 {__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol", app="s", k="m"})"},
      {R"(sum by (__error__)(count_over_time({a="b"} | json | drop __error_details__[1m])))", "x",
       R"(1 {__error__="JSONParserErr", __preserve_error__="true", app="s", k="m"})"},
      {R"(sum by (x)(count_over_time({a="b"} | logfmt x="l"[1m])))", "l=1", R"(1 {x=""})"},
      {R"(sum by (x, l)(count_over_time({a="b"} | logfmt x="l"[1m])))", "l=1", R"(1 {x="1"})"},
      {R"(sum by (x)(count_over_time({a="b"} | logfmt | label_format x=l[1m])))", "l=1", R"(1 {x="1"})"},
      {R"(sum by (a)(count_over_time({a="b"} | logfmt | drop a | label_format a="2"[1m])))", "a=1", "1 {}"},
      {R"(sum by (c)(count_over_time({a="b"} | json[1m])))", R"({"b":tru,"c":"1"})",
       R"(1 {__error__="JSONParserErr", __error_details__="Unknown value type", app="s", k="m"})"},
      {R"(sum by (c)(count_over_time({a="b"} | json[1m])))", R"({"c":"1","b":tru)", R"(1 {c="1"})"},
      {R"(sum by (c_d)(count_over_time({a="b"} | json[1m])))", R"({"x":{"d":1},"c":{"e":2,"d":"1"}})",
       R"(1 {c_d="1"})"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap l[1m]))", "l=1.5", R"(1.5 {app="s", k="m"})"},
      {R"(sum by (l)(sum_over_time({a="b"} | logfmt | unwrap l[1m])))", "l=1.5", R"(1.5 {l="1.5"})"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap l[1m]))", "m=1.5", "-"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap l[1m]))", "l=x",
       R"(0 {__error__="SampleExtractionErr", __error_details__="strconv.ParseFloat: parsing \"x\": invalid syntax", app="s", k="m", l="x"})"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap l | __error__=""[1m]))", "l=x", "-"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap duration(l)[1m]))", "l=1m0.5s", R"(60.5 {app="s", k="m"})"},
      {R"(sum_over_time({a="b"} | logfmt | unwrap bytes(l)[1m]))", "l=2KiB", R"(2048 {app="s", k="m"})"},
      {R"(sum(sum_over_time({a="b"} | logfmt | unwrap l[1m])))", "l=2", "2 {}"},
      {R"(avg_over_time({a="b"} | logfmt | unwrap l[1m]) by (z))", "l=2 z=q", R"(2 {z="q"})"},
      {R"(avg_over_time({a="b"} | logfmt | unwrap l[1m]) without (z))", "l=2 z=q", R"(2 {app="s", k="m"})"},
      {R"(count_over_time({a="b"} |= "x" | k="n"[1m]))", "x", "-"},
      {R"(sum(count_over_time({a="b"} |= "x" | k="m"[1m])))", "x", "1 {}"},
  };
  for (const SampleRow& row : rows) {
    EXPECT_EQ(RunSample(row.query, row.line, {{"k", "m"}}), row.want) << row.query << " on " << row.line;
  }
}

// Outcomes that are remembered by metadata values must be those of single rows.
TEST(Pipeline, RemembersByMetadata) {
  Rows rows;
  MetadataColumn level{"level", "infowarnx", {4, 8, 9}, {}};
  MetadataColumn user{"user", "", {}, {}};
  for (uint32_t i = 0; i < 3000; ++i) {
    rows.Append(i, "line");
    level.index.push_back(i % 4);
    user.value_bytes += std::to_string(i % 700);
    user.value_end.push_back(static_cast<uint32_t>(user.value_bytes.size()));
    user.index.push_back(i % 5 == 0 ? 0 : i + 1);
  }
  rows.metadata = {level, user};
  const Labels stream = {{"app", "s"}};
  for (const char* query :
       {R"(sum by (level)(count_over_time({a="b"} | level!="x"[1m])))",
        R"(sum by (level, user)(count_over_time({a="b"} | user!="7"[1m])))",
        R"(count_over_time({a="b"}[1m]))", R"(sum(count_over_time({a="b"} | user > 5[1m])))"}) {
    const auto expr = logql::ParseExpr(query);
    ASSERT_TRUE(expr.ok());
    const auto* parent = std::get_if<logql::VectorAggregation>(&(*expr)->node);
    const auto* range =
        std::get_if<logql::RangeAggregation>(parent == nullptr ? &(*expr)->node : &parent->inner->node);
    const auto pipeline = Pipeline::Compile(PlanPipeline(*range, parent));
    ASSERT_TRUE(pipeline.ok());
    LabelSetInterner interner;
    PipelineRunner runner(*pipeline, &interner);
    runner.StartSlice(stream, &rows);
    PipelineRunner fresh(*pipeline, &interner);
    for (uint32_t row = 0; row < rows.size(); ++row) {
      fresh.StartSlice(stream, &rows);
      Sample got, want;
      const bool keep = runner.ProcessSample(row, &got);
      ASSERT_EQ(keep, fresh.ProcessSample(row, &want)) << query << row;
      if (!keep) continue;
      ASSERT_EQ(got.labels, want.labels) << query << row;
      ASSERT_EQ(got.value, want.value);
    }
  }
}

TEST(Pipeline, WhatIsNeeded) {
  const struct {
    const char* query;
    bool lines;
    bool metadata;
    bool metadata_for_app;  // of a stream that has the label app
  } cases[] = {
      {R"(sum(count_over_time({a="b"}[1m])))", false, false, false},
      {R"(sum by (app)(count_over_time({a="b"}[1m])))", false, true, false},
      {R"(sum by (level)(count_over_time({a="b"}[1m])))", false, true, true},
      {R"(count_over_time({a="b"}[1m]))", false, true, true},
      {R"(sum(count_over_time({a="b"} |= "x"[1m])))", true, false, false},
      {R"(sum(bytes_over_time({a="b"}[1m])))", true, false, false},
      {R"(sum by (app)(count_over_time({a="b"} | json[1m])))", true, true, true},
  };
  const Labels stream = {{"app", "s"}};
  for (const auto& c : cases) {
    const auto expr = logql::ParseExpr(c.query);
    const auto* parent = std::get_if<logql::VectorAggregation>(&(*expr)->node);
    const auto* range =
        std::get_if<logql::RangeAggregation>(parent == nullptr ? &(*expr)->node : &parent->inner->node);
    const auto pipeline = Pipeline::Compile(PlanPipeline(*range, parent));
    ASSERT_TRUE(pipeline.ok());
    EXPECT_EQ((*pipeline)->Columns().lines, c.lines) << c.query;
    EXPECT_EQ((*pipeline)->Columns().metadata, c.metadata) << c.query;
    EXPECT_EQ((*pipeline)->MetadataMatters(stream), c.metadata_for_app) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
