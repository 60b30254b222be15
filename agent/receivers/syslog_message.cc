#include "agent/receivers/syslog_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "text/go_time.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

constexpr std::string_view kSeverities[] = {"emergency", "alert",  "critical",      "error",
                                            "warning",   "notice", "informational", "debug"};
constexpr std::string_view kFacilities[] = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog",   "lpr",     "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "security", "console", "solaris-cron",
    "local0", "local1", "local2",   "local3", "local4", "local5",   "local6",  "local7"};
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A count has no more digits than this.
constexpr size_t kMaxCountDigits = 10;

// Takes the text up to the next space, and the space, off *rest. False at the end.
bool TakeWord(std::string_view* rest, std::string_view* word) {
  if (rest->empty()) return false;
  const size_t space = rest->find(' ');
  *word = rest->substr(0, space);
  rest->remove_prefix(space == std::string_view::npos ? rest->size() : space + 1);
  return !word->empty();
}

std::string_view OrNothing(std::string_view word) { return word == "-" ? std::string_view() : word; }

// <n> in front. False if there is none.
bool TakePriority(std::string_view* rest, SyslogMessage* message) {
  const size_t close = rest->find('>');
  if (rest->empty() || rest->front() != '<' || close == std::string_view::npos || close < 2 || close > 4)
    return false;
  int priority = 0;
  const char* const end = rest->data() + close;
  const auto [p, ec] = std::from_chars(rest->data() + 1, end, priority);
  if (ec != std::errc() || p != end || priority > 191 || priority < 0) return false;
  message->facility = priority / 8;
  message->severity = priority % 8;
  rest->remove_prefix(close + 1);
  return true;
}

// [id name="value" ...], any number of them, or "-".
bool TakeStructuredData(std::string_view* rest, SyslogMessage* message) {
  if (rest->empty()) return false;
  if (rest->front() == '-') {
    rest->remove_prefix(1);
    return rest->empty() || rest->front() == ' ';
  }
  if (rest->front() != '[') return false;
  while (!rest->empty() && rest->front() == '[') {
    rest->remove_prefix(1);
    const size_t id_end = rest->find_first_of(" ]");
    if (id_end == std::string_view::npos || id_end == 0) return false;
    const std::string_view id = rest->substr(0, id_end);
    rest->remove_prefix(id_end);
    while (!rest->empty() && rest->front() == ' ') {
      rest->remove_prefix(1);
      if (!rest->empty() && rest->front() == ']') break;
      const size_t equals = rest->find("=\"");
      if (equals == std::string_view::npos) return false;
      SyslogMessage::Parameter parameter;
      parameter.id = id;
      parameter.name = rest->substr(0, equals);
      rest->remove_prefix(equals + 2);
      while (true) {
        if (rest->empty()) return false;
        const char c = rest->front();
        rest->remove_prefix(1);
        if (c == '"') break;
        if (c == '\\' && !rest->empty() &&
            (rest->front() == '"' || rest->front() == '\\' || rest->front() == ']')) {
          parameter.value += rest->front();
          rest->remove_prefix(1);
        } else {
          parameter.value += c;
        }
      }
      message->structured_data.push_back(std::move(parameter));
    }
    if (rest->empty() || rest->front() != ']') return false;
    rest->remove_prefix(1);
  }
  return rest->empty() || rest->front() == ' ';
}

bool Parse5424(std::string_view rest, SyslogMessage* message) {
  std::string_view version;
  std::string_view time;
  if (!TakeWord(&rest, &version) || !TakeWord(&rest, &time)) return false;
  std::string_view words[4];
  for (std::string_view& word : words) {
    if (!TakeWord(&rest, &word)) return false;
  }
  if (!TakeStructuredData(&rest, message)) {
    message->structured_data.clear();
    return false;
  }
  if (time != "-") {
    const absl::StatusOr<int64_t> parsed = ParseRfc3339(time);
    if (!parsed.ok()) return false;
    message->time_ns = *parsed;
    message->has_time = true;
  }
  message->hostname = OrNothing(words[0]);
  message->app_name = OrNothing(words[1]);
  message->proc_id = OrNothing(words[2]);
  message->msg_id = OrNothing(words[3]);
  if (!rest.empty()) rest.remove_prefix(1);
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  message->text = rest;
  message->rfc5424 = true;
  return true;
}

