// The agent: one thread reads and batches, the push client's thread delivers. A batch goes through
//   open (being built) -> sealed -> under way (in the state journal, at the client) -> acknowledged
//   (positions committed).
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/delivery/batch.h"
#include "agent/delivery/delivery.h"
#include "agent/delivery/loki_sender.h"
#include "agent/delivery/push_client.h"
#include "agent/positions/state_journal.h"
#include "agent/receivers/journal_source.h"
#include "agent/receivers/spool_source.h"
#include "agent/stages/tap.h"
#include "agent/tail/file_targets.h"
#include "agent/tail/tailer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/types.h"

namespace skald::agent {

struct AgentConfig {
  std::string end;  // names it in metrics and pages; "" = the only one
  PushClientOptions push;
  std::optional<LokiSenderOptions> loki;  // the end is one for Loki's HTTP push, and push is not used
  TailerOptions tail;
  StateJournalOptions state;
  JournalSourceOptions journal;
  std::shared_ptr<Spool> spool;  // what receivers took; nullptr = there are none
  SpoolPipelines spool_pipelines;
  std::string node_name;
  std::string promtail_positions;  // its positions file, for the very first start; "" = none
  std::string journal_job;         // the scrape config the journal's cursor stands under there
  std::string docker_directory = std::string(kDockerDirectory);
  std::vector<FileTargetsOptions> file_targets;  // beside tail.targets
  std::shared_ptr<const DeclaringDiscovery> swarm;
  // All settings but the sources, and the journal's, as text: what is the same after a reload goes on.
  std::string definition;
  std::string journal_definition;
  std::string http_listen = "127.0.0.1:9080";  // "" = off
  std::shared_ptr<Tap> tap;                    // sees what goes out; nullptr = nobody does
  bool detect_level = true;
  uint64_t memory_limit = uint64_t{128} << 20;
  uint64_t batch_bytes = uint64_t{512} << 10;  // of lines
  int64_t batch_wait_ns = kNsPerSecond;
  int64_t batch_wait_idle_ns = 100 * kNsPerMs;  // when nothing is under way
  int64_t window = 4;                           // batches under way
  int64_t stop_wait_ns = 5 * kNsPerSecond;      // for acknowledgements, when stopping
};

// Of this process. At any moment read = acked + in_flight + refused + dropped, in lines and in bytes of
// lines.
struct AgentStats {
  uint64_t read_lines = 0;
  uint64_t read_bytes = 0;
  uint64_t acked_lines = 0;
  uint64_t acked_bytes = 0;
  uint64_t in_flight_lines = 0;  // open, sealed and under way
  uint64_t in_flight_bytes = 0;
  std::map<std::string, std::pair<uint64_t, uint64_t>> refused;        // by the server's reason: lines, bytes
  std::map<std::string, ParseCounters::Dropped, std::less<>> dropped;  // by stages and limits, by reason
  uint64_t memory_bytes = 0;
  uint64_t sealed_batches = 0;
  uint64_t batches_under_way = 0;
  uint64_t journal_entries = 0;
  uint64_t spool_records = 0;  // read
  uint64_t spool_lines = 0;    // in them
  uint64_t state_write_errors = 0;
  int64_t last_ack_age_ns = -1;  // -1 = none yet
  PushStats push;
  Tailer::Stats tail;
};

class Agent {
 public:
  // Opens the state; FailedPrecondition if another agent uses it.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(AgentConfig config,
                                                       const Clock& clock = Clock::System());
  ~Agent();

  // Other sources from now on: targets, files of targets, the journal. The settings beside them must be the
  // same (definition). False if the loop does not answer within the time. Thread-safe.
  bool Reload(AgentConfig config, int64_t timeout_ns = 30 * kNsPerSecond);

  // Works on the calling thread until Stop.
  void Run();
  // Thread-safe and fit for a signal handler.
  void Stop();

  const std::string& end() const { return config_.end; }
  const std::string& version() const { return config_.push.version; }
  // Where lines go, for logs and pages.
  std::string server_name() const {
    return config_.loki ? PublicUrl(config_.loki->target.url) : config_.push.server;
  }
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  // Whether the loop turned in the last 10 s and, if something is behind, something was acknowledged in the
  // last 5 min.
  bool healthy() const;
  // From any thread while Run runs; false if it does not answer within the time.
  bool GetStats(AgentStats* stats, int64_t timeout_ns = 5 * kNsPerSecond);
  bool GetTargetsJson(std::string* json, int64_t timeout_ns = 5 * kNsPerSecond);

 private:
  Agent(AgentConfig config, const Clock& clock);
  void TakeOverPositions();
  // agent_sources.cc: what is read, and its changes.
  void OpenJournal();
  // Behind all that is read of the journal.
  std::string JournalCursor() const;
  // Targets as configuration, files of targets and discoveries have them by now.
  std::vector<Target> AssembleTargets() const;
  void PollTargets();
  std::vector<std::string> DiscoveredPatterns() const;
  void UseSources(AgentConfig config);
  // Those of the targets that see what services declare.
  void UseDiscoveries();
  void Wake();
  void Wait();
  void HandlePushEvents();
  void OnAck(const PushEvent& event);
  void Read();
  bool MayRead() const;
  void SealIfDue(bool now);
  void CommitEmpty();
  // What stages hold of sources that are positioned by cursor goes into the batch.
  void FlushHeld(BatchBuilder* batch);
  int64_t held_due_ns() const;
  bool ReadAgain(const CursorRange& range, BatchBuilder* batch);
  void Commit(const Manifest& manifest);
  std::unique_ptr<Sender> MakeSender(const std::string& tenant);
  void Promote();
  void Drain();
  void Recover();
  uint64_t memory_bytes() const;
  AgentStats Stats() const;
  bool RunOnLoop(const std::function<void()>& work, int64_t timeout_ns);
  void RunRequests();

  AgentConfig config_;  // only its sources change
  const Clock& clock_;
  LevelDetector levels_;
  FileDescriptor wake_;  // eventfd
  std::atomic<bool> stop_{false};
  std::atomic<bool> ready_{false};
  std::atomic<int64_t> turned_ns_{0};
  std::atomic<int64_t> acked_ns_{0};
  std::atomic<bool> behind_{false};
  std::mutex requests_mu_;
  std::vector<std::function<void()>> requests_;  // guarded by requests_mu_

  // The loop's own.
  std::unique_ptr<StateJournal> journal_;
  BatchBuilder batch_;
  std::vector<FileTargets> file_targets_;
  std::vector<std::string> patterns_;  // of discoveries, in the tailer's targets
  int64_t targets_at_ns_ = 0;
  std::unique_ptr<Tailer> tailer_;
  std::unique_ptr<JournalSource> systemd_;
  std::unique_ptr<SpoolSource> spooled_;
  std::deque<std::unique_ptr<Batch>> sealed_;
  std::deque<std::shared_ptr<const Batch>> under_way_;
  uint64_t sealed_bytes_ = 0;     // encoded
  uint64_t under_way_bytes_ = 0;  // encoded
  uint64_t batch_limit_ = 0;
  bool welcomed_ = false;
  bool renew_identity_ = false;
  bool stalled_ = false;
  int64_t next_read_ns_ = 0;
  int64_t empty_commit_at_ns_ = 0;  // monotonic
  int64_t touch_at_ns_ = 0;
  uint64_t closed_lines_ = 0;  // of sealed and recovered batches
  uint64_t closed_bytes_ = 0;
  AgentStats counted_;

  std::unique_ptr<Delivery> client_;  // last: its threads call Wake
};

}  // namespace skald::agent
