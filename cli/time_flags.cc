#include "cli/time_flags.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "base/error.h"
#include "base/status_macros.h"
#include "text/units.h"

namespace skald::cli {
namespace {

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// 2026-11-01, 2026-11-01 12:00, 2026-11-01 12:00:00 completed to RFC 3339 in UTC; "" if the shape is another.
std::string CompleteDate(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return "";
  std::string out(text);
  if (out.size() > 10 && out[10] == ' ') out[10] = 'T';
  switch (out.size()) {
    case 10:
      return out + "T00:00:00Z";
    case 16:
      return out + ":00Z";
    case 19:
      return out + "Z";
    default:
      return out;
  }
}

}  // namespace

absl::StatusOr<int64_t> ParseTimeFlag(std::string_view text, int64_t now_ns) {
  if (text == "now") return now_ns;
  if (AllDigits(text)) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return InvalidArgument("the Unix time {} is too large", text);
    if (text.size() <= 10) return value * kNsPerSecond;
    if (text.size() <= 13) return value * kNsPerMs;
    if (text.size() <= 16) return value * 1000;
    return value;
  }
  if (const std::string complete = CompleteDate(text); !complete.empty()) {
    const auto time = ParseRfc3339(complete);
    if (time.ok()) return *time;
  } else if (const auto span = ParseQueryDuration(text); span.ok()) {
    return now_ns - *span;
  }
  return InvalidArgument(
      "cannot read the time {}; write 2026-11-01T12:00:00Z, 2026-11-01, a Unix time, \"now\", or a span back "
      "from now "
      "such as 30m or 7d",
      text);
}

absl::StatusOr<TimeRange> ResolveRange(std::string_view from, std::string_view to, std::string_view since,
                                       int64_t now_ns) {
  TimeRange range{0, now_ns};
  if (!to.empty()) {
    auto end = ParseTimeFlag(to, now_ns);
    if (!end.ok()) return Annotate(end.status(), "--to");
    range.end_ns = *end;
  }
  if (!from.empty()) {
    auto begin = ParseTimeFlag(from, now_ns);
    if (!begin.ok()) return Annotate(begin.status(), "--from");
    range.begin_ns = *begin;
  } else {
    const auto span = ParseQueryDuration(since);
    if (!span.ok()) return InvalidArgument("--since: cannot read the span {}; write 30m, 1h30m or 7d", since);
    range.begin_ns = range.end_ns - *span;
  }
  if (range.begin_ns >= range.end_ns) {
    return InvalidArgument("the time range is empty: from {} to {}", FormatRfc3339Nano(range.begin_ns),
                           FormatRfc3339Nano(range.end_ns));
  }
  return range;
}

}  // namespace skald::cli
