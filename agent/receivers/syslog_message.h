// Messages of syslog, as RFC 5424 and RFC 3164 have them, and how they stand on a stream (RFC 6587).
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace skald::agent {

// What the short times of RFC 3164 leave out, and how it is guessed.
struct SyslogTimes {
  // The senders' zone.
  absl::TimeZone zone = absl::LocalTimeZone();
  // The zone is told by the message instead, where it has just been sent: a clock that is right differs from
  // now by whole quarters of an hour. Times that fit no zone are in `zone`.
  bool guess_zone = false;
  // The year is the last one that puts the time no further than this ahead of now.
  int64_t max_ahead_ns = 7 * 86'400 * kNsPerSecond;
  // The year is always the present one.
  bool current_year = false;
};

// Views point into the text that was parsed.
struct SyslogMessage {
  bool parsed = false;  // not: text is all there is, with severity and facility if it begins with <n>
  bool rfc5424 = false;
  int facility = -1;  // 0 to 23
  int severity = -1;  // 0 to 7
  int64_t time_ns = 0;
  bool has_time = false;
  std::string_view hostname;
  std::string_view app_name;
  std::string_view proc_id;
  std::string_view msg_id;
  struct Parameter {
    std::string_view id;
    std::string_view name;
    std::string value;
  };
  std::vector<Parameter> structured_data;
  std::string_view text;  // the message without its head
};

// The form is seen from the text: a version behind <n> makes it RFC 5424.
SyslogMessage ParseSyslog(std::string_view text, int64_t now_ns, const SyslogTimes& times = SyslogTimes());

// "emergency" ... "debug"; "kern" ... "local7". "" out of range.
std::string_view SyslogSeverityName(int severity);
std::string_view SyslogFacilityName(int facility);

// Cuts a stream into messages: a count in front of each, or a newline (or NUL) behind; decided anew at each.
class SyslogFramer {
 public:
  // max_bytes: what is longer is cut.
  explicit SyslogFramer(size_t max_bytes) : max_bytes_(max_bytes) {}
  // The message is valid during the call. cut_bytes: how many were cut off.
  using Take = std::function<void(std::string_view message, uint64_t cut_bytes)>;
  void Feed(std::string_view bytes, const Take& take);
  // The stream is at its end: the last message may have no newline.
  void Finish(const Take& take);

 private:
  enum class State { kStart, kCount, kCounted, kLine };
  void Keep(std::string_view bytes);
  void Give(const Take& take);

  const size_t max_bytes_;
  State state_ = State::kStart;
  uint64_t left_ = 0;  // kCounted: bytes that are still to come
  std::string message_;
  uint64_t cut_bytes_ = 0;
};

}  // namespace skald::agent
