#include "agent/agent.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>

#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr uint64_t kReadSliceBytes = uint64_t{2} << 20;  // between looks at events
constexpr uint64_t kJournalSlice = 1000;
// A pass that found less than this waits a little before the next, so that slow writers do not cost one turn
// a line.
constexpr uint64_t kSmallPassBytes = uint64_t{64} << 10;
constexpr int64_t kSmallPassWaitNs = 10 * kNsPerMs;
// While memory is full, names are looked at that often.
constexpr int64_t kFullWaitNs = 20 * kNsPerMs;
constexpr int64_t kIdleWaitNs = 500 * kNsPerMs;
constexpr int64_t kTouchNs = 5 * kNsPerSecond;
constexpr int64_t kStalledLoopNs = 10 * kNsPerSecond;
constexpr int64_t kStalledAckNs = 300 * kNsPerSecond;
// Of encoded batches that wait for their turn.
constexpr uint64_t kReadAheadBytes = uint64_t{1} << 20;

}  // namespace

Agent::Agent(AgentConfig config, const Clock& clock)
    : config_(std::move(config)),
      clock_(clock),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      batch_(config_.detect_level ? &levels_ : nullptr),
      batch_limit_(config_.batch_bytes) {
  batch_.SetTap(config_.tap.get());
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(AgentConfig config, const Clock& clock) {
  config.tail.node_name = config.node_name;
  config.state.node = config.node_name;
  config.push.node = config.node_name;
  config.journal.node_name = config.node_name;
  config.journal.max_line_size = config.tail.max_line_size;
  std::unique_ptr<Agent> agent(new Agent(std::move(config), clock));
  ASSIGN_OR_RETURN(agent->journal_, StateJournal::Open(agent->config_.state));
  if (!agent->config_.promtail_positions.empty()) agent->TakeOverPositions();
  for (const FileTargetsOptions& options : agent->config_.file_targets) {
    agent->file_targets_.emplace_back(options);
    agent->file_targets_.back().Poll(MonotonicNs());
  }
  agent->patterns_ = agent->DiscoveredPatterns();
  TailerOptions tail = agent->config_.tail;
  tail.targets = agent->AssembleTargets();
  if (!agent->config_.loki)
    agent->config_.push.declarations = std::make_shared<Declarations>(agent->config_.docker_directory);
  agent->UseDiscoveries();
  agent->tailer_ = std::make_unique<Tailer>(std::move(tail), agent->journal_.get(), &agent->batch_,
                                            &agent->levels_, clock);
  if (agent->config_.spool != nullptr) {
    const AgentState& state = agent->journal_->state();
    std::unique_ptr<SpoolReader> reader =
        agent->config_.spool->AddReader(SpoolSource::CommittedOf(state), SpoolSource::PositionOf(state),
                                        [raw = agent.get()] { raw->Wake(); });
    agent->spooled_ = std::make_unique<SpoolSource>(std::move(reader), state, agent->config_.spool_pipelines,
                                                    agent->tailer_->rules());
  }
  return agent;
}

Agent::~Agent() = default;

void Agent::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof(one));
}

void Agent::Stop() {
  stop_.store(true, std::memory_order_release);
  Wake();
}

bool Agent::healthy() const {
  const int64_t now = MonotonicNs();
  if (now - turned_ns_.load() > kStalledLoopNs) return false;
  return !behind_.load() || now - acked_ns_.load() <= kStalledAckNs;
}

void Agent::Run() {
  acked_ns_ = turned_ns_ = MonotonicNs();
  tailer_->Start();
  OpenJournal();
  client_ = std::make_unique<Delivery>([this](const std::string& tenant) { return MakeSender(tenant); });
  Recover();
  ready_.store(true, std::memory_order_release);
  LogInfo("agent runs", "agent_id={} server={} node={} resent_batches={}", journal_->state().agent_id,
          server_name(), config_.node_name, under_way_.size());
  while (!stop_.load(std::memory_order_acquire)) {
    turned_ns_.store(MonotonicNs(), std::memory_order_relaxed);
    tailer_->HandleEvents();
    HandlePushEvents();
    RunRequests();
    tailer_->Maintain();
    tailer_->FlushDue();
    if (batch_.wants_seal()) SealIfDue(true);
    Read();
    SealIfDue(false);
    Promote();
    PollTargets();
    if (MonotonicNs() >= touch_at_ns_) {
      touch_at_ns_ = MonotonicNs() + kTouchNs;
      journal_->Touch();
      behind_ = tailer_->GetStats().lag_bytes > 0;
    }
    Wait();
  }
  Drain();
}

