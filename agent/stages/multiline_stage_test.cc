#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stages/testing.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using Lines = std::vector<std::string>;

std::unique_ptr<Pipeline> Make(const std::string& stages, StageContext context = {}) {
  auto pipeline = MakePipeline(stages, std::move(context));
  EXPECT_TRUE(pipeline.ok()) << pipeline.status();
  return std::move(*pipeline);
}

// Without the labels.
Lines Texts(const Pipeline& pipeline, const Lines& lines) {
  Lines texts = RunLines(pipeline, lines);
  for (std::string& text : texts) text = text.substr(text.find('|') + 1);
  return texts;
}

TEST(MultilineStage, JoinsUpToTheNextFirstLine) {
  const auto pipeline = Make(R"([{multiline: {firstline: '^\['}}])");
  EXPECT_THAT(Texts(*pipeline, {"[1] a", "  b", "", "[2] c", "[3] d", "  e"}),
              ElementsAre("[1] a\n  b\n", "[2] c", "[3] d\n  e"));
  // Before the first one, lines go out alone.
  EXPECT_THAT(Texts(*pipeline, {"x", "y", "[1] a", "b"}), ElementsAre("x", "y", "[1] a\nb"));
}

TEST(MultilineStage, ABlockIsBounded) {
  const auto pipeline = Make("[{multiline: {firstline: '^S', max_lines: 3}}]");
  EXPECT_THAT(Texts(*pipeline, {"S", "1", "2", "3", "4", "5", "6", "S", "7"}),
              ElementsAre("S\n1\n2", "3\n4\n5", "6", "S\n7"));
  StageContext context;
  context.max_line_size = 6;
  const auto narrow = Make("[{multiline: {firstline: '^S'}}]", context);
  EXPECT_THAT(Texts(*narrow, {"S", "12", "34", "56"}), ElementsAre("S\n12", "34\n56"));
  EXPECT_THAT(Texts(*Make("[{multiline: {firstline: '^S', max_lines: 1}}]"), {"S", "1"}),
              ElementsAre("S", "1"));
}

TEST(MultilineStage, LabelSetsDoNotMix) {
  const auto pipeline = Make(
      R"([{regex: {expression: '^(?P<t>\w)'}}, {labels: {t: }}, {multiline: {firstline: '^\w!'}}, {labeldrop: [t]}])");
  EXPECT_THAT(Texts(*pipeline, {"a!", "b!", "a1", "b1", "a2", "a!"}),
              ElementsAre("a!\na1\na2", "a!", "b!\nb1"));
}

TEST(MultilineStage, TimeAndMetadataAreThoseOfTheFirstLine) {
  const auto pipeline = Make(
      R"([{regex: {expression: '^(?P<t>\S+) (?P<id>\w+)'}}, {timestamp: {source: t, format: Unix}}, {structured_metadata: {id: }}, {multiline: {firstline: '^1\d+'}}])");
  EXPECT_THAT(RunLines(*pipeline, {"1000000001 a", "x b"}),
              ElementsAre("2001-09-09T01:46:41Z|{stream=\"stdout\"}|1000000001 a\nx b|id=a"));
}

TEST(MultilineStage, StagesBehindSeeTheWhole) {
  const auto pipeline = Make(
      R"([{multiline: {firstline: '^S'}}, {regex: {expression: '(?s)S.*(?P<e>end\d)'}}, {labels: {e: }}])");
  EXPECT_THAT(RunLines(*pipeline, {"S", "a", "end7"}),
              ElementsAre("{e=\"end7\", stream=\"stdout\"}|S\na\nend7"));
}

TEST(MultilineStage, WaitsNoLongerThanItsTime) {
  const auto pipeline = Make("[{multiline: {firstline: '^S', max_wait_time: 10s}}]");
  HeldEntries held;
  ShownEntries out;
  Entry entry;
  entry.line = "S";
  entry.time_ns = kTestReadNs;
  entry.origin = {7, 1, 100};
  pipeline->Run(&entry, &held, &out);
  EXPECT_FALSE(held.empty());
  EXPECT_EQ(held.first()->ordinal, 7u);
  std::vector<uint64_t> hashes;
  EXPECT_FALSE(held.MarkDue(MonotonicNs(), &hashes));
  EXPECT_TRUE(held.MarkDue(MonotonicNs() + 11 * kNsPerSecond, &hashes));
  EXPECT_EQ(hashes.size(), 1u);
  pipeline->Flush(&held, &out);
  EXPECT_THAT(out.shown, ElementsAre("{}|S"));
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.due_ns(), 0);
  // What comes later has no first line.
  Entry late;
  late.line = "late";
  late.time_ns = kTestReadNs;
  pipeline->Run(&late, &held, &out);
  EXPECT_THAT(out.shown, ElementsAre("{}|S", "{}|late"));
}

TEST(MultilineStage, RefusedWhenItIsRead) {
  EXPECT_FALSE(MakePipeline("[{multiline: {}}]").ok());
  EXPECT_FALSE(MakePipeline("[{multiline: {firstline: '('}}]").ok());
  EXPECT_FALSE(MakePipeline("[{multiline: {firstline: a, max_wait_time: long}}]").ok());
  EXPECT_FALSE(MakePipeline("[{multiline: {firstline: a, max_lines: -1}}]").ok());
}

}  // namespace
}  // namespace skald::agent