// Zones are whole quarters of an hour off UTC; a message is on its way for less than a minute.
constexpr int64_t kZoneStepNs = 900 * kNsPerSecond;
constexpr int64_t kWayNs = 60 * kNsPerSecond;
constexpr int64_t kMinZoneNs = -12 * 3600 * kNsPerSecond;
constexpr int64_t kMaxZoneNs = 14 * 3600 * kNsPerSecond;
// February 29 is at most so many years ago.
constexpr int64_t kMaxYearsBack = 8;

// "Mmm dd hh:mm:ss", perhaps with fractions of a second, in a zone.
std::optional<int64_t> ParseShortTimeIn(const std::string& text, int64_t now_ns, absl::TimeZone zone,
                                        int64_t max_ahead_ns, bool current_year) {
  const int64_t year = absl::ToCivilYear(absl::FromUnixNanos(now_ns), zone).year();
  for (int64_t y = year + (current_year ? 0 : 1); y >= year - kMaxYearsBack; --y) {
    GoTime time;
    if (ParseGoTime("2006 Jan _2 15:04:05", fmt::format("{} {}", y, text), zone, &time) &&
        (current_year || time.UnixNs() <= now_ns + max_ahead_ns)) {
      return time.UnixNs();
    }
    if (current_year) break;
  }
  return std::nullopt;
}

std::optional<int64_t> ParseShortTime(std::string_view view, int64_t now_ns, const SyslogTimes& times) {
  const std::string text(view);
  if (times.guess_zone) {
    const std::optional<int64_t> in_utc =
        ParseShortTimeIn(text, now_ns, absl::UTCTimeZone(), kMaxZoneNs + kWayNs, false);
    if (in_utc) {
      const int64_t ahead_ns = *in_utc - now_ns;
      const int64_t half = ahead_ns < 0 ? -kZoneStepNs / 2 : kZoneStepNs / 2;
      const int64_t offset_ns = (ahead_ns + half) / kZoneStepNs * kZoneStepNs;
      if (offset_ns >= kMinZoneNs && offset_ns <= kMaxZoneNs && std::abs(ahead_ns - offset_ns) <= kWayNs)
        return *in_utc - offset_ns;
    }
  }
  return ParseShortTimeIn(text, now_ns, times.zone, times.max_ahead_ns, times.current_year);
}

// "Mmm dd yyyy hh:mm:ss", as some routers have it; nullopt = it is not that.
std::optional<int64_t> ParseDatedTime(std::string_view text, const SyslogTimes& times) {
  GoTime time;
  if (!ParseGoTime("Jan _2 2006 15:04:05", text, times.zone, &time)) return std::nullopt;
  return time.UnixNs();
}

bool Parse3164(std::string_view rest, int64_t now_ns, const SyslogTimes& times, SyslogMessage* message) {
  constexpr size_t kShortTime = 15;
  constexpr size_t kDatedTime = 20;
  std::string_view word;
  const std::optional<int64_t> dated =
      rest.size() > kDatedTime ? ParseDatedTime(rest.substr(0, kDatedTime), times) : std::nullopt;
  if (dated && (rest[kDatedTime] == ' ' || rest[kDatedTime] == ':')) {
    message->time_ns = *dated;
    rest.remove_prefix(kDatedTime);
    if (rest.starts_with(':')) rest.remove_prefix(1);
    if (rest.starts_with(' ')) rest.remove_prefix(1);
  } else if (rest.size() > kShortTime && rest[kShortTime] != ' ' && rest[kShortTime] != '.') {
    // Newer senders put a full time there.
    if (!TakeWord(&rest, &word)) return false;
    const absl::StatusOr<int64_t> parsed = ParseRfc3339(word);
    if (!parsed.ok()) return false;
    message->time_ns = *parsed;
  } else {
    size_t end = std::min(kShortTime, rest.size());
    if (end < rest.size() && rest[end] == '.') end = std::min(rest.find(' ', end), rest.size());
    const std::optional<int64_t> parsed = ParseShortTime(rest.substr(0, end), now_ns, times);
    if (!parsed) return false;
    message->time_ns = *parsed;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  message->has_time = true;
  // HOSTNAME TAG[PID]: text. A first word that ends like a tag is one: senders on the same host leave the
  // name out.
  std::string_view head = rest.substr(0, rest.find(' '));
  if (!head.empty() && head.back() != ':' && head.size() < rest.size()) {
    message->hostname = OrNothing(head);
    rest.remove_prefix(head.size() + 1);
  }
  const size_t tag_end = rest.find_first_of(":[ ");
  message->text = rest;
  if (tag_end != std::string_view::npos && tag_end > 0 && rest[tag_end] != ' ') {
    const std::string_view tag = rest.substr(0, tag_end);
    std::string_view pid;
    size_t at = tag_end;
    if (rest[at] == '[') {
      const size_t close = rest.find(']', at);
      if (close == std::string_view::npos) return true;
      pid = rest.substr(at + 1, close - at - 1);
      at = close + 1;
    }
    if (at < rest.size() && rest[at] == ':') {
      message->app_name = tag;
      message->proc_id = pid;
      rest.remove_prefix(at + 1);
      if (rest.starts_with(' ')) rest.remove_prefix(1);
      message->text = rest;
    }
  }
  return true;
}

}  // namespace

