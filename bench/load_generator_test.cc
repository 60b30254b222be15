#include "bench/load_generator.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace skald::bench {
namespace {

TEST(LoadGenerator, SameOptionsSameLoad) {
  LoadOptions options;
  options.line_bytes = 2 << 20;
  LoadGenerator a(options);
  LoadGenerator b(options);
  LoadBody x;
  LoadBody y;
  uint64_t bytes = 0;
  while (a.Next(&x)) {
    ASSERT_TRUE(b.Next(&y));
    ASSERT_EQ(x.streams.size(), y.streams.size());
    for (size_t i = 0; i < x.streams.size(); ++i) {
      EXPECT_EQ(x.streams[i].labels, y.streams[i].labels);
      EXPECT_EQ(x.streams[i].lines, y.streams[i].lines);
      EXPECT_EQ(x.streams[i].times_ns, y.streams[i].times_ns);
    }
    bytes += x.line_bytes;
  }
  EXPECT_FALSE(b.Next(&y));
  EXPECT_GE(bytes, options.line_bytes);
}

TEST(LoadGenerator, MixAndNeedle) {
  LoadOptions options;
  options.line_bytes = 11 << 20;
  LoadGenerator generator(options);
  std::map<std::string, uint64_t> lines_of;
  uint64_t lines = 0;
  int needles = 0;
  LoadBody body;
  while (generator.Next(&body)) {
    for (const LoadStream& stream : body.streams) {
      const size_t at = stream.labels.find("format=\"") + 8;
      lines_of[stream.labels.substr(at, stream.labels.find('"', at) - at)] += stream.lines.size();
      lines += stream.lines.size();
      for (size_t i = 0; i < stream.lines.size(); ++i) {
        needles += stream.lines[i].find(kNeedle) != std::string::npos ? 1 : 0;
        if (i > 0) {
          ASSERT_GT(stream.times_ns[i], stream.times_ns[i - 1] - 997);
        }
        ASSERT_GE(stream.times_ns[i], options.start_ns);
        ASSERT_LT(stream.times_ns[i], options.start_ns + options.span_ns);
      }
    }
  }
  EXPECT_EQ(needles, 1);
  for (const auto& [format, share] :
       std::map<std::string, double>{{"json", 0.4}, {"logfmt", 0.2}, {"access", 0.2}, {"system", 0.2}}) {
    EXPECT_NEAR(static_cast<double>(lines_of[format]) / static_cast<double>(lines), share, 0.01) << format;
  }
}

}  // namespace
}  // namespace skald::bench
