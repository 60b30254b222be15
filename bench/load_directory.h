// A load on disk: body-NNNNN.bin (requests to POST /loki/api/v1/push: snappy of logproto.PushRequest),
// raw.log (all lines, for the reference commands) and load.json (what there is).
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "bench/load_generator.h"

namespace skald::bench {

struct LoadSummary {
  uint64_t lines = 0;
  uint64_t raw_bytes = 0;  // of the lines, without newlines
  uint64_t bodies = 0;
  uint64_t seed = 0;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
};

std::string BodyPath(const std::string& directory, uint64_t body);

// Writes a whole load; load.json comes last, so that a directory with one is complete.
absl::StatusOr<LoadSummary> WriteLoad(const LoadOptions& options, const std::string& directory);

absl::StatusOr<LoadSummary> ReadLoadSummary(const std::string& directory);

}  // namespace skald::bench
