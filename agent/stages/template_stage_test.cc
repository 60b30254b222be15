#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stages/testing.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The template of {source: v}, shown as the line.
std::string Made(const std::string& text, const std::string& line) {
  YAML::Node config;
  config["source"] = "v";
  config["template"] = text;
  Pipeline pipeline;
  EXPECT_TRUE(pipeline.Add("regex", YAML::Load(R"({expression: '^(?P<v>\S*)( (?P<w>\S*))?'})")).ok());
  const absl::Status added = pipeline.Add("template", config);
  EXPECT_TRUE(added.ok()) << added;
  EXPECT_TRUE(pipeline.Add("output", YAML::Load("{source: v}")).ok());
  const std::vector<std::string> shown = RunLines(pipeline, {line});
  return shown[0].substr(shown[0].find('|') + 1);
}

TEST(TemplateStage, Examples) {
  struct Row {
    const char* text;
    const char* line;
    const char* want;
  };
  const Row rows[] = {
      {"new_key-{{ .Value }}", "a", "new_key-a"},
      {"{{ .w }}/{{ .v }}", "a b", "b/a"},
      {"{{ .missing }}", "a", "<no value>"},
      {"{{ .stream }}", "a", "stdout"},
      {"{{ .Entry }}!", "a b", "a b!"},
      {"{{ ToLower .Value }}{{ ToUpper .Value }}", "aB", "abAB"},
      {"{{ Replace .Value \"a\" \"o\" -1 }}", "banana", "bonono"},
      {"{{ Replace .Value \"a\" \"o\" 1 }}", "banana", "bonana"},
      {"{{ Trim .Value \",. \" }}", ".,x,.", "x"},
      {"{{ TrimLeft .Value \".\" }}|{{ TrimRight .Value \".\" }}", ".x.", "x.|.x"},
      {"{{ TrimPrefix .Value \"ab\" }}|{{ TrimSuffix .Value \"bc\" }}", "abc", "c|a"},
      {"{{ if eq .Value \"a\" }}A{{ else }}B{{ end }}", "a", "A"},
      {"{{ if and .v .w }}both{{ else }}one{{ end }}", "a", "one"},
      {"{{ with .w }}<{{ . }}>{{ end }}x", "a b", "<b>x"},
      {"{{ printf \"%s-%5s\" .v .w }}", "a b", "a-    b"},
      {"{{ regexReplaceAll \"(a*)bc\" .Value \"${1}a\" }}", "aaxbcx", "aaxax"},
      {"{{ regexReplaceAllLiteral \"(ts=)\" .Value \"t$1=\" }}", "ts=5", "t$1=5"},
      {"{{ .Value | lower | trunc 2 | quote }}", "ABC", "\"ab\""},
      {"{{ default \"none\" .w }}", "a", "none"},
      {"{{ empty .w }} {{ coalesce .w .v }} {{ ternary \"t\" \"f\" (eq .v \"a\") }}", "a", "true a t"},
      // Known digests.
      {"{{ Sha2Hash \"\" .Value }}", "abc",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"{{ Sha2Hash \"ab\" .Value }}", "c",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"{{ Hash \"\" .Value }}", "abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
      {"{{ sha1sum .Value }}", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
  };
  for (const Row& row : rows) EXPECT_EQ(Made(row.text, row.line), row.want) << row.text;
}

TEST(TemplateStage, AnEmptyResultDeletesTheKey) {
  const auto pipeline = MakePipeline(
      "[{regex: {expression: '^(?P<v>.*)'}}, {template: {source: v, template: '{{ \"\" }}'}}, {labels: {v: "
      "}}]");
  ASSERT_TRUE(pipeline.ok());
  EXPECT_THAT(RunLines(**pipeline, {"a"}), ElementsAre(R"({stream="stdout"}|a)"));
}

TEST(TemplateStage, MakesAKeyThatWasNot) {
  const auto pipeline =
      MakePipeline("[{template: {source: app, template: 'x-{{ .job }}'}}, {labels: {app: }}]");
  ASSERT_TRUE(pipeline.ok());
  EXPECT_THAT(RunLines(**pipeline, {"l"}), ElementsAre(R"({app="x-x", stream="stdout"}|l)"));
}

TEST(TemplateStage, RefusedWhenItIsRead) {
  EXPECT_THAT(
      std::string(
          MakePipeline("[{template: {source: a, template: '{{ nope .Value }}'}}]").status().message()),
      HasSubstr("function \"nope\" not defined"));
  EXPECT_THAT(
      std::string(MakePipeline("[{template: {source: a, template: '{{ .Value '}}]").status().message()),
      HasSubstr("unclosed action"));
  EXPECT_FALSE(MakePipeline("[{template: {template: x}}]").ok());
  EXPECT_FALSE(MakePipeline("[{template: {source: x}}]").ok());
}

TEST(ReplaceStage, Examples) {
  struct Row {
    const char* stages;
    const char* line;
    const char* want;
  };
  const Row rows[] = {
      {R"([{replace: {expression: 'password (\S+)', replace: '****'}}])", "my password s3cret here",
       "my password **** here"},
      // Every match, every group.
      {R"([{replace: {expression: '(\d+)-(\d+)', replace: '<{{ .Value }}>'}}])", "1-2 3-4",
       "<1>-<2> <3>-<4>"},
      {R"([{replace: {expression: '(a+)', replace: '{{ .Value | ToUpper }}'}}])", "baab", "bAAb"},
      // Nothing to put in its place removes it.
      {R"([{replace: {expression: 'x(\d+)', replace: ''}}])", "x12 x3y", "x xy"},
      // Without a group nothing is replaced; without a match nothing changes.
      {R"([{replace: {expression: 'b', replace: 'c'}}])", "abc", "abc"},
      {R"([{replace: {expression: '(z)', replace: 'c'}}])", "abc", "abc"},
      // A source, and a named group that is extracted as it is after the replacement.
      {R"([{regex: {expression: '(?P<ip>\S+)'}}, {replace: {expression: '(\d+)$', source: ip, replace: 'x'}}, {output: {source: ip}}])",
       "10.0.0.7", "10.0.0.x"},
      {R"([{replace: {expression: '(?P<w>\w+)@', replace: '{{ .Value | ToUpper }}'}}, {output: {source: w}}])",
       "me@home", "ME"},
      // The groups of an alternative that took no part are left.
      {R"([{replace: {expression: '(a)|(b)', replace: '_'}}])", "abc", "__c"},
      {R"([{replace: {expression: '(a)', source: nothing, replace: '_'}}])", "abc", "abc"},
      {R"([{replace: {expression: '(\S+)$', replace: '{{ .stream }}'}}])", "from here", "from stdout"},
  };
  for (const Row& row : rows) {
    const auto pipeline = MakePipeline(row.stages);
    ASSERT_TRUE(pipeline.ok()) << row.stages << pipeline.status();
    EXPECT_THAT(RunLines(**pipeline, {row.line}),
                ElementsAre(R"({stream="stdout"}|)" + std::string(row.want)))
        << row.stages;
  }
  EXPECT_FALSE(MakePipeline("[{replace: {replace: x}}]").ok());
  EXPECT_FALSE(MakePipeline("[{replace: {expression: '(', replace: x}}]").ok());
}

}  // namespace
}  // namespace skald::agent