std::unique_ptr<Sender> Agent::MakeSender(const std::string& tenant) {
  if (config_.loki) {
    LokiSenderOptions options = *config_.loki;
    if (!tenant.empty()) options.tenant = tenant;
    return std::make_unique<LokiSender>(std::move(options), [this] { Wake(); });
  }
  PushClientOptions options = config_.push;
  if (!tenant.empty()) {
    options.tenant = tenant;
    options.declarations = nullptr;  // the end itself says them
  }
  return std::make_unique<PushClient>(
      std::move(options), Delivery::AgentIdOf(journal_->state().agent_id, tenant), [this] { Wake(); });
}

// What was on its way when the agent ended is read again and sent under its old sequences; the server tells
// what it has already.
void Agent::Recover() {
  std::vector<std::unique_ptr<Batch>> batches = tailer_->Recover();
  for (std::unique_ptr<Batch>& batch : batches) {
    if (!batch->manifest.cursors.empty()) {
      BatchBuilder again(config_.detect_level ? &levels_ : nullptr);
      for (const CursorRange& range : batch->manifest.cursors) {
        if (!ReadAgain(range, &again))
          LogWarn("entries of a resent batch are gone", "source={}", range.source);
      }
      FlushHeld(&again);
      batch->Merge(again.Seal());
    }
    closed_lines_ += batch->lines;
    closed_bytes_ += batch->bytes;
    under_way_bytes_ += batch->encoded_bytes;
    batch->SetSequence(batch->manifest.sequence);
    std::shared_ptr<const Batch> shared = std::move(batch);
    under_way_.push_back(shared);
    client_->Send(shared);
  }
  if (systemd_ != nullptr) systemd_->Start(JournalCursor());
}

bool Agent::ReadAgain(const CursorRange& range, BatchBuilder* batch) {
  if (range.source == SpoolSource::kName) return spooled_ != nullptr && spooled_->ReadAgain(range, batch);
  return systemd_ != nullptr && systemd_->ReadAgain(range, batch);
}

void Agent::FlushHeld(BatchBuilder* batch) {
  if (systemd_ != nullptr) systemd_->feed().FlushHeld(batch);
  if (spooled_ != nullptr) spooled_->FlushHeld(batch);
}

int64_t Agent::held_due_ns() const {
  const int64_t journal = systemd_ == nullptr ? 0 : systemd_->feed().held_due_ns();
  const int64_t spool = spooled_ == nullptr ? 0 : spooled_->held_due_ns();
  return journal == 0 || spool == 0 ? std::max(journal, spool) : std::min(journal, spool);
}

void Agent::Commit(const Manifest& manifest) {
  tailer_->Commit(manifest);
  if (spooled_ != nullptr) spooled_->Commit(manifest);
}

