// RFC 3339 times with nanoseconds, as Go's time.RFC3339Nano reads and writes them. Times are Unix
// nanoseconds.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// 2006-01-02T15:04:05[.digits](Z|+hh:mm). InvalidArgument with Go's text (parsing time "x" as
// "2006-01-02T15:04:05.999999999Z07:00": cannot parse "..." as "2006"); OutOfRange for years that do not fit
// into int64_t nanoseconds (before 1677, after 2262).
absl::StatusOr<int64_t> ParseRfc3339(std::string_view text);

// In UTC, no trailing zeros in the fraction: 2026-11-01T12:00:00.5Z.
std::string FormatRfc3339Nano(int64_t ns);
// In UTC, whole seconds: 2026-11-01T12:00:00Z.
std::string FormatRfc3339(int64_t ns);

// The proleptic Gregorian calendar in UTC.
struct CivilTime {
  int64_t year = 1970;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  int minute = 0;
  int second = 0;
  int nanosecond = 0;
};
// Days since 1970-01-01.
int64_t DaysFromCivil(int64_t year, int month, int day);
CivilTime CivilFromUnixNs(int64_t ns);
// month 1..12.
int DaysInMonth(int64_t year, int month);

}  // namespace skald
