// ip("...") of LogQL: finds addresses in text and tests whether a given address, network or range holds them.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace skald {

// An IPv4 or IPv6 address, big-endian. An IPv4 address and its mapped IPv6 form are different addresses.
struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // v4 uses the first four

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// Strict: dotted quads without leading zeros; IPv6 with one :: at most and maybe a dotted quad at its end; no
// zone.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

// Immutable and thread-safe.
class IpMatcher {
 public:
  // An address, a network (10.0.0.0/8) or a range (a-b, no spaces, a <= b, one family). InvalidArgument: `ip:
  // invalid pattern: "x"`.
  static absl::StatusOr<IpMatcher> Make(std::string_view pattern);

  bool Contains(const IpAddress& address) const {
    return address.v6 == low_.v6 && low_ <= address && address <= high_;
  }
  // Whether an address that the pattern holds stands anywhere in text.
  bool FoundIn(std::string_view text) const;

 private:
  IpAddress low_;   // inclusive
  IpAddress high_;  // inclusive
};

}  // namespace skald
