#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_line.h"

namespace skald::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> TextsOf(std::vector<std::string> words) {
  const CommandLine line("test");
  const CompletionSources sources{[] { return std::vector<std::string>{"app", "env"}; }};
  std::vector<std::string> texts;
  const Completion completion = Complete(line.app(), std::move(words), sources);
  for (const Candidate& candidate : completion.candidates) texts.push_back(candidate.text);
  if (completion.files) texts.emplace_back(":files");
  return texts;
}

TEST(Completion, VerbsAndTheirParts) {
  EXPECT_THAT(TextsOf({"qu"}), ElementsAre("query"));
  EXPECT_THAT(TextsOf({""}), Contains("instant-query"));
  EXPECT_THAT(TextsOf({"-o", "raw", "vol"}), ElementsAre("volume", "volume_range"));
  EXPECT_THAT(TextsOf({"delete", ""}), ElementsAre("create", "list", "cancel"));
  EXPECT_THAT(TextsOf({"rules", "sh"}), ElementsAre("show"));
  EXPECT_THAT(TextsOf({"rules", "check", ""}), ElementsAre(":files"));
  EXPECT_THAT(TextsOf({"completion", "z"}), ElementsAre("zsh"));
  EXPECT_THAT(TextsOf({"query", "{app"}), IsEmpty());
}

TEST(Completion, Flags) {
  EXPECT_THAT(TextsOf({"query", "--parallel-d"}), ElementsAre("--parallel-duration"));
  EXPECT_THAT(TextsOf({"query", "--add"}), ElementsAre("--addr"));
  EXPECT_THAT(TextsOf({"labels", "--"}), Not(Contains("--forward")));
}

TEST(Completion, Values) {
  EXPECT_THAT(TextsOf({"query", "--output", "j"}), ElementsAre("jsonl"));
  EXPECT_THAT(TextsOf({"query", "-o", ""}), ElementsAre("default", "raw", "jsonl", "table"));
  EXPECT_THAT(TextsOf({"query", "--output=ra"}), ElementsAre("--output=raw"));
  // bash has cut the word at its =.
  EXPECT_THAT(TextsOf({"query", "--output", "=", "ra"}), ElementsAre("raw"));
  EXPECT_THAT(TextsOf({"query", "--timezone", "="}), ElementsAre("Local", "UTC"));
  EXPECT_THAT(TextsOf({"labels", "a"}), ElementsAre("app"));
  EXPECT_THAT(TextsOf({"query", "--include-label", ""}), ElementsAre("app", "env"));
  EXPECT_THAT(TextsOf({"--ca-cert", ""}), ElementsAre(":files"));
}

TEST(Completion, Scripts) {
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_NE(CompletionScript(shell), "") << shell;
  EXPECT_EQ(CompletionScript("tcsh"), "");
}

}  // namespace
}  // namespace skald::cli