void Agent::Wait() {
  const int64_t now = MonotonicNs();
  const bool files = tailer_->has_ready();
  const bool spooled = spooled_ != nullptr && spooled_->ready();
  const bool more = files || spooled || (systemd_ != nullptr && systemd_->ready());
  int64_t wait = kIdleWaitNs;
  if (more) wait = MayRead() && !stalled_ ? next_read_ns_ - now : kFullWaitNs;
  if (spooled && !files && spooled_->paused()) wait = kFullWaitNs;
  if (const int64_t due = tailer_->held_due_ns(); due != 0)
    wait = std::min(wait, std::max(due - now, kNsPerMs));
  if (batch_.lines() > 0) {
    const int64_t limit =
        under_way_.empty() && sealed_.empty() ? config_.batch_wait_idle_ns : config_.batch_wait_ns;
    wait = std::min(wait, batch_.opened_ns() + limit - now);
  }
  if (wait <= 0) return;
  pollfd fds[3] = {{wake_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
  // While there is something to read and its time is set, news of more need not wake anybody.
  if (!files) fds[1].fd = tailer_->event_fd();
  if (systemd_ != nullptr && !systemd_->ready()) fds[2] = {systemd_->fd(), systemd_->events(), 0};
  ::poll(fds, 3, static_cast<int>((wait + kNsPerMs - 1) / kNsPerMs));
  if (fds[2].revents != 0) systemd_->Process();
  if ((fds[0].revents & POLLIN) != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof(count));
  }
}

uint64_t Agent::memory_bytes() const {
  return sealed_bytes_ + under_way_bytes_ + batch_.memory_bytes() + tailer_->memory_bytes() + kBlockBytes;
}

bool Agent::MayRead() const {
  // A few batches ahead keep the connection busy; the files keep the rest.
  if (sealed_bytes_ > std::min(config_.memory_limit / 4, kReadAheadBytes)) return false;
  const uint64_t limit = config_.memory_limit / 10 * 9;
  // Unfinished messages alone must not stop the reading that would finish them.
  return memory_bytes() < limit || (batch_.lines() == 0 && sealed_.empty() && under_way_.empty());
}

void Agent::Read() {
  stalled_ = false;
  if (!MayRead()) return;
  if (tailer_->has_ready() && MonotonicNs() >= next_read_ns_) {
    uint64_t left = kReadSliceBytes;
    uint64_t pass = 0;
    while (left > 0 && tailer_->has_ready() && MayRead()) {
      const uint64_t room = batch_limit_ > batch_.bytes() ? batch_limit_ - batch_.bytes() : 1;
      const uint64_t read = tailer_->ReadSome(std::min<uint64_t>({left, kBlockBytes, room}));
      if (read == 0) {
        stalled_ = true;  // all that is ready waits for a limit
        break;
      }
      pass += read;
      left -= std::min(left, read);
      SealIfDue(false);
    }
    if (pass < kSmallPassBytes) next_read_ns_ = MonotonicNs() + kSmallPassWaitNs;
  }
  if (systemd_ != nullptr && systemd_->ready() && !systemd_->feed().paused()) {
    counted_.journal_entries += systemd_->ReadSome(kJournalSlice, &batch_);
    SealIfDue(false);
  }
  if (spooled_ != nullptr && MonotonicNs() >= next_read_ns_) {
    uint64_t left = kReadSliceBytes;
    while (left > 0 && spooled_->ready() && !spooled_->paused() && MayRead()) {
      const uint64_t room = batch_limit_ > batch_.bytes() ? batch_limit_ - batch_.bytes() : 1;
      const uint64_t before = batch_.bytes();
      const uint64_t read = spooled_->ReadSome(std::min(left, room), &batch_);
      if (read == 0) break;
      counted_.spool_records += read;
      left -= std::min(left, batch_.bytes() - before);
      SealIfDue(false);
    }
    if (left > kReadSliceBytes - kSmallPassBytes)
      next_read_ns_ = std::max(next_read_ns_, MonotonicNs() + kSmallPassWaitNs);
  }
}

// Ranges of which the stages left nothing need no server. Their sequence is never sent.
void Agent::CommitEmpty() {
  if (!batch_.has_origins() || !under_way_.empty() || !sealed_.empty() || renew_identity_ || !welcomed_)
    return;
  if (MonotonicNs() < empty_commit_at_ns_) return;
  empty_commit_at_ns_ = MonotonicNs() + config_.batch_wait_ns;
  std::unique_ptr<Batch> batch = batch_.Seal();
  batch->manifest.sequence = journal_->state().next_sequence;
  journal_->PutManifest(batch->manifest);
  journal_->Ack(batch->manifest.sequence);
  Commit(batch->manifest);
}

void Agent::SealIfDue(bool now) {
  if (batch_.lines() == 0) {
    if (const int64_t due = held_due_ns(); due != 0) {
      if (MonotonicNs() < due) return;
      FlushHeld(&batch_);
    }
    if (batch_.lines() == 0) {
      CommitEmpty();
      return;
    }
  }
  if (!now && batch_.bytes() < batch_limit_ && !batch_.full()) {
    const bool idle = under_way_.empty() && sealed_.empty();
    const int64_t age = MonotonicNs() - batch_.opened_ns();
    if (age < (idle ? config_.batch_wait_idle_ns : config_.batch_wait_ns)) return;
  }
  // What stages hold of sources with cursors does not outlive its batch.
  FlushHeld(&batch_);
  std::unique_ptr<Batch> batch = batch_.Seal();
  closed_lines_ += batch->lines;
  closed_bytes_ += batch->bytes;
  sealed_bytes_ += batch->encoded_bytes;
  sealed_.push_back(std::move(batch));
  Promote();
}

// Gives sealed batches their sequence, notes them in the journal, and hands them to the client.
void Agent::Promote() {
  while (welcomed_ && !renew_identity_ && !sealed_.empty() &&
         under_way_.size() < static_cast<size_t>(config_.window)) {
    std::unique_ptr<Batch> batch = std::move(sealed_.front());
    sealed_.pop_front();
    sealed_bytes_ -= batch->encoded_bytes;
    under_way_bytes_ += batch->encoded_bytes;
    const uint64_t sequence = journal_->state().next_sequence;
    batch->SetSequence(sequence);
    journal_->PutManifest(batch->manifest);
    std::shared_ptr<const Batch> shared = std::move(batch);
    under_way_.push_back(shared);
    client_->Send(shared);
  }
}

void Agent::HandlePushEvents() {
  for (const PushEvent& event : client_->TakeEvents()) {
    if (event.kind == PushEvent::Kind::kAck) {
      OnAck(event);
      continue;
    }
    welcomed_ = true;
    if (event.max_batch_bytes > 0) {
      batch_limit_ = std::clamp<uint64_t>(event.max_batch_bytes / 2, uint64_t{64} << 10, config_.batch_bytes);
    }
    // The server knows sequences under our id that we never gave out: the state is older than what was sent,
    // or a copy of it runs elsewhere.
    if (event.sequence >= journal_->state().next_sequence) renew_identity_ = true;
  }
  if (renew_identity_ && under_way_.empty()) {
    journal_->RenewIdentity();
    LogWarn("the server has later batches of this agent than the state knows: going on under a new agent id",
            "agent_id={}", journal_->state().agent_id);
    renew_identity_ = false;
    welcomed_ = false;
    client_->SetAgentId(journal_->state().agent_id);
  }
}

void Agent::OnAck(const PushEvent& event) {
  if (under_way_.empty() || under_way_.front()->manifest.sequence != event.sequence) return;
  const std::shared_ptr<const Batch> batch = std::move(under_way_.front());
  under_way_.pop_front();
  under_way_bytes_ -= batch->encoded_bytes;
  journal_->Ack(event.sequence);
  Commit(batch->manifest);
  acked_ns_ = MonotonicNs();
  uint64_t refused_lines = 0;
  uint64_t refused_bytes = 0;
  for (const auto& refusal : event.refusals) {
    const uint64_t lines = std::min<uint64_t>(refusal.lines(), batch->lines - refused_lines);
    const uint64_t bytes = std::min<uint64_t>(refusal.bytes(), batch->bytes - refused_bytes);
    refused_lines += lines;
    refused_bytes += bytes;
    auto& counted = counted_.refused[refusal.reason()];
    if (counted.first == 0) {
      LogWarn("the server refused lines (told once a reason)", "reason={} stream={} lines={} message=\"{}\"",
              refusal.reason(), refusal.stream(), refusal.lines(), refusal.message());
    }
    counted.first += lines;
    counted.second += bytes;
  }
  counted_.acked_lines += batch->lines - refused_lines;
  counted_.acked_bytes += batch->bytes - refused_bytes;
  if (batch->lost_bytes > 0 && !event.was_durable) {
    tailer_->CountRotatedAway(batch->lost_bytes);
    LogError("lines that were on their way when the agent ended are gone with their file", "bytes={}",
             batch->lost_bytes);
  }
}

// What is read goes out if the server is there; what is not acknowledged in time is read again at the next
// start.
void Agent::Drain() {
  const int64_t deadline = MonotonicNs() + config_.stop_wait_ns;
  SealIfDue(true);
  while ((!sealed_.empty() || !under_way_.empty()) && client_->stats().connected &&
         MonotonicNs() < deadline) {
    Promote();
    pollfd wake = {wake_.get(), POLLIN, 0};
    ::poll(&wake, 1, 50);
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof(count));
    HandlePushEvents();
    RunRequests();
  }
  if (!sealed_.empty() || !under_way_.empty()) {
    LogInfo("stopping with batches not acknowledged; they are sent again after the next start", "batches={}",
            sealed_.size() + under_way_.size());
  }
  client_.reset();
  journal_->Close();
  ready_ = false;
}

