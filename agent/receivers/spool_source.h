// The spool as a source of one end: its records become rows, through the stages of the job that took them.
// The position is a record's number; it is committed when the batch is acknowledged.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/delivery/batch.h"
#include "agent/positions/state.h"
#include "agent/receivers/spool.h"
#include "agent/tail/entry_feed.h"

namespace skald::agent {

// Stages by job; jobs without any need not be there.
using SpoolPipelines = std::map<std::string, std::shared_ptr<const Pipeline>, std::less<>>;

// Not thread-safe.
class SpoolSource {
 public:
  static constexpr std::string_view kName = "spool";

  // state: of the end. rules outlive it. Reading begins behind what is delivered or on its way.
  SpoolSource(std::unique_ptr<SpoolReader> reader, const AgentState& state, SpoolPipelines pipelines,
              LineRules* rules);
  // The last record that the end has delivered or has on its way; 0 = none.
  static uint64_t PositionOf(const AgentState& state);
  // The last one it has delivered.
  static uint64_t CommittedOf(const AgentState& state);

  bool ready() const { return reader_->ready(); }
  // Records of about so many bytes of lines into the batch. Returns how many records.
  uint64_t ReadSome(uint64_t max_bytes, BatchBuilder* batch);
  // The records [first, last] once more; reading goes on behind them. False if the first one is gone.
  bool ReadAgain(const CursorRange& range, BatchBuilder* batch);
  // The batch of this manifest is acknowledged.
  void Commit(const Manifest& manifest);

  // As EntryFeed has them, over all jobs.
  void FlushHeld(BatchBuilder* batch);
  int64_t held_due_ns() const;
  bool paused() const;
  void AddDropped(EntryFeed::Dropped* dropped) const;
  // Lines of the records that were read, each once.
  uint64_t read_lines() const { return read_lines_; }

 private:
  void AddRecord(const SpoolRecord& record, bool counting, BatchBuilder* batch);

  const std::unique_ptr<SpoolReader> reader_;
  const SpoolPipelines pipelines_;
  LineRules* const rules_;
  uint64_t read_lines_ = 0;
  std::map<std::string, std::unique_ptr<EntryFeed>, std::less<>> feeds_;  // by job
};

}  // namespace skald::agent
