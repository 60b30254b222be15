// A scrape job's stages in their order.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/stages/held_entries.h"
#include "agent/stages/stage.h"

namespace skald::agent {

// Used by one thread, shared by the logs of a job.
class Pipeline {
 public:
  Pipeline() = default;
  explicit Pipeline(StageContext context) : context_(std::move(context)) {}

  // A stage by its name. NotFound: the agent has no such stage.
  absl::Status Add(std::string_view name, const YAML::Node& config);
  bool empty() const { return stages_.empty(); }
  // Some stage holds entries back.
  bool joins() const { return joins_; }
  // Monotonic; until then no more should be read. 0 = go on.
  int64_t paused_until_ns() const;

  // Runs an entry that begins here: extracted values are set up from its labels. What comes out goes to
  // sink, for a joining pipeline perhaps several entries, later, or none yet.
  void Run(Entry* entry, HeldEntries* held, EntrySink* sink) const;
  // The same for an entry that comes from stages around this pipeline.
  void RunNested(Entry* entry, HeldEntries* held, EntrySink* sink) const { RunFrom(0, entry, held, sink); }
  // For a pipeline that does not join. False: the entry is dropped, for entry->drop_reason.
  bool Run(Entry* entry) const;
  bool RunNested(Entry* entry) const;
  // What is held and marked as due goes through the stages behind, and out.
  void Flush(HeldEntries* held, EntrySink* sink) const;

  // Called before the first and behind each stage with the stage's name, for --inspect.
  using Observer = std::function<void(std::string_view stage, const Entry& entry, bool dropped)>;
  // Only while `on` is set, which outlives the pipeline; nullptr = always.
  void SetObserver(Observer observer, const std::atomic<bool>* on = nullptr) {
    observer_ = std::move(observer);
    observing_ = on;
  }

 private:
  class Rest;
  void RunFrom(size_t i, Entry* entry, HeldEntries* held, EntrySink* sink) const;
  static void SetUp(Entry* entry);

  StageContext context_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<std::string> names_;
  bool joins_ = false;
  bool observed() const {
    return observer_ && (observing_ == nullptr || observing_->load(std::memory_order_relaxed));
  }
  Observer observer_;
  const std::atomic<bool>* observing_ = nullptr;
};

// A list of one-key maps, as it stands in a configuration. unknown is called for stages that the agent does
// not have, which are left out.
absl::Status AddStages(const YAML::Node& list, Pipeline* pipeline,
                       const std::function<void(const YAML::Node& stage, const std::string& why)>& unknown);

}  // namespace skald::agent
