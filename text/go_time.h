// Times and their layouts as Go's time package has them: a layout is the reference time Mon Jan 2 15:04:05
// MST 2006 written in the wanted form. Pure and thread-safe, but for the local zone, which the environment
// gives.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// A moment in a zone. The default is Go's zero time, 0001-01-01 00:00:00 UTC.
struct GoTime {
  int64_t seconds = -62'135'596'800;  // since 1970
  int32_t nanosecond = 0;             // 0..999,999,999
  absl::TimeZone zone = absl::UTCTimeZone();

  // In the local zone.
  static GoTime FromUnixNs(int64_t ns);
  static GoTime FromUnixSeconds(int64_t seconds);
  int64_t UnixNs() const;  // wraps around outside of the years 1678..2261, as Go's does
  absl::TimeZone::CivilInfo Civil() const;
};

void AppendGoTime(std::string* out, const GoTime& time, std::string_view layout);
std::string FormatGoTime(const GoTime& time, std::string_view layout);
// 2006-01-02 15:04:05.999999999 -0700 MST, as %v prints a time.
std::string GoTimeText(const GoTime& time);

// False where text does not fit the layout; *out is untouched then. zone is that of texts without one.
bool ParseGoTime(std::string_view layout, std::string_view text, absl::TimeZone zone, GoTime* out);

}  // namespace skald
