#include "server/http/params.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/labels.h"
#include "base/media_type.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/duration.h"
#include "text/go_float.h"
#include "text/rfc3339.h"

namespace skald::server {
namespace {

constexpr int64_t kHourNs = int64_t{3600} * kNsPerSecond;
constexpr int64_t kMaxPoints = 11'000;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

// strconv.ParseInt(text, 10, 64) under the name of the function that Go's error carries.
absl::StatusOr<int64_t> ParseGoInt(std::string_view text, std::string_view function) {
  int64_t value = 0;
  const char* begin = text.data();
  const char* const end = begin + text.size();
  if (text.size() > 1 && *begin == '+' && text[1] != '-') ++begin;
  const auto [p, ec] = std::from_chars(begin, end, value);
  if (p == end && begin != end) {
    if (ec == std::errc()) return value;
    if (ec == std::errc::result_out_of_range) {
      return InvalidArgument("strconv.{}: parsing {}: value out of range", function, Quoted(text));
    }
  }
  return InvalidArgument("strconv.{}: parsing {}: invalid syntax", function, Quoted(text));
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

absl::StatusOr<int64_t> ParseBound(const Params& params, std::string_view key, int64_t fallback_ns) {
  absl::StatusOr<int64_t> time = ParseTimeParam(params.Get(key), fallback_ns);
  if (!time.ok()) return InvalidArgument("could not parse '{}' parameter: {}", key, MessageOf(time.status()));
  return time;
}

int64_t SaturatingSub(int64_t a, int64_t b) {
  int64_t out = 0;
  if (!__builtin_sub_overflow(a, b, &out)) return out;
  return b > 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

}  // namespace

Params Params::Lenient(const HttpRequest& request, absl::Status* first_error) {
  Params params;
  absl::Status body;
  const std::string_view type = request.Header("Content-Type");
  if (!type.empty() && (request.method == "POST" || request.method == "PUT" || request.method == "PATCH")) {
    const absl::StatusOr<std::string> media = MediaType(type);
    if (!media.ok()) {
      body = media.status();
    } else if (*media == "application/x-www-form-urlencoded") {
      body = ParseForm(request.body, &params.pairs_);
    }
  }
  const absl::Status query = ParseForm(request.raw_query, &params.pairs_);
  *first_error = body.ok() ? query : body;
  return params;
}

absl::StatusOr<Params> Params::Of(const HttpRequest& request) {
  absl::Status error;
  Params params = Lenient(request, &error);
  RETURN_IF_ERROR(error);
  return params;
}

std::string_view Params::Get(std::string_view key) const {
  for (const auto& [name, value] : pairs_) {
    if (name == key) return value;
  }
  return {};
}

std::vector<std::string> Params::All(std::string_view key) const {
  std::vector<std::string> out;
  for (const auto& [name, value] : pairs_) {
    if (name == key) out.push_back(value);
  }
  return out;
}

absl::StatusOr<int64_t> ParseTimeParam(std::string_view text, int64_t fallback_ns) {
  if (text.empty()) return fallback_ns;
  if (text.find('.') != std::string_view::npos) {
    double seconds = 0;
    if (TryParseGoFloat(text, &seconds) && std::abs(seconds) < 9.2e9) {
      double whole = 0;
      const double fraction = std::modf(seconds, &whole);
      const double rounded = std::round(fraction * 1000) / 1000;
      return static_cast<int64_t>(whole) * kNsPerSecond + static_cast<int64_t>(rounded * 1e9);
    }
  }
  const absl::StatusOr<int64_t> number = ParseGoInt(text, "ParseInt");
  if (!number.ok()) {
    const absl::StatusOr<int64_t> time = ParseRfc3339(text);
    if (time.ok()) return *time;
    // Years that nanoseconds do not reach stand for the end of time on their side.
    if (absl::IsOutOfRange(time.status())) return text < "1970" ? kMinTimeNs : kMaxTimeNs;
    return number.status();
  }
  if (text.size() <= 10) {
    constexpr int64_t kMostSeconds = kMaxTimeNs / kNsPerSecond;
    return std::clamp(*number, -kMostSeconds, kMostSeconds) * kNsPerSecond;
  }
  return *number;
}

absl::StatusOr<int64_t> ParseSecondsOrDuration(std::string_view text) {
  double seconds = 0;
  if (TryParseGoFloat(text, &seconds)) {
    const double ns = seconds * 1e9;
    if (std::isnan(ns)) return std::numeric_limits<int64_t>::min();  // what Go makes of it
    if (ns > 9.2233720368547748e18 || ns < -9.2233720368547748e18) {
      return InvalidArgument("cannot parse {} to a valid duration. It overflows int64", Quoted(text));
    }
    return static_cast<int64_t>(ns);
  }
  const absl::StatusOr<int64_t> duration = ParsePrometheusDuration(text);
  if (duration.ok()) return *duration;
  return InvalidArgument("cannot parse {} to a valid duration", Quoted(text));
}

absl::StatusOr<Bounds> ParseBounds(const Params& params, int64_t now_ns) {
  Bounds bounds;
  int64_t since_ns = kHourNs;
  if (const std::string_view since = params.Get("since"); !since.empty()) {
    const absl::StatusOr<int64_t> parsed = ParsePrometheusDuration(since);
    if (!parsed.ok())
      return InvalidArgument("could not parse 'since' parameter: {}", MessageOf(parsed.status()));
    since_ns = *parsed;
  }
  ASSIGN_OR_RETURN(bounds.end_ns, ParseBound(params, "end", now_ns));
  ASSIGN_OR_RETURN(bounds.start_ns,
                   ParseBound(params, "start", SaturatingSub(std::min(bounds.end_ns, now_ns), since_ns)));
  return bounds;
}

absl::StatusOr<int64_t> ParseIntParam(const Params& params, std::string_view key, int64_t fallback) {
  const std::string_view text = params.Get(key);
  if (text.empty()) return fallback;
  return ParseGoInt(text, "Atoi");
}

absl::StatusOr<uint32_t> ParsePositive(const Params& params, std::string_view key, uint32_t fallback) {
  ASSIGN_OR_RETURN(const int64_t value, ParseIntParam(params, key, fallback));
  // Counted in 32 bits: more wraps around, as in Loki.
  const auto counted = static_cast<uint32_t>(value);
  if (value <= 0 || counted == 0) return InvalidArgument("limit must be a positive value");
  return counted;
}

absl::StatusOr<uint32_t> ParseLimit(const Params& params) { return ParsePositive(params, "limit", 100); }

absl::StatusOr<Direction> ParseDirection(const Params& params) {
  const std::string_view text = params.Get("direction");
  if (text.empty() || EqualsIgnoringCase(text, "backward")) return Direction::kBackward;
  if (EqualsIgnoringCase(text, "forward")) return Direction::kForward;
  return InvalidArgument("invalid direction '{}'", text);
}

absl::StatusOr<int64_t> ParseStep(const Params& params, const Bounds& bounds) {
  const int64_t span = SaturatingSub(bounds.end_ns, bounds.start_ns);
  int64_t step = std::max<int64_t>(span / kNsPerSecond / 250, 1) * kNsPerSecond;
  if (const std::string_view text = params.Get("step"); !text.empty()) {
    ASSIGN_OR_RETURN(step, ParseSecondsOrDuration(text));
  }
  if (step <= 0) return ZeroStepError();
  if (span / step > kMaxPoints) {
    return InvalidArgument(
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step "
        "parameter");
  }
  return step;
}

absl::Status ZeroStepError() {
  return InvalidArgument(
      "zero or negative query resolution step widths are not accepted. Try a positive integer");
}

absl::Status EndBeforeStartError() {
  return InvalidArgument("end timestamp must not be before or equal to start time");
}

absl::StatusOr<QueryParams> ParseRangeQuery(const Params& params, int64_t now_ns) {
  QueryParams out;
  out.query = params.Get("query");
  ASSIGN_OR_RETURN(const Bounds bounds, ParseBounds(params, now_ns));
  if (bounds.end_ns < bounds.start_ns) return EndBeforeStartError();
  out.start_ns = bounds.start_ns;
  out.end_ns = bounds.end_ns;
  ASSIGN_OR_RETURN(out.limit, ParseLimit(params));
  ASSIGN_OR_RETURN(out.direction, ParseDirection(params));
  ASSIGN_OR_RETURN(out.step_ns, ParseStep(params, bounds));
  // The engine counts in milliseconds.
  out.step_ns = std::max<int64_t>(out.step_ns - out.step_ns % kNsPerMs, kNsPerMs);
  if (const std::string_view interval = params.Get("interval"); !interval.empty()) {
    ASSIGN_OR_RETURN(out.interval_ns, ParseSecondsOrDuration(interval));
    if (out.interval_ns < 0) return InvalidArgument("interval must be >= 0");
  }
  return out;
}

absl::StatusOr<QueryParams> ParseInstantQuery(const Params& params, int64_t now_ns) {
  QueryParams out;
  out.instant = true;
  out.query = params.Get("query");
  ASSIGN_OR_RETURN(out.limit, ParseLimit(params));
  ASSIGN_OR_RETURN(out.end_ns, ParseTimeParam(params.Get("time"), now_ns));
  out.start_ns = out.end_ns;
  ASSIGN_OR_RETURN(out.direction, ParseDirection(params));
  return out;
}

std::vector<std::string> EncodingFlags(const HttpRequest& request) {
  std::vector<std::string> out;
  std::string_view text = request.Header("X-Loki-Response-Encoding-Flags");
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool IsDrilldown(const HttpRequest& request) {
  std::string_view tags = request.Header("X-Query-Tags");
  while (!tags.empty()) {
    const size_t end = std::min(tags.find(','), tags.size());
    const std::string_view tag = tags.substr(0, end);
    tags.remove_prefix(std::min(end + 1, tags.size()));
    const size_t equals = tag.find('=');
    if (equals == std::string_view::npos) continue;
    if (EqualsIgnoringCase(Trim(tag.substr(0, equals)), "source") &&
        EqualsIgnoringCase(Trim(tag.substr(equals + 1)), "grafana-lokiexplore-app")) {
      return true;
    }
  }
  return false;
}

}  // namespace skald::server
