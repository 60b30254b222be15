#include "agent/stages/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <thread>

#include <yaml-cpp/yaml.h>

#include "agent/stages/pipeline.h"
#include "base/types.h"

namespace skald::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Tap::Options Selecting(const std::string& text, bool stages = false, double rate = 1000) {
  Tap::Options options;
  if (!text.empty()) {
    auto selector = Selector::Parse(text);
    EXPECT_TRUE(selector.ok()) << selector.status();
    options.selector = std::move(*selector);
  }
  options.stages = stages;
  options.lines_per_second = rate;
  return options;
}

TEST(Tap, ShowsWhatIsSelected) {
  Tap tap;
  EXPECT_FALSE(tap.open());
  const auto all = tap.Open(Selecting(""));
  const auto errors = tap.Open(Selecting(R"({app="a"} |= "err")"));
  EXPECT_TRUE(tap.open());
  const Tap::Metadata metadata = {{"id", "7"}};
  tap.Out(R"({app="a", b="c"})", "", 1, "an err", &metadata);
  tap.Out(R"({app="a"})", "blue", 1, "fine", nullptr);
  tap.Out(R"({app="b"})", "", 1, "another err", nullptr);
  EXPECT_EQ(
      errors->Take(0),
      R"({"time":"1970-01-01T00:00:00.000000001Z","labels":{"app":"a","b":"c"},"line":"an err","metadata":{"id":"7"}})"
      "\n");
  EXPECT_EQ(errors->Take(0), "");
  const std::string lines = all->Take(0);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);
  EXPECT_THAT(lines, HasSubstr(R"("line":"fine","tenant":"blue"})"));
  tap.Close(all);
  EXPECT_TRUE(tap.open());
  tap.Close(errors);
  EXPECT_FALSE(tap.open());
}

TEST(Tap, IsBounded) {
  Tap tap;
  const auto slow = tap.Open(Selecting("", false, 3));
  const auto greedy = tap.Open(Selecting("", false, 1e6));
  const std::string line(100'000, 'x');
  for (int i = 0; i < 100'000; ++i) tap.Out("{a=\"b\"}", "", 1, i < 100 ? line : "short", nullptr);
  const std::string few = slow->Take(0);
  EXPECT_LT(std::count(few.begin(), few.end(), '\n'), 20);
  EXPECT_THAT(few, HasSubstr("\"line_bytes\":100000"));
  EXPECT_THAT(few, HasSubstr("{\"skipped\":"));
  EXPECT_LT(greedy->Take(0).size(), size_t{300} << 10);
  EXPECT_NE(tap.Open({}), nullptr);
  EXPECT_NE(tap.Open({}), nullptr);
  EXPECT_EQ(tap.Open({}), nullptr);
}

TEST(Tap, ShowsWhatEachStageMade) {
  Tap tap;
  Pipeline pipeline;
  ASSERT_TRUE(AddStages(YAML::Load("[{logfmt: {mapping: {level: }}}, {labels: {level: }}, {decolorize: },"
                                   " {drop: {source: level, value: debug}}]"),
                        &pipeline, [](const YAML::Node&, const std::string& why) { FAIL() << why; })
                  .ok());
  pipeline.SetObserver(
      [&](std::string_view stage, const Entry& entry, bool dropped) { tap.See(stage, entry, dropped); },
      &tap.open());
  const auto run = [&](const std::string& line) {
    Entry entry;
    entry.labels = Labels{{"app", "a"}};
    entry.line = line;
    if (pipeline.Run(&entry)) tap.Out(entry.labels.ToString(), "", entry.time_ns, entry.line, nullptr);
  };
  run("level=info unseen");
  const auto infos = tap.Open(Selecting(R"({level="info"})", true));
  const auto all = tap.Open(Selecting("", true));
  const auto plain = tap.Open(Selecting(""));
  run("level=info one");
  const std::string one = all->Take(0);
  EXPECT_EQ(
      one,
      R"({"stages":[{"stage":"","labels":{"app":"a"},"extracted":{"app":"a"},"metadata":{},"line":"level=info one"},)"
      R"({"stage":"logfmt","extracted":{"app":"a","level":"info"}},{"stage":"labels","labels":{"app":"a","level":"info"}},)"
      R"({"stage":"decolorize"},{"stage":"drop"}],)"
      R"("out":{"time":"1970-01-01T00:00:00Z","labels":{"app":"a","level":"info"},"line":"level=info one"}})"
      "\n");
  EXPECT_EQ(infos->Take(0), one);
  EXPECT_THAT(plain->Take(0), Not(HasSubstr("stages")));
  run("level=debug two");
  EXPECT_THAT(all->Take(0), HasSubstr(R"("dropped":"drop_stage"})"));
  EXPECT_THAT(infos->Take(0), IsEmpty());
  EXPECT_THAT(plain->Take(0), IsEmpty());
  // An entry without stages.
  tap.Out("{x=\"y\"}", "", 1, "three", nullptr);
  EXPECT_THAT(all->Take(0), HasSubstr("\"line\":\"three\""));
}

TEST(Tap, ComesAndGoesWhileLinesPass) {
  Tap tap;
  std::atomic<bool> done{false};
  std::thread agent([&] {
    Entry entry;
    entry.labels = Labels{{"app", "a"}};
    while (!done) {
      tap.See("", entry, false);
      tap.See("drop", entry, false);
      tap.Out("{app=\"a\"}", "", 1, "line", nullptr);
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto session = tap.Open(Selecting("", i % 2 == 0, 1e6));
    std::string got;
    while (got.empty()) got = session->Take(kNsPerSecond);
    simdjson::dom::parser parser;
    const std::string first = got.substr(0, got.find('\n'));
    EXPECT_EQ(parser.parse(first).error(), simdjson::SUCCESS) << first;
    tap.Close(session);
  }
  done = true;
  agent.join();
}

}  // namespace
}  // namespace skald::agent
