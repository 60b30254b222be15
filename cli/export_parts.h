// An export's pieces: the time range cut into parts, each with a file of its own.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace skald::cli {

struct ExportPart {
  TimeRange range;
  std::string path;  // <prefix>_<begin>_<end>.part; <path>.tmp while it is written
};

// The range in pieces of `length_ns` (the last one may be shorter), in the order of their lines: the newest
// piece first unless forward. Times in names are UTC, 20261101T120000, with nanoseconds where there are any.
std::vector<ExportPart> CutIntoParts(TimeRange range, int64_t length_ns, bool forward,
                                     const std::string& prefix);

// Makes sure that the parts below a prefix belong to one export: <prefix>_export.json holds `settings`, and
// is written if there is none. FailedPrecondition when it holds others, unless they may be replaced.
absl::Status ClaimPrefix(const std::string& prefix, const std::string& settings, bool replace);
void ReleasePrefix(const std::string& prefix);

}  // namespace skald::cli
