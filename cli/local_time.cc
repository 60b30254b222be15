#include "cli/local_time.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

#include "base/types.h"
#include "text/units.h"

namespace skald::cli {

std::string FormatTime(int64_t time_ns, bool local, bool with_fraction) {
  if (!local) return with_fraction ? FormatRfc3339Nano(time_ns) : FormatRfc3339(time_ns);
  const auto seconds =
      static_cast<std::time_t>(time_ns / kNsPerSecond - (time_ns % kNsPerSecond < 0 ? 1 : 0));
  std::tm civil{};
  localtime_r(&seconds, &civil);
  if (civil.tm_gmtoff == 0) return FormatTime(time_ns, false, with_fraction);
  // The zone's wall clock printed as if it were UTC, then the offset in place of the Z.
  const int64_t shifted = time_ns + civil.tm_gmtoff * kNsPerSecond;
  std::string out = with_fraction ? FormatRfc3339Nano(shifted) : FormatRfc3339(shifted);
  out.pop_back();
  const long minutes = std::labs(civil.tm_gmtoff) / 60;
  return out + fmt::format("{}{:02}:{:02}", civil.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

}  // namespace skald::cli
