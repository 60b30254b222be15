// timestamp: {source, format, fallback_formats, location, action_on_failure} takes the entry's time from an
// extracted value.
#include <absl/container/flat_hash_map.h>
#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <charconv>
#include <optional>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/go_time.h"

namespace skald::agent {
namespace {

// Label sets whose last time is remembered.
constexpr size_t kMaxFudged = 10000;

struct NamedLayout {
  std::string_view name;
  std::string_view layout;
};
constexpr NamedLayout kNamed[] = {
    {"ANSIC", "Mon Jan _2 15:04:05 2006"},          {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
    {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"}, {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},           {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},   {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"RFC3339", "2006-01-02T15:04:05Z07:00"},       {"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"},
};

struct Format {
  std::string layout;     // "" = a Unix time
  int64_t unit_ns = 0;    // of a Unix time
  bool fraction = false;  // a Unix time may have one
  bool named = false;
  bool year = true;
};

Format FormatOf(const std::string& text) {
  if (text == "Unix") return {"", kNsPerSecond, true, true, true};
  if (text == "UnixMs") return {"", kNsPerMs, false, true, true};
  if (text == "UnixUs") return {"", 1000, false, true, true};
  if (text == "UnixNs") return {"", 1, false, true, true};
  for (const NamedLayout& one : kNamed) {
    if (one.name == text) return {std::string(one.layout), 0, false, true, true};
  }
  return {text, 0, false, false, text.find("06") != std::string::npos};
}

std::optional<int64_t> ParseUnix(const Format& format, std::string_view text) {
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  const auto [p, error] = std::from_chars(text.data(), end, whole);
  if (error != std::errc()) return std::nullopt;
  int64_t fraction = 0;
  if (p != end) {
    if (!format.fraction || *p != '.') return std::nullopt;
    int64_t unit = format.unit_ns;
    for (const char* digit = p + 1; digit < end; ++digit) {
      if (*digit < '0' || *digit > '9') return std::nullopt;
      unit /= 10;
      fraction += unit * (*digit - '0');
    }
  }
  int64_t ns = 0;
  if (__builtin_mul_overflow(whole, format.unit_ns, &ns)) return std::nullopt;
  if (__builtin_add_overflow(ns, text.starts_with('-') ? -fraction : fraction, &ns)) return std::nullopt;
  return ns;
}

// A time without a year is of this one; around New Year's Eve, of the one it is nearer to.
int64_t WithYear(const GoTime& time, int64_t now_ns) {
  const absl::CivilSecond now = absl::ToCivilSecond(absl::FromUnixNanos(now_ns), time.zone);
  const absl::CivilSecond civil = time.Civil().cs;
  int64_t year = now.year();
  if (now.month() == 1 && civil.month() == 12) --year;
  if (now.month() == 12 && civil.month() == 1) ++year;
  const absl::CivilSecond dated(year, civil.month(), civil.day(), civil.hour(), civil.minute(),
                                civil.second());
  return absl::ToUnixNanos(absl::FromCivil(dated, time.zone)) + time.nanosecond;
}

class TimestampStage : public Stage {
 public:
  TimestampStage(std::string source, std::vector<Format> formats, absl::TimeZone zone, bool fudge)
      : source_(std::move(source)), formats_(std::move(formats)), zone_(zone), fudge_(fudge) {}

  bool Run(Entry* entry) override {
    const std::string* const text = entry->Source(source_);
    const std::optional<int64_t> time = text == nullptr ? std::nullopt : Parse(*text);
    if (time) entry->time_ns = *time;
    if (!fudge_) return true;
    std::string labels = entry->labels.ToString();
    const auto last = last_ns_.find(labels);
    if (!time) {
      if (last != last_ns_.end()) entry->time_ns = ++last->second;
      return true;
    }
    if (last != last_ns_.end()) {
      last->second = *time;
      return true;
    }
    if (last_ns_.size() >= kMaxFudged) last_ns_.clear();
    last_ns_.emplace(std::move(labels), *time);
    return true;
  }

 private:
  std::optional<int64_t> Parse(std::string_view text) const {
    for (const Format& format : formats_) {
      if (format.layout.empty()) {
        if (const auto ns = ParseUnix(format, text)) return ns;
        continue;
      }
      GoTime time;
      if (!ParseGoTime(format.layout, text, format.named ? absl::UTCTimeZone() : zone_, &time)) continue;
      return format.year ? time.UnixNs() : WithYear(time, Clock::System().NowNs());
    }
    return std::nullopt;
  }

  const std::string source_;
  const std::vector<Format> formats_;
  const absl::TimeZone zone_;
  const bool fudge_;
  absl::flat_hash_map<std::string, int64_t> last_ns_;
};

}  // namespace

StageOr MakeTimestampStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(
      CheckStageKeys(config, {"source", "format", "fallback_formats", "location", "action_on_failure"}));
  std::string source = StageText(config, "source");
  const std::string format = StageText(config, "format");
  if (source.empty()) return InvalidArgument("source is required");
  if (format.empty()) return InvalidArgument("format is required");
  std::vector<Format> formats = {FormatOf(format)};
  if (const YAML::Node more = config["fallback_formats"]; more.IsDefined()) {
    for (const YAML::Node& one : more) formats.push_back(FormatOf(one.Scalar()));
  }
  absl::TimeZone zone = absl::UTCTimeZone();
  const std::string location = StageText(config, "location");
  if (!location.empty() && !absl::LoadTimeZone(location, &zone))
    return InvalidArgument("unknown location \"{}\"", location);
  const std::string action = StageText(config, "action_on_failure");
  if (!action.empty() && action != "fudge" && action != "skip")
    return InvalidArgument("action_on_failure is fudge or skip, not \"{}\"", action);
  return std::make_unique<TimestampStage>(std::move(source), std::move(formats), zone, action != "skip");
}

}  // namespace skald::agent
