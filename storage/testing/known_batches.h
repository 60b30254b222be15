// For tests that lose a process or the power: a store so small that some seconds see many files of
// everything, and batches whose lines follow from who sent them and their number, so that afterwards it is
// known what must be there.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "storage/testing/store_fixture.h"

namespace skald {

inline constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;

inline StoreOptions SmallStore(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.shards = 2;
  options.block_text_bytes = 2048;
  options.head_memory_bytes = 96 << 10;
  options.wal_file_bytes = 16 << 10;
  return options;
}

// Batch `sequence` of an agent: four lines of each of three of the seven streams, in one of three days.
inline AppendBatch KnownBatch(int agent, uint64_t sequence) {
  AppendBatch batch;
  batch.tenant = "t";
  batch.agent_id = "agent" + std::to_string(agent);
  batch.sequence = BatchSeq{sequence};
  for (uint64_t s = 0; s < 3; ++s) {
    std::vector<TestLine> lines;
    for (uint64_t i = 0; i < 4; ++i) {
      const int64_t t =
          static_cast<int64_t>(20'000 + sequence % 3) * kDayNs + static_cast<int64_t>(sequence * 100 + i);
      lines.push_back({t, fmt::format("agent {} sequence {} stream {} line {}", agent, sequence, s, i)});
    }
    batch.streams.push_back({{{"app", std::to_string((sequence + s) % 7)}}, MakeRows(std::move(lines)), ""});
  }
  return batch;
}

// The rows of an agent's batches 1 to last, as ReadAll tells them.
inline std::vector<std::string> KnownRows(int agent, uint64_t last) {
  std::vector<std::string> out;
  for (uint64_t sequence = 1; sequence <= last; ++sequence) {
    const AppendBatch batch = KnownBatch(agent, sequence);
    for (const StreamRows& stream : batch.streams) {
      for (size_t row = 0; row < stream.rows->size(); ++row) {
        out.push_back(fmt::format("{} {} {}", stream.rows->time_ns[row], stream.labels.ToString(),
                                  stream.rows->line(row)));
      }
    }
  }
  return out;
}

}  // namespace skald
