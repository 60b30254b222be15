// A LogSource over lines in memory: of a rule unit test, of tests and benchmarks. Blocks are what the caller
// says they are.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/log_source.h"

namespace skald::exec {

struct MemoryEntry {
  int64_t time_ns = 0;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Rows of one stream, which ascend in time.
std::shared_ptr<const Rows> RowsOf(const std::vector<MemoryEntry>& entries);

// Not thread-safe while blocks are added; reading is.
class MemoryLogSource : public LogSource {
 public:
  using StreamEntries = std::vector<std::pair<Labels, std::vector<MemoryEntry>>>;

  // One block that holds the entries of these streams, one slice each. Entries are sorted by time (stably) on
  // the way in and exact repetitions within a slice are dropped.
  void AddBlock(const std::string& tenant, StreamEntries streams);

  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant, const std::vector<Matcher>& matchers,
                                                TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers, TimeRange range,
                                                      int64_t) const override {
    return Series(tenant, matchers, range);
  }
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const override;
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       const std::vector<Matcher>& matchers,
                                                       TimeRange range) const override;

  // Blocks that Read was called on, over all queries.
  uint64_t reads() const { return reads_->load(); }

 private:
  struct StoredBlock {
    std::shared_ptr<const Rows> rows;
    std::vector<Slice> slices;  // stream = index into Tenant::streams
    bool decodes = false;  // Read fills the wanted columns only, as a block on disk does; every other block
  };
  struct Tenant {
    std::vector<StreamRef> streams;
    std::map<std::string, uint32_t> stream_of_text;
    std::vector<StoredBlock> blocks;
  };

  std::map<std::string, Tenant, std::less<>> tenants_;
  std::shared_ptr<std::atomic<uint64_t>> reads_ = std::make_shared<std::atomic<uint64_t>>(0);
};

}  // namespace skald::exec
