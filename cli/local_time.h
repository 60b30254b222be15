// Unix nanoseconds as RFC 3339 in the machine's zone or UTC.
#pragma once

#include <cstdint>
#include <string>

namespace skald::cli {

// 2026-11-01T13:00:00+01:00, or 2026-11-01T12:00:00Z where local is false; with_fraction adds the nanoseconds
// that are not zero.
std::string FormatTime(int64_t time_ns, bool local, bool with_fraction);

}  // namespace skald::cli