AgentStats Agent::Stats() const {
  AgentStats stats = counted_;
  stats.read_lines = closed_lines_ + batch_.lines();
  stats.read_bytes = closed_bytes_ + batch_.bytes();
  stats.in_flight_lines = batch_.lines();
  stats.in_flight_bytes = batch_.bytes();
  for (const auto& batch : sealed_) {
    stats.in_flight_lines += batch->lines;
    stats.in_flight_bytes += batch->bytes;
  }
  for (const auto& batch : under_way_) {
    stats.in_flight_lines += batch->lines;
    stats.in_flight_bytes += batch->bytes;
  }
  stats.memory_bytes = memory_bytes();
  stats.sealed_batches = sealed_.size();
  stats.batches_under_way = under_way_.size();
  stats.state_write_errors = journal_->write_errors();
  if (counted_.acked_lines > 0) stats.last_ack_age_ns = MonotonicNs() - acked_ns_.load();
  stats.push = client_->stats();
  stats.tail = tailer_->GetStats();
  for (const auto& [reason, dropped] : stats.tail.parse.dropped) {
    stats.dropped[reason].lines += dropped.lines;
    stats.dropped[reason].bytes += dropped.bytes;
  }
  if (systemd_ != nullptr) {
    systemd_->feed().AddDropped(&stats.dropped);
  }
  if (spooled_ != nullptr) {
    spooled_->AddDropped(&stats.dropped);
    stats.spool_lines = spooled_->read_lines();
  }
  for (const auto& [reason, dropped] : stats.dropped) {
    stats.read_lines += dropped.lines;
    stats.read_bytes += dropped.bytes;
  }
  return stats;
}

