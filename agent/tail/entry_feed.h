// The way of entries that come one by one (from the journal, from receivers) through a job's stages into
// batches. A cursor stands behind all entries of its batch: what stages hold back is let go before a batch is
// sealed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/delivery/batch.h"
#include "agent/delivery/line_rules.h"
#include "agent/stages/pipeline.h"
#include "agent/tail/chain.h"
#include "base/labels.h"

namespace skald::agent {

// Not thread-safe.
class EntryFeed : private EntrySink {
 public:
  using Dropped = std::map<std::string, ParseCounters::Dropped, std::less<>>;
  // pipeline: nullptr = entries go out as they are. rules outlive it.
  EntryFeed(std::shared_ptr<const Pipeline> pipeline, LineRules* rules)
      : pipeline_(std::move(pipeline)), rules_(rules) {}

  // counting: not for entries that are read again; they are in the batch that is made again whatever the
  // rules say now.
  void Add(const Labels& labels, const BatchRow& row, bool counting, BatchBuilder* batch);
  void Count(std::string_view reason, uint64_t bytes);

  // What stages hold back goes into the batch.
  void FlushHeld(BatchBuilder* batch);
  // When it should at the latest; monotonic, 0 = nothing is held.
  int64_t held_due_ns() const { return held_.due_ns(); }
  // A limit of the pipeline or of the rules says to wait.
  bool paused() const;
  // By stages and rules, by reason.
  void AddDropped(Dropped* dropped) const;

 private:
  BatchStream* StreamFor(const Labels& labels);
  void Put(const Labels& labels, const BatchRow& row);
  void Emit(Entry* entry) override;
  void Drop(const Entry& entry) override;

  const std::shared_ptr<const Pipeline> pipeline_;
  LineRules* const rules_;
  std::map<std::string, BatchStream> streams_;  // by label text; bounded, see StreamFor
  Labels last_labels_;                          // of last_stream_
  BatchStream* last_stream_ = nullptr;
  HeldEntries held_;
  Entry entry_;
  Labels given_;  // of the entry that runs
  // While entries run.
  BatchBuilder* batch_ = nullptr;
  bool counting_ = true;
  Dropped dropped_;
};

}  // namespace skald::agent
