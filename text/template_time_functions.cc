#include <charconv>

#include "base/clock.h"
#include "base/error.h"
#include "base/labels.h"
#include "text/template_functions.h"

namespace skald {
namespace {

using Kind = TemplateValue::Kind;
using Value = TemplateValue;
constexpr TemplateType kAny = TemplateType::kAny;
constexpr TemplateType kString = TemplateType::kString;
constexpr TemplateType kTime = TemplateType::kTime;

GoTime Now() { return GoTime::FromUnixNs(absl::ToUnixNanos(absl::Now())); }

TemplateResult UnixToTime(const std::string& text) {
  std::string quoted;
  int64_t n = 0;
  const size_t sign = !text.empty() && text[0] == '+' ? 1 : 0;
  const auto [end, error] = std::from_chars(text.data() + sign, text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) {
    AppendGoQuoted(&quoted, text);
    const char* why = error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
    return InvalidArgument("unable to parse time '{}': strconv.ParseInt: parsing {}: {}", text, quoted, why);
  }
  switch (text.size()) {
    case 5:
      return Value::Time(GoTime::FromUnixSeconds(n * 86'400));
    case 10:
      return Value::Time(GoTime::FromUnixSeconds(n));
    case 13:
      return Value::Time(GoTime::FromUnixNs(n * 1'000'000));
    case 16:
      return Value::Time(GoTime::FromUnixNs(n * 1'000));
    case 19:
      return Value::Time(GoTime::FromUnixNs(n));
    default:
      return InvalidArgument("unable to parse time '{}': %!w(<nil>)", text);
  }
}

}  // namespace

void AddTimeFunctions(TemplateFunctions* out) {
  AddFunction(out, "now", {}, [](TemplateArgs) -> TemplateResult { return Value::Time(Now()); });
  AddFunction(out, "date", {kString, kAny}, [](TemplateArgs a) -> TemplateResult {
    GoTime time = Now();
    if (a[1].kind() == Kind::kTime) {
      time = a[1].as_time();
      time.zone = absl::LocalTimeZone();
    } else if (a[1].kind() == Kind::kInt || a[1].kind() == Kind::kInt64) {
      time = GoTime::FromUnixSeconds(a[1].as_int());
    }
    return Value::String(FormatGoTime(time, a[0].as_string()));
  });
  AddFunction(out, "toDate", {kString, kString}, [](TemplateArgs a) -> TemplateResult {
    GoTime time;
    ParseGoTime(a[0].as_string(), a[1].as_string(), absl::LocalTimeZone(), &time);
    return Value::Time(time);
  });
  AddFunction(out, "toDateInZone", {kString, kString, kString}, [](TemplateArgs a) -> TemplateResult {
    absl::TimeZone zone = absl::UTCTimeZone();
    const std::string& name = a[1].as_string();
    if (name == "Local") {
      zone = absl::LocalTimeZone();
    } else if (name.find("..") != std::string::npos || name.starts_with("/") ||
               !absl::LoadTimeZone(name, &zone)) {
      zone = absl::UTCTimeZone();
    }
    GoTime time;
    ParseGoTime(a[0].as_string(), a[2].as_string(), zone, &time);
    return Value::Time(time);
  });
  AddFunction(out, "unixEpoch", {kTime}, [](TemplateArgs a) -> TemplateResult {
    return Value::String(std::to_string(a[0].as_time().seconds));
  });
  AddFunction(out, "unixEpochMillis", {kTime}, [](TemplateArgs a) -> TemplateResult {
    const GoTime& t = a[0].as_time();
    return Value::String(std::to_string(t.seconds * 1000 + t.nanosecond / 1'000'000));
  });
  AddFunction(out, "unixEpochNanos", {kTime}, [](TemplateArgs a) -> TemplateResult {
    return Value::String(std::to_string(a[0].as_time().UnixNs()));
  });
  AddFunction(out, "unixToTime", {kString}, [](TemplateArgs a) { return UnixToTime(a[0].as_string()); });
}

}  // namespace skald
