// Byte sizes as people write them: 5MB, 2.5KiB, 1,024. Pure and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// A leading run of digits, '.' and ',' (commas are dropped), then, trimmed and in any case, one of: nothing,
// b, k, kb, ki, kib, and the same of m g t p e. k is 1000, ki 1024. The product is truncated.
// InvalidArgument: `unhandled size name: qb`, `too large: <text>`, or ParseGoFloat's text where there is no
// number.
absl::StatusOr<uint64_t> ParseHumanBytes(std::string_view text);

// SI units, one decimal below 10, no space: 5B, 2.6kB, 10GB, 1.0MB. Lossy, and LogQL compares with the value
// of this text.
std::string FormatHumanBytes(uint64_t bytes);

// Powers of 1024, one decimal below 10, a space: 5 B, 2.6 KiB, 10 GiB, 1.0 MiB.
std::string FormatIecBytes(uint64_t bytes);

}  // namespace skald
