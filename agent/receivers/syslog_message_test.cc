#include "agent/receivers/syslog_message.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/types.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

int64_t At(std::string_view time) { return *ParseRfc3339(time); }

TEST(SyslogMessage, Rfc5424) {
  struct Row {
    std::string_view in;
    int facility, severity;
    std::string_view host, app, pid, id, text;
    std::string_view sd;  // id.name=value,...
  };
  const Row rows[] = {
      {"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed", 4, 2,
       "mymachine.example.com", "su", "", "ID47", "'su root' failed", ""},
      {"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"App "
       "\\\"l\\\\i\\]\"] An "
       "event\n",
       20, 5, "h", "evntslog", "", "ID47", "An event",
       "exampleSDID@32473.iut=3,exampleSDID@32473.eventSource=App \"l\\i],"},
      {"<165>1 2003-10-11T22:14:15Z h a 77 - [a@1 x=\"1\"][b@2 y=\"\\n\"]", 20, 5, "h", "a", "77", "", "",
       "a@1.x=1,b@2.y=\\n,"},
      {"<0>1 - - - - - -", 0, 0, "", "", "", "", "", ""},
      {"<191>1 2003-10-11T22:14:15+02:00 - - - - [only-id] m", 23, 7, "", "", "", "", "m", ""},
  };
  for (const Row& row : rows) {
    const SyslogMessage message = ParseSyslog(row.in, At("2026-01-01T00:00:00Z"));
    EXPECT_TRUE(message.parsed) << row.in;
    EXPECT_TRUE(message.rfc5424) << row.in;
    EXPECT_EQ(message.facility, row.facility) << row.in;
    EXPECT_EQ(message.severity, row.severity) << row.in;
    EXPECT_EQ(message.hostname, row.host) << row.in;
    EXPECT_EQ(message.app_name, row.app) << row.in;
    EXPECT_EQ(message.proc_id, row.pid) << row.in;
    EXPECT_EQ(message.msg_id, row.id) << row.in;
    EXPECT_EQ(message.text, row.text) << row.in;
    std::string sd;
    for (const auto& p : message.structured_data)
      sd += std::string(p.id) + "." + std::string(p.name) + "=" + p.value + ",";
    EXPECT_EQ(sd, row.sd) << row.in;
  }
  EXPECT_EQ(ParseSyslog(rows[0].in, 0).time_ns, At("2003-10-11T22:14:15.003Z"));
  EXPECT_FALSE(ParseSyslog(rows[3].in, 0).has_time);
}

TEST(SyslogMessage, Rfc3164) {
  struct Row {
    std::string_view in, host, app, pid, text;
  };
  const Row rows[] = {
      {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "mymachine", "su", "", "'su root' failed"},
      {"<13>Feb  5 17:32:18 10.0.0.99 sshd[1234]: Accepted", "10.0.0.99", "sshd", "1234", "Accepted"},
      {"<13>Feb  5 17:32:18 host no tag here", "host", "", "", "no tag here"},
      {"<13>Feb  5 17:32:18 app: no host", "", "app", "", "no host"},
      {"<13>2026-02-05T17:32:18.5+01:00 host app[1]: full time", "host", "app", "1", "full time"},
      {"<13>Feb  5 17:32:18.123456 host app: fractions", "host", "app", "", "fractions"},
  };
  for (const Row& row : rows) {
    const SyslogMessage message = ParseSyslog(row.in, At("2026-02-06T00:00:00Z"));
    EXPECT_TRUE(message.parsed) << row.in;
    EXPECT_FALSE(message.rfc5424) << row.in;
    EXPECT_TRUE(message.has_time) << row.in;
    EXPECT_EQ(message.hostname, row.host) << row.in;
    EXPECT_EQ(message.app_name, row.app) << row.in;
    EXPECT_EQ(message.proc_id, row.pid) << row.in;
    EXPECT_EQ(message.text, row.text) << row.in;
  }
}

