// Looks at every byte of a data directory that no process has open, and repairs what can be repaired.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace skald {

struct FsckReport {
  uint64_t segments = 0;
  uint64_t blocks = 0;  // sound ones
  uint64_t rows = 0;    // in them
  uint64_t log_files = 0;
  uint64_t log_records = 0;
  uint64_t problems = 0;
  uint64_t repaired = 0;
};

// tell is called with a line of text for each problem, and for each repair. Without repair nothing is
// changed. With it, segments with damage are written anew with what is sound in them (the old ones are kept
// in damaged/), and an index that does not agree with the segments is set aside and made anew; damage in the
// log is left to the next start, which passes it over. Errors: FailedPrecondition if another process has the
// directory, or for an unknown version; what keeps it from reading.
absl::StatusOr<FsckReport> Fsck(const std::string& directory, bool repair,
                                const std::function<void(const std::string&)>& tell);

}  // namespace skald
