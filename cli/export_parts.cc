#include "cli/export_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::cli {
namespace {

std::string TimeName(int64_t time_ns) {
  const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
  std::tm civil{};
  gmtime_r(&seconds, &civil);
  char text[32];
  std::string out(text, std::strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &civil));
  if (time_ns % kNsPerSecond != 0) out += fmt::format(".{:09}", time_ns % kNsPerSecond);
  return out;
}

std::string SettingsPath(const std::string& prefix) { return prefix + "_export.json"; }

}  // namespace

std::vector<ExportPart> CutIntoParts(TimeRange range, int64_t length_ns, bool forward,
                                     const std::string& prefix) {
  std::vector<ExportPart> parts;
  for (int64_t begin = range.begin_ns; begin < range.end_ns;) {
    const int64_t end = range.end_ns - begin > length_ns ? begin + length_ns : range.end_ns;
    parts.push_back({{begin, end}, fmt::format("{}_{}_{}.part", prefix, TimeName(begin), TimeName(end))});
    begin = end;
  }
  if (!forward) std::reverse(parts.begin(), parts.end());
  return parts;
}

absl::Status ClaimPrefix(const std::string& prefix, const std::string& settings, bool replace) {
  const std::string path = SettingsPath(prefix);
  if (!replace && FileExists(path)) {
    ASSIGN_OR_RETURN(const std::string found, ReadWholeFile(path));
    if (found == settings) return absl::OkStatus();
    return FailedPrecondition(
        "{} belongs to another export:\n  there: {}  now:   {}"
        "  give another --part-path-prefix, or replace its parts with --overwrite-completed-parts",
        path, found, settings);
  }
  return WriteFileAtomically(path, settings);
}

void ReleasePrefix(const std::string& prefix) { RemoveFile(SettingsPath(prefix)).IgnoreError(); }

}  // namespace skald::cli
