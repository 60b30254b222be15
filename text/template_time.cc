#include "text/template_time.h"

#include <cstdlib>

namespace skald {

bool CallTimeMethod(const GoTime& time, std::string_view name, const std::string* argument,
                    TemplateValue* out) {
  using Value = TemplateValue;
  if (argument != nullptr) {
    if (name != "Format") return false;
    *out = Value::String(FormatGoTime(time, *argument));
    return true;
  }
  const auto number = [&](std::string_view layout) {
    *out = Value::Int(std::atoll(FormatGoTime(time, layout).c_str()));
  };
  if (name == "Unix") {
    *out = Value::Int64(time.seconds);
  } else if (name == "UnixMilli") {
    *out = Value::Int64(time.seconds * 1000 + time.nanosecond / 1'000'000);
  } else if (name == "UnixMicro") {
    *out = Value::Int64(time.seconds * 1'000'000 + time.nanosecond / 1000);
  } else if (name == "UnixNano") {
    *out = Value::Int64(time.UnixNs());
  } else if (name == "Year") {
    number("2006");
  } else if (name == "Month") {
    *out = Value::String(FormatGoTime(time, "January"));
  } else if (name == "Weekday") {
    *out = Value::String(FormatGoTime(time, "Monday"));
  } else if (name == "Day") {
    number("2");
  } else if (name == "YearDay") {
    number("002");
  } else if (name == "Hour") {
    number("15");
  } else if (name == "Minute") {
    number("4");
  } else if (name == "Second") {
    number("5");
  } else if (name == "Nanosecond") {
    *out = Value::Int(time.nanosecond);
  } else if (name == "String") {
    *out = Value::String(GoTimeText(time));
  } else if (name == "IsZero") {
    *out = Value::Bool(time.seconds == GoTime().seconds && time.nanosecond == 0);
  } else if (name == "UTC") {
    *out = Value::Time({time.seconds, time.nanosecond, absl::UTCTimeZone()});
  } else if (name == "Local") {
    *out = Value::Time({time.seconds, time.nanosecond, absl::LocalTimeZone()});
  } else {
    return false;
  }
  return true;
}

}  // namespace skald
