// Times as they are printed.
#pragma once

#include <cstdint>
#include <string>

namespace skald::cli {

// logcli's names and forms.
enum class TimeFormat {
  kRfc3339,      // 2026-11-01T12:00:00Z
  kRfc3339Nano,  // 2026-11-01T12:00:00.000000001Z, zeros at the end left out
  kRfc822Z,      // 01 Nov 26 12:00 +0000
  kRfc1123Z,     // Sun, 01 Nov 2026 12:00:00 +0000
  kStampMilli,   // Nov  1 12:00:00.000
  kStampMicro,   // Nov  1 12:00:00.000000
  kStampNano,    // Nov  1 12:00:00.000000000
  kUnixDate,     // Sun Nov  1 12:00:00 UTC 2026
};

// In the zone of this machine (TZ) or in UTC.
std::string FormatTime(int64_t time_ns, bool local, TimeFormat format);

}  // namespace skald::cli
