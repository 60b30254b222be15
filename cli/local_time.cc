#include "cli/local_time.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

#include "base/types.h"
#include "text/units.h"

namespace skald::cli {
namespace {

std::string Iso(int64_t time_ns, const std::tm& civil, bool with_fraction) {
  // The zone's wall clock printed as if it were UTC, then the offset in place of the Z.
  const int64_t shifted = time_ns + civil.tm_gmtoff * kNsPerSecond;
  std::string out = with_fraction ? FormatRfc3339Nano(shifted) : FormatRfc3339(shifted);
  if (civil.tm_gmtoff == 0) return out;
  out.pop_back();
  const long minutes = std::labs(civil.tm_gmtoff) / 60;
  return out + fmt::format("{}{:02}:{:02}", civil.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string ByLayout(const char* layout, const std::tm& civil) {
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), layout, &civil));
}

std::string Stamp(const std::tm& civil, int64_t fraction_ns, int digits) {
  return ByLayout("%b %e %H:%M:%S", civil) + "." + fmt::format("{:09}", fraction_ns).substr(0, digits);
}

}  // namespace

std::string FormatTime(int64_t time_ns, bool local, TimeFormat format) {
  int64_t whole = time_ns / kNsPerSecond;
  int64_t fraction_ns = time_ns % kNsPerSecond;
  if (fraction_ns < 0) {
    --whole;
    fraction_ns += kNsPerSecond;
  }
  const auto seconds = static_cast<std::time_t>(whole);
  std::tm civil{};
  if (local) {
    localtime_r(&seconds, &civil);
  } else {
    gmtime_r(&seconds, &civil);
    civil.tm_zone = "UTC";
  }
  switch (format) {
    case TimeFormat::kRfc3339:
      return Iso(time_ns, civil, false);
    case TimeFormat::kRfc3339Nano:
      return Iso(time_ns, civil, true);
    case TimeFormat::kRfc822Z:
      return ByLayout("%d %b %y %H:%M %z", civil);
    case TimeFormat::kRfc1123Z:
      return ByLayout("%a, %d %b %Y %H:%M:%S %z", civil);
    case TimeFormat::kStampMilli:
      return Stamp(civil, fraction_ns, 3);
    case TimeFormat::kStampMicro:
      return Stamp(civil, fraction_ns, 6);
    case TimeFormat::kStampNano:
      return Stamp(civil, fraction_ns, 9);
    case TimeFormat::kUnixDate:
      return ByLayout("%a %b %e %H:%M:%S %Z %Y", civil);
  }
  return "";
}

}  // namespace skald::cli
