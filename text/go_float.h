// float64 text as Go reads and writes it. Pure and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace skald {

// Go's strconv.ParseFloat(text, 64): decimals and hex floats (0x1p4), _ between digits, inf, infinity and nan
// in any case. InvalidArgument: `strconv.ParseFloat: parsing "x": invalid syntax` or `...: value out of
// range`.
absl::StatusOr<double> ParseGoFloat(std::string_view text);
// The same without the error text; *out is untouched on failure. Allocates nothing for plain decimals.
bool TryParseGoFloat(std::string_view text, double* out);

// Go's %v: the shortest digits that read back, with an exponent (1e+06, 1e-05) where that is < -4 or >= 6.
// NaN, +Inf, -Inf.
std::string FormatGoFloatV(double value);

// Appends a sample value as Loki and Prometheus write it: shortest digits, never an exponent; NaN, +Inf,
// -Inf.
void AppendSampleValue(std::string* out, double value);
std::string FormatSampleValue(double value);

}  // namespace skald
