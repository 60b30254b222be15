// Durations in their two spellings: Go's (1h15m30.9s, any order, decimals, sign) and Prometheus' (1w2d, whole
// numbers, units in descending order). Values are nanoseconds. All functions are pure and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// Units ns us µs μs ms s m h. InvalidArgument with Go's texts: `time: invalid duration "x"`,
// `time: missing unit in duration "5"`, `time: unknown unit "d" in duration "1d"`.
absl::StatusOr<int64_t> ParseGoDuration(std::string_view text);

// Units y w d h m s ms, y = 365d; "0" stands alone. InvalidArgument: `empty duration string`, `duration out
// of range`, `not a valid duration string: "x"`, `unknown unit "u" in duration "x"`.
absl::StatusOr<int64_t> ParsePrometheusDuration(std::string_view text);

// Prometheus' form first, then Go's, as LogQL reads DURATION tokens and `offset`. The error is that of Go's
// form.
absl::StatusOr<int64_t> ParseQueryDuration(std::string_view text);

// 1h0m0s, 1.5s, 250ms, 1.2µs, 0s.
std::string FormatGoDuration(int64_t ns);

// y and w only where exact, then d h m s ms: 90d, 1w, 1m30s, 0s. What is below a millisecond is lost.
std::string FormatPrometheusDuration(int64_t ns);

}  // namespace skald