// The year is not in the message: at New Year the last one or the next one is meant.
TEST(SyslogMessage, YearIsTheLastThatFits) {
  const auto year = [](std::string_view text, std::string_view now) {
    return CivilFromUnixNs(ParseSyslog(text, At(now)).time_ns + 43'200 * kNsPerSecond).year;
  };
  EXPECT_EQ(year("<13>Dec 30 12:00:00 h a: m", "2026-01-02T00:00:00Z"), 2025);
  EXPECT_EQ(year("<13>Jan  2 12:00:00 h a: m", "2025-12-31T00:00:00Z"), 2026);
  EXPECT_EQ(year("<13>Jun  2 12:00:00 h a: m", "2025-07-31T00:00:00Z"), 2025);
}

TEST(SyslogMessage, WhatTimesLeaveOutIsGuessed) {
  SyslogTimes utc;
  utc.zone = absl::UTCTimeZone();
  SyslogTimes strict = utc;
  strict.max_ahead_ns = 24 * 3600 * kNsPerSecond;
  SyslogTimes current = utc;
  current.current_year = true;
  SyslogTimes berlin;
  ASSERT_TRUE(absl::LoadTimeZone("Europe/Berlin", &berlin.zone));
  SyslogTimes guess = utc;
  guess.guess_zone = true;
  struct Row {
    const SyslogTimes& times;
    std::string_view time, now, want;
  };
  const Row rows[] = {
      // A message that is older than half a year is not from the future.
      {utc, "Dec 30 12:00:00", "2026-01-02T00:00:00Z", "2025-12-30T12:00:00Z"},
      {utc, "Jan  5 12:00:00", "2025-12-31T00:00:00Z", "2026-01-05T12:00:00Z"},
      {utc, "Dec  1 12:00:00", "2026-11-21T00:00:00Z", "2025-12-01T12:00:00Z"},
      {utc, "Nov 21 12:00:00", "2026-11-21T12:00:01Z", "2026-11-21T12:00:00Z"},
      {strict, "Jan  2 12:00:00", "2025-12-31T00:00:00Z", "2025-01-02T12:00:00Z"},
      {strict, "Jan  1 00:00:10", "2025-12-31T23:59:50Z", "2026-01-01T00:00:10Z"},
      {current, "Dec 30 12:00:00", "2026-01-02T00:00:00Z", "2026-12-30T12:00:00Z"},
      // There was one only in a leap year.
      {utc, "Feb 29 12:00:00", "2026-01-02T00:00:00Z", "2024-02-29T12:00:00Z"},
      // Summer and winter.
      {berlin, "Jul  1 12:00:00", "2026-07-01T10:00:01Z", "2026-07-01T10:00:00Z"},
      {berlin, "Dec  1 12:00:00", "2026-12-01T11:00:01Z", "2026-12-01T11:00:00Z"},
      {berlin, "Dec 31 23:59:59", "2026-12-31T23:00:00Z", "2026-12-31T22:59:59Z"},
      // A sender in any zone, whose clock is right.
      {guess, "Jul  1 12:00:00", "2026-07-01T10:00:02Z", "2026-07-01T10:00:00Z"},
      {guess, "Jul  1 05:30:00.5", "2026-07-01T00:00:01Z", "2026-07-01T00:00:00.5Z"},
      {guess, "Jun 30 20:00:00", "2026-07-01T00:00:01Z", "2026-07-01T00:00:00Z"},
      {guess, "Jan  1 09:00:00", "2025-12-31T19:00:00Z", "2025-12-31T19:00:00Z"},
      {guess, "Dec 31 20:00:00", "2026-01-01T04:00:10Z", "2026-01-01T04:00:00Z"},
      // Late, or wrong: no zone explains it.
      {guess, "Jul  1 12:07:00", "2026-07-01T10:00:02Z", "2026-07-01T12:07:00Z"},
      {guess, "Jul  3 12:00:00", "2026-07-01T12:00:00Z", "2026-07-03T12:00:00Z"},
      // Nothing to guess.
      {strict, "Dec 30 2027 12:00:00", "2026-01-02T00:00:00Z", "2027-12-30T12:00:00Z"},
      {guess, "2026-01-02T05:00:00+05:00", "2026-01-02T00:00:02Z", "2026-01-02T00:00:00Z"},
  };
  for (const Row& row : rows) {
    const std::string text = fmt::format("<13>{} host app: text", row.time);
    const SyslogMessage message = ParseSyslog(text, At(row.now), row.times);
    EXPECT_TRUE(message.parsed) << text;
    EXPECT_EQ(FormatRfc3339Nano(message.time_ns), FormatRfc3339Nano(At(row.want))) << text << " " << row.now;
    EXPECT_EQ(message.hostname, "host") << text;
    EXPECT_EQ(message.app_name, "app") << text;
  }
  // A day that the present year has not.
  EXPECT_FALSE(ParseSyslog("<13>Feb 29 12:00:00 h a: m", At("2026-01-02T00:00:00Z"), current).parsed);
  const SyslogMessage router =
      ParseSyslog("<189>Oct 11 2026 22:14:15: %LINK-3-UPDOWN: down", At("2026-10-12T00:00:00Z"), utc);
  EXPECT_TRUE(router.parsed);
  EXPECT_EQ(router.app_name, "%LINK-3-UPDOWN");
  EXPECT_EQ(router.text, "down");
}

TEST(SyslogMessage, WhatIsNoneIsPassedOnWhole) {
  for (const std::string_view text :
       {"no head", "<", "<>x", "<999>1 - - - - - -", "<13>", "<13>Foo 11", "<13>1 2003 h a p i -",
        "<13>1 - h a p i [x", "<13>1 - h a p i [x y=\"", "<13>1 - h"}) {
    const SyslogMessage message = ParseSyslog(text, 0);
    EXPECT_FALSE(message.parsed) << text;
    EXPECT_EQ(message.text, text);
  }
  EXPECT_EQ(ParseSyslog("<13>nothing", 0).severity, 5);
}

TEST(SyslogFramer, CountsAndLines) {
  struct Row {
    std::string_view in;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"5 hello3 abc", {"hello", "abc"}},
      {"<1>one\n<2>two\n<3>three", {"<1>one", "<2>two", "<3>three"}},
      {"4 a\nb\n<1>line\n2 xy\n", {"a\nb\n", "<1>line", "xy"}},
      {std::string_view("<1>one\0<2>two\0", 14), {"<1>one", "<2>two"}},
      {"12345 trees\n", {}},
      {"2nd line\n\n\nnext\n", {"2nd line", "next"}},
      {"20 0123456789012345678901234567890123456789012 is cut\n20 01234567890123456789",
       {"0123456789012345", "0123456789012345", "0123456789012345"}},
  };
  for (const Row& row : rows) {
    for (size_t step = 1; step <= row.in.size(); ++step) {
      std::vector<std::string> got;
      uint64_t cut = 0;
      const auto take = [&](std::string_view message, uint64_t cut_bytes) {
        got.emplace_back(message);
        cut += cut_bytes;
      };
      SyslogFramer framer(16);
      for (size_t at = 0; at < row.in.size(); at += step) framer.Feed(row.in.substr(at, step), take);
      framer.Finish(take);
      if (row.want.empty()) {
        EXPECT_EQ(got, std::vector<std::string>{"trees\n"}) << step;
        continue;
      }
      if (row.want[0].size() == 16) {
        EXPECT_GT(cut, 0U);
        continue;
      }
      EXPECT_EQ(got, row.want) << row.in << " in pieces of " << step;
      EXPECT_EQ(cut, 0U);
    }
  }
}

TEST(SyslogFramer, TakesAnyBytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (size_t i = 0; i < random() % 200; ++i) bytes += "0123456789 <>\n[]=\"\\-ab"[random() % 22];
    SyslogFramer framer(32);
    size_t kept = 0;
    const auto take = [&](std::string_view message, uint64_t cut) {
      EXPECT_LE(message.size(), 32U);
      kept += message.size() + cut;
      (void)ParseSyslog(message, 0);
      (void)ParseSyslog("<13>1 - h a p i " + std::string(message), 0);
      (void)ParseSyslog("<13>" + std::string(message), 0);
    };
    framer.Feed(bytes, take);
    framer.Finish(take);
    EXPECT_LE(kept, bytes.size());
  }
}

}  // namespace
}  // namespace skald::agent
