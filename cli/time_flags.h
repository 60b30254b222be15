// Times as a person types them on a command line.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>

#include "base/types.h"

namespace skald::cli {

// "now"; a span back from now (90m, 1h30m, 7d); RFC 3339; a UTC date or date and time without zone
// (2026-11-01, 2026-11-01 12:00, 2026-11-01T12:00:00); Unix time in s, ms, us or ns by the number of digits.
// Answers Unix nanoseconds.
absl::StatusOr<int64_t> ParseTimeFlag(std::string_view text, int64_t now_ns);

// What --from, --to and --since mean together: `to` "" = now, `from` "" = `to` minus `since`. InvalidArgument
// when the range is empty or a text cannot be read; the message names the flag.
absl::StatusOr<TimeRange> ResolveRange(std::string_view from, std::string_view to, std::string_view since,
                                       int64_t now_ns);

}  // namespace skald::cli