bool Agent::RunOnLoop(const std::function<void()>& work, int64_t timeout_ns) {
  struct Done {
    std::mutex mu;
    std::condition_variable cv;
    bool done = false;
    bool abandoned = false;
  };
  const auto state = std::make_shared<Done>();
  {
    const std::lock_guard<std::mutex> lock(requests_mu_);
    requests_.push_back([state, work] {
      const std::lock_guard<std::mutex> inner(state->mu);
      if (!state->abandoned) work();  // writes into the caller's frame, which is gone once it has given up
      state->done = true;
      state->cv.notify_all();
    });
  }
  Wake();
  std::unique_lock<std::mutex> lock(state->mu);
  const bool done =
      state->cv.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [&] { return state->done; });
  state->abandoned = !done;
  return done;
}

void Agent::RunRequests() {
  std::vector<std::function<void()>> requests;
  {
    const std::lock_guard<std::mutex> lock(requests_mu_);
    requests.swap(requests_);
  }
  for (const auto& request : requests) request();
}

bool Agent::GetStats(AgentStats* stats, int64_t timeout_ns) {
  return RunOnLoop([this, stats] { *stats = Stats(); }, timeout_ns);
}

bool Agent::GetTargetsJson(std::string* json, int64_t timeout_ns) {
  return RunOnLoop(
      [this, json] {
        JsonWriter writer(json);
        writer.BeginObject().Key("agent_id").String(journal_->state().agent_id);
        writer.Key("server").String(server_name()).Key("connected").Bool(client_->stats().connected);
        writer.Key("files");
        tailer_->TargetsJson(1000, &writer);
        writer.EndObject();
      },
      timeout_ns);
}

}  // namespace skald::agent
