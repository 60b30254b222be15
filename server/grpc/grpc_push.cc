#include "server/grpc/grpc_push.h"

#include <deque>
#include <mutex>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "proto/rows_codec.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

using push::v1::PushRequest;
using push::v1::PushResponse;

// Batches read ahead of the one being stored, per stream.
constexpr int64_t kMaxWaitingBytes = int64_t{32} << 20;
constexpr uint64_t kRetryDelayMs = 1'000;

// One agent's stream. Batches are stored strictly one after the other: were a later one stored when an
// earlier one failed, the agent's resending of the earlier would look like a repetition, and its lines would
// be lost.
//
// Deletes itself in OnDone, which gRPC calls after Finish; Finish is called once nothing of it is under way.
class AgentStreamReactor : public grpc::ServerBidiReactor<PushRequest, PushResponse> {
 public:
  AgentStreamReactor(AgentDoor* door, std::string tenant) : door_(door), tenant_(std::move(tenant)) {
    ++door_->connected;
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mu_);
    if (!ok) {
      reads_ended_ = true;
      return MaybeFinish();
    }
    if (failed_) return MaybeFinish();
    if (request_.has_hello()) {
      if (!agent_id_.empty())
        return Fail(grpc::StatusCode::FAILED_PRECONDITION, "a second Hello on one stream");
      if (request_.hello().agent_id().empty())
        return Fail(grpc::StatusCode::INVALID_ARGUMENT, "Hello without agent_id");
      agent_id_ = request_.hello().agent_id();
      last_sequence_ = Raw(door_->store->LastSequence(tenant_, agent_id_));
      LogInfo("agent connected", "agent={} node={} version={} tenant={} last_sequence={}", agent_id_,
              request_.hello().node(), request_.hello().agent_version(), tenant_, last_sequence_);
      PushResponse welcome;
      welcome.mutable_welcome()->set_last_sequence(last_sequence_);
      welcome.mutable_welcome()->set_max_batch_bytes(kMaxAgentBatchBytes);
      Send(std::move(welcome));
    } else if (request_.has_batch()) {
      if (agent_id_.empty()) return Fail(grpc::StatusCode::FAILED_PRECONDITION, "a batch before Hello");
      Waiting batch;
      batch.bytes = static_cast<int64_t>(request_.ByteSizeLong());
      batch.reserved = door_->waiting.Reserve(batch.bytes).ok();
      batch.batch = std::move(*request_.mutable_batch());
      if (!batch.reserved) batch.batch.clear_streams();
      waiting_bytes_ += batch.bytes;
      waiting_.push_back(std::move(batch));
      StartProcessing();
    } else if (request_.has_declarations()) {
      if (agent_id_.empty()) return Fail(grpc::StatusCode::FAILED_PRECONDITION, "declarations before Hello");
      if (door_->declare) door_->declare(tenant_, agent_id_, request_.declarations());
    }
    ReadNext();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mu_);
    writing_ = false;
    outgoing_.pop_front();
    if (!ok) {
      outgoing_.clear();
      write_failed_ = true;
    }
    WriteNext();
    MaybeFinish();
  }

  void OnDone() override {
    --door_->connected;
    // Finish may have been called on a pool thread that still holds the lock.
    { const std::lock_guard lock(mu_); }
    delete this;
  }

 private:
  struct Waiting {
    push::v1::Batch batch;
    int64_t bytes = 0;
    bool reserved = false;
    int64_t came_ns = MonotonicNs();
  };

  // All below: mu_ held.

  void ReadNext() {
    reading_ = waiting_bytes_ < kMaxWaitingBytes;
    if (reading_) StartRead(&request_);
  }

  void Fail(grpc::StatusCode code, const std::string& message) {
    failed_ = true;
    status_ = grpc::Status(code, message);
    MaybeFinish();
  }

  void Send(PushResponse response) {
    if (write_failed_) return;
    outgoing_.push_back(std::move(response));
    WriteNext();
  }

  void WriteNext() {
    if (writing_ || outgoing_.empty() || finished_) return;
    writing_ = true;
    StartWrite(&outgoing_.front());
  }

  void SendRetry(uint64_t sequence, uint64_t delay_ms, std::string reason) {
    PushResponse response;
    response.mutable_retry()->set_sequence(sequence);
    response.mutable_retry()->set_delay_ms(delay_ms);
    response.mutable_retry()->set_reason(std::move(reason));
    Send(std::move(response));
  }

  void MaybeFinish() {
    if (finished_ || writing_ || processing_ || !outgoing_.empty()) return;
    if (failed_ || (reads_ended_ && waiting_.empty())) {
      finished_ = true;
      Finish(status_);
    }
  }

  void StartProcessing() {
    if (processing_ || waiting_.empty()) return;
    processing_ = true;
    door_->ingest->pool()->Add([this] { Process(); });
  }

  // Under the name of the call by which Loki's distributors hand batches on: it is the same work.
  void Measure(const Waiting& batch, bool stored) const {
    door_->metrics
        ->Histogram("loki_request_duration_seconds", "Time from a request's head to its answer.",
                    {{"method", "gRPC"},
                     {"route", "/logproto.Pusher/Push"},
                     {"status_code", stored ? "success" : "error"}})
        .Observe(static_cast<double>(MonotonicNs() - batch.came_ns) / kNsPerSecond);
  }

  // The batch in hand is dealt with; mu_ held.
  void Processed(const Waiting& batch) {
    if (batch.reserved) door_->waiting.Release(batch.bytes);
    waiting_bytes_ -= batch.bytes;
    processing_ = false;
    if (!failed_ && !reads_ended_ && !reading_) ReadNext();
    StartProcessing();
    MaybeFinish();
  }

  // Without mu_, on a pool thread.
  void Process() {
    auto batch = std::make_shared<Waiting>();
    {
      const std::lock_guard lock(mu_);
      *batch = std::move(waiting_.front());
      waiting_.pop_front();
      const uint64_t sequence = batch->batch.sequence();
      std::string retry;
      if (sequence <= last_sequence_) {
        PushResponse ack;
        ack.mutable_ack()->set_sequence(sequence);
        Send(std::move(ack));
        return Processed(*batch);
      }
      if (resend_from_ != 0 && sequence != resend_from_) {
        retry = fmt::format("batch {} has to come first", resend_from_);
      } else if (!batch->reserved) {
        retry = "the server holds too many batches at this moment";
      } else if (static_cast<uint64_t>(batch->bytes) > kMaxAgentBatchBytes) {
        retry =
            fmt::format("the batch has {} bytes, at most {} are taken", batch->bytes, kMaxAgentBatchBytes);
      }
      if (!retry.empty()) {
        if (resend_from_ == 0) resend_from_ = sequence;
        SendRetry(sequence, kRetryDelayMs, std::move(retry));
        return Processed(*batch);
      }
    }
    std::vector<AgentStream> streams;
    std::vector<PushRefusal> undecodable;
    for (push::v1::StreamRows& stream : *batch->batch.mutable_streams()) {
      AgentStream decoded;
      decoded.labels = std::move(*stream.mutable_labels());
      decoded.encoded = std::move(*stream.mutable_rows());
      decoded.rows = std::make_shared<Rows>();
      if (absl::Status status = DecodeRows(decoded.encoded, RowsLimits(), decoded.rows.get()); !status.ok()) {
        LogWarn("undecodable rows from an agent", "agent={} sequence={} error=\"{}\"", agent_id_,
                batch->batch.sequence(), MessageOf(status));
        undecodable.push_back(
            {decoded.labels, "invalid_rows", std::string(MessageOf(status)), 0, decoded.encoded.size()});
        continue;
      }
      streams.push_back(std::move(decoded));
    }
    door_->ingest->AppendAgent(
        tenant_, agent_id_, BatchSeq{batch->batch.sequence()}, std::move(streams),
        [this, batch, undecodable = std::move(undecodable)](IngestService::AgentOutcome outcome) mutable {
          for (PushRefusal& refusal : undecodable) outcome.refusals.push_back(std::move(refusal));
          Stored(*batch, outcome);
        });
  }

  // On a thread of the store's.
  void Stored(const Waiting& batch, const IngestService::AgentOutcome& outcome) {
    const std::lock_guard lock(mu_);
    const uint64_t sequence = batch.batch.sequence();
    Measure(batch, outcome.status.ok());
    if (!outcome.status.ok()) {
      resend_from_ = sequence;
      SendRetry(sequence, kRetryDelayMs, std::string(MessageOf(outcome.status)));
    } else {
      last_sequence_ = sequence;
      resend_from_ = 0;
      PushResponse response;
      response.mutable_ack()->set_sequence(sequence);
      for (const PushRefusal& refusal : outcome.refusals) {
        push::v1::Refusal* out = response.mutable_ack()->add_refusals();
        out->set_stream(refusal.stream);
        out->set_reason(refusal.reason);
        out->set_message(refusal.message);
        out->set_lines(refusal.lines);
        out->set_bytes(refusal.bytes);
      }
      Send(std::move(response));
    }
    Processed(batch);
  }

  AgentDoor* const door_;
  const std::string tenant_;

  PushRequest request_;  // being read

  std::mutex mu_;
  std::string agent_id_;               // set once, by Hello, before any batch
  std::deque<Waiting> waiting_;        // guarded by mu_
  std::deque<PushResponse> outgoing_;  // guarded by mu_; the first one is being written if writing_
  int64_t waiting_bytes_ = 0;          // guarded by mu_; the batch in hand included
  uint64_t last_sequence_ = 0;         // guarded by mu_
  uint64_t resend_from_ = 0;           // guarded by mu_; 0 = nothing failed
  bool reading_ = true;                // guarded by mu_
  bool reads_ended_ = false;           // guarded by mu_
  bool writing_ = false;               // guarded by mu_
  bool write_failed_ = false;          // guarded by mu_
  bool processing_ = false;            // guarded by mu_
  bool failed_ = false;                // guarded by mu_
  bool finished_ = false;              // guarded by mu_
  grpc::Status status_;                // guarded by mu_
};

// A stream that is refused at once.
class RefusedStream : public grpc::ServerBidiReactor<PushRequest, PushResponse> {
 public:
  explicit RefusedStream(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

std::string TenantHeader(const grpc::CallbackServerContext& context) {
  const auto it = context.client_metadata().find("x-scope-orgid");
  if (it == context.client_metadata().end()) return "";
  return {it->second.data(), it->second.size()};
}

grpc::ServerBidiReactor<PushRequest, PushResponse>* AgentPushService::Stream(
    grpc::CallbackServerContext* context) {
  TenantOrError tenant = ResolveTenant(door_->auth_enabled, TenantHeader(*context), true);
  if (tenant.tenant.empty())
    return new RefusedStream(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, tenant.message));
  return new AgentStreamReactor(door_, std::move(tenant.tenant));
}

}  // namespace skald::server
