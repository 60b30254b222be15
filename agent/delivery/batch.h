// One batch in the making: rows of any number of streams, and the manifest of where they come from.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/positions/state.h"
#include "base/labels.h"
#include "proto/push.pb.h"
#include "proto/rows.h"
#include "text/level.h"

namespace skald::agent {

class BatchBuilder;
class Tap;  // agent/stages/tap.h

// One stream's label text, and where its rows are in the batch being built. A log has one per output.
struct BatchStream {
  std::string labels;
  std::string tenant;  // "" = the client's
  uint64_t epoch = 0;
  size_t index = 0;

  // The label that names a tenant is taken out.
  void SetLabels(const Labels& labels);
};

// A log that puts ranges into batches.
class BatchOrigin {
 public:
  virtual ~BatchOrigin() = default;
  // Called when the batch is sealed: adds the chain's name, what is pending after the last range, and what
  // identifies each file at its last range's end.
  virtual void Describe(ManifestChain* chain) const = 0;

 private:
  friend class BatchBuilder;
  uint64_t epoch_ = 0;
  size_t index_ = 0;
};

// A sealed batch. Its sequence is given when it is first sent.
struct Batch {
  skald::push::v1::PushRequest request;
  // What is for other tenants: batches with request, lines, bytes and the manifest's sequence alone.
  std::map<std::string, std::shared_ptr<Batch>> tenants;
  Manifest manifest;
  uint64_t lines = 0;          // all tenants'
  uint64_t bytes = 0;          // of the lines
  uint64_t encoded_bytes = 0;  // of the request, about
  uint64_t lost_bytes = 0;     // of a manifest read again: bytes that are no longer there
  int64_t opened_ns = 0;       // monotonic; when its first row was read
  bool resent = false;         // read again after a restart

  void SetSequence(uint64_t sequence);
  // Takes the rows of another one over.
  void Merge(std::unique_ptr<Batch> other);
};

struct BatchRow {
  int64_t time_ns = 0;
  std::string_view text;
  uint64_t cut_bytes = 0;
  bool partial = false;    // the rest of the message never came
  std::string_view level;  // "" = look for one in the text
  const std::vector<std::pair<std::string, std::string>>* metadata = nullptr;  // no name twice
};

// Not thread-safe.
class BatchBuilder {
 public:
  // levels: nullptr = rows get a level only where they bring one. Must outlive the builder.
  explicit BatchBuilder(const LevelDetector* levels) : levels_(levels) {}

  // Is shown what is added. Outlives the builder; nullptr = none.
  void SetTap(Tap* tap) { tap_ = tap; }

  void Add(BatchStream* stream, const BatchRow& row);
  // [begin, end) of a file was read since the origin's last call, behind its earlier ranges.
  void AddRange(BatchOrigin* origin, uint64_t file_id, uint64_t begin, uint64_t end);
  // The origin's unfinished messages were added as they are.
  void MarkFlushed(BatchOrigin* origin);
  // Of what the origin's pipeline held, this was added as it is. The batch wants to be sealed: a manifest has
  // it behind all ranges.
  void MarkHeldFlushed(BatchOrigin* origin, const std::vector<uint64_t>& hashes);
  bool wants_seal() const { return wants_seal_; }
  // It has rows of that many logs that their place in the manifest counts for more than their text.
  bool full() const { return lines_ > 0 && origins_.size() >= kMaxOrigins; }
  void AddCursor(std::string_view source, std::string_view cursor);

  uint64_t lines() const { return lines_; }
  uint64_t bytes() const { return bytes_; }
  bool has_origins() const { return !origins_.empty() || !manifest_.cursors.empty(); }
  int64_t opened_ns() const { return opened_ns_; }  // monotonic
  size_t memory_bytes() const { return bytes_ + lines_ * 24; }

  // Everything so far, and begins anew. With no rows, the ranges come out too.
  std::unique_ptr<Batch> Seal();

 private:
  struct Column {
    MetadataColumn column;
    bool used = false;
  };
  struct Built {
    std::string labels;
    std::string tenant;
    Rows rows;
    bool sorted = true;
    Column level;
    Column partial;
    Column cut;
    std::vector<Column> other;  // named
  };
  static void SetColumn(Column* column, size_t row, std::string_view value, bool look_up);
  static void Finish(Built* built);
  ManifestChain* ChainOf(BatchOrigin* origin);
  static constexpr size_t kMaxOrigins = 1000;
  // Marks on streams and origins are good for one batch of one builder.
  static uint64_t NewEpoch();

  const LevelDetector* const levels_;
  Tap* tap_ = nullptr;
  uint64_t epoch_ = NewEpoch();
  std::deque<Built> streams_;
  size_t used_streams_ = 0;                             // the others are kept for their capacity
  absl::flat_hash_map<std::string, size_t> by_labels_;  // and tenant
  std::vector<const BatchOrigin*> origins_;
  Manifest manifest_;
  uint64_t lines_ = 0;
  uint64_t bytes_ = 0;
  int64_t opened_ns_ = 0;
  bool wants_seal_ = false;
};

}  // namespace skald::agent