SyslogMessage ParseSyslog(std::string_view text, int64_t now_ns, const SyslogTimes& times) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
    text.remove_suffix(1);
  SyslogMessage message;
  message.text = text;
  std::string_view rest = text;
  if (!TakePriority(&rest, &message)) return message;
  // A version is one to three digits, and not 0.
  const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits >= 1 && digits <= 3 && rest[0] != '0' && digits < rest.size() && rest[digits] == ' ') {
    message.parsed = Parse5424(rest, &message);
  } else {
    message.parsed = Parse3164(rest, now_ns, times, &message);
  }
  if (!message.parsed) message.text = text;
  return message;
}

std::string_view SyslogSeverityName(int severity) {
  return severity >= 0 && severity <= 7 ? kSeverities[severity] : std::string_view();
}

std::string_view SyslogFacilityName(int facility) {
  return facility >= 0 && facility <= 23 ? kFacilities[facility] : std::string_view();
}

void SyslogFramer::Keep(std::string_view bytes) {
  const size_t room = max_bytes_ - std::min(max_bytes_, message_.size());
  message_.append(bytes.substr(0, room));
  if (bytes.size() > room) cut_bytes_ += bytes.size() - room;
}

void SyslogFramer::Give(const Take& take) {
  if (!message_.empty()) take(message_, cut_bytes_);
  message_.clear();
  cut_bytes_ = 0;
  state_ = State::kStart;
}

void SyslogFramer::Feed(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    switch (state_) {
      case State::kStart:
        if (c == '\n' || c == '\r' || c == '\0' || c == ' ') {
          bytes.remove_prefix(1);
        } else {
          state_ = c >= '1' && c <= '9' ? State::kCount : State::kLine;
        }
        break;
      case State::kCount:
        if (c >= '0' && c <= '9' && message_.size() < kMaxCountDigits) {
          message_ += c;
          bytes.remove_prefix(1);
        } else if (c == ' ') {
          left_ = std::strtoull(message_.c_str(), nullptr, 10);
          message_.clear();
          bytes.remove_prefix(1);
          state_ = State::kCounted;
        } else {
          state_ = State::kLine;  // a line that begins with a number
        }
        break;
      case State::kCounted: {
        const std::string_view piece = bytes.substr(0, left_);
        Keep(piece);
        left_ -= piece.size();
        bytes.remove_prefix(piece.size());
        if (left_ == 0) Give(take);
        break;
      }
      case State::kLine: {
        const size_t end = std::min(bytes.find_first_of(std::string_view("\n\0", 2)), bytes.size());
        Keep(bytes.substr(0, end));
        bytes.remove_prefix(end);
        if (!bytes.empty()) {
          bytes.remove_prefix(1);
          Give(take);
        }
        break;
      }
    }
  }
}

void SyslogFramer::Finish(const Take& take) {
  // What a count promised and never came is a message still.
  if (state_ == State::kLine || state_ == State::kCounted) Give(take);
  state_ = State::kStart;
  message_.clear();
}

}  // namespace skald::agent
