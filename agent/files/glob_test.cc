#include "agent/files/glob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skald::agent {
namespace {

TEST(Glob, Components) {
  struct Row {
    const char* pattern;
    const char* name;
    bool want;
  };
  const Row rows[] = {
      {"*.log", "a.log", true},
      {"*.log", ".log", true},
      {"*.log", "a.log.1", false},
      {"?.log", "a.log", true},
      {"?.log", "ab.log", false},
      {"[0-9].log", "5.log", true},
      {"[0-9].log", "x.log", false},
      {"[!0-9].log", "x.log", true},
      {"[^0-9].log", "5.log", false},
      {"[]a].log", "].log", true},
      {"[a", "[a", true},
      {"a*b*c", "axxbyyc", true},
      {"a*b*c", "axxbyy", false},
      {"**x", "abx", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"", "", true},
      {"*", "", true},
      {"", "a", false},
      {"*[ab]c", "xxbcac", true},
      {"[a-]x", "-x", true},
      {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Row& row : rows)
    EXPECT_EQ(MatchComponent(row.pattern, row.name), row.want) << row.pattern << " " << row.name;
}

TEST(Glob, Braces) {
  EXPECT_THAT(ExpandBraces("/a/{b,c}/d"), testing::ElementsAre("/a/b/d", "/a/c/d"));
  EXPECT_THAT(ExpandBraces("{a,b{c,d}}x"), testing::ElementsAre("ax", "bcx", "bdx"));
  EXPECT_THAT(ExpandBraces("{a"), testing::ElementsAre("{a"));
  EXPECT_THAT(ExpandBraces("\\{a,b}"), testing::ElementsAre("\\{a,b}"));
  EXPECT_THAT(ExpandBraces("{a}"), testing::ElementsAre("a"));
}

TEST(Glob, Paths) {
  struct Row {
    const char* pattern;
    const char* path;
    bool want;
  };
  const Row rows[] = {
      {"/var/log/*.log", "/var/log/a.log", true},
      {"/var/log/*.log", "/var/log/x/a.log", false},
      {"/var/log/**/*.log", "/var/log/a.log", true},
      {"/var/log/**/*.log", "/var/log/x/y/a.log", true},
      {"/var/log/**", "/var/log/x/y/a.txt", true},
      {"/var/log/**", "/var/log", false},
      {"/var/log/pods/*/*/*.log", "/var/log/pods/a/b/0.log", true},
      {"/var/log/pods/*/*/*.log", "/var/log/pods/b/0.log", false},
      {"/var/log/syslog", "/var/log/syslog", true},
      {"/**/x.log", "/a/b/x.log", true},
      {"/a/**/b/**/c", "/a/1/b/2/3/c", true},
      {"/a/**/b/**/c", "/a/1/2/3/c", false},
      {"/var/*/x", "/varx/x", false},
  };
  for (const Row& row : rows) {
    auto glob = GlobPattern::Parse(row.pattern);
    ASSERT_TRUE(glob.ok()) << row.pattern;
    EXPECT_EQ(glob->Matches(row.path), row.want) << row.pattern << " " << row.path;
  }
  EXPECT_FALSE(GlobPattern::Parse("relative/*.log").ok());
  EXPECT_FALSE(GlobPattern::Parse("/").ok());
  EXPECT_EQ(GlobPattern::Parse("/var/log/*.log")->root(), "/var/log");
}

}  // namespace
}  // namespace skald::agent
