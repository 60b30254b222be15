#include "agent/delivery/push_client.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>

#include "base/clock.h"
#include "base/file.h"
#include "base/http_post.h"
#include "base/log.h"
#include "proto/push.grpc.pb.h"

namespace skald::agent {
namespace {

namespace push = skald::push::v1;

constexpr int64_t kKeepaliveMs = 20'000;
constexpr int64_t kConnectTimeoutNs = 20 * kNsPerSecond;
constexpr int64_t kDeclareNs = kNsPerSecond;  // how often it is looked whether services declare something new
// What has not changed is said again that often: the node is still there.
constexpr int64_t kRepeatNs = 600 * kNsPerSecond;

std::chrono::system_clock::time_point After(int64_t ns) {
  return std::chrono::system_clock::now() + std::chrono::microseconds(std::max<int64_t>(ns, 0) / 1000);
}

std::shared_ptr<grpc::Channel> MakeChannel(const PushClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
  // The client has a back-off of its own; the channel shall try when it is asked to.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!options.proxy_url.empty()) arguments.SetString(GRPC_ARG_HTTP_PROXY, options.proxy_url);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    grpc::SslCredentialsOptions ssl;
    if (!options.tls_ca_file.empty()) {
      const absl::StatusOr<std::string> ca = ReadWholeFile(options.tls_ca_file);
      if (ca.ok()) {
        ssl.pem_root_certs = *ca;
      } else {
        LogError("certificate file cannot be read", "file={}", options.tls_ca_file);
      }
    }
    credentials = grpc::SslCredentials(ssl);
  }
  return grpc::CreateCustomChannel(options.server, credentials, arguments);
}

}  // namespace

// One stream. All operations' tags are the addresses of its members; only the client's thread touches it, but
// for Wake.
struct PushClient::Connection {
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<push::PushRequest, push::PushResponse>> stream;
  grpc::Alarm alarm;
  grpc::Status status;
  push::PushResponse response;
  push::PushRequest hello;
  std::shared_ptr<const Batch> writing;               // alive until its write is done
  std::shared_ptr<const push::PushRequest> declared;  // the last said on this stream
  int64_t declared_ns = 0;                            // when; monotonic
  bool write_busy = false;
  bool welcomed = false;
  bool progressed = false;
  bool dead = false;
  std::map<uint64_t, int64_t> sent_ns;  // monotonic, by sequence: batches without an answer
  uint64_t next_to_send = 0;            // sequences below are under way on this stream
  int64_t not_before_ns = 0;            // monotonic; after "retry"
  int64_t answered_ns =
      0;  // monotonic; when the last answer came or the first batch after an idle time was sent
  char start_tag = 0, read_tag = 0, write_tag = 0, finish_tag = 0, wake_tag = 0;

  std::mutex alarm_mu;
  bool alarm_set = false;
  int64_t alarm_at_ns = 0;  // monotonic, where it is set for a time
  // Makes the thread look again: now (from any thread) or at a time.
  void Wake() {
    const std::lock_guard<std::mutex> lock(alarm_mu);
    if (alarm_set) {
      alarm.Cancel();
    } else {
      alarm_set = true;
      alarm_at_ns = 0;
      alarm.Set(&queue, std::chrono::system_clock::now(), &wake_tag);
    }
  }
  void WakeAt(int64_t delay_ns) {
    const std::lock_guard<std::mutex> lock(alarm_mu);
    const int64_t at_ns = MonotonicNs() + delay_ns;
    if (alarm_set) {
      if (at_ns + kNsPerMs < alarm_at_ns) alarm.Cancel();  // wakes now, and sets it anew
      return;
    }
    alarm_set = true;
    alarm_at_ns = at_ns;
    alarm.Set(&queue, After(delay_ns), &wake_tag);
  }
  void Woken() {
    const std::lock_guard<std::mutex> lock(alarm_mu);
    alarm_set = false;
  }
};

PushClient::PushClient(PushClientOptions options, std::string agent_id, std::function<void()> on_event)
    : options_(std::move(options)),
      on_event_(std::move(on_event)),
      agent_id_(std::move(agent_id)),
      thread_([this] { Run(); }) {}

PushClient::~PushClient() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
    if (connection_ != nullptr) connection_->Wake();
  }
  wake_.notify_all();
  thread_.join();
}

void PushClient::Send(std::shared_ptr<const Batch> batch) {
  const std::lock_guard<std::mutex> lock(mu_);
  batches_.push_back(std::move(batch));
  if (connection_ != nullptr) connection_->Wake();
}

std::vector<PushEvent> PushClient::TakeEvents() {
  const std::lock_guard<std::mutex> lock(mu_);
  return std::exchange(events_, {});
}

PushStats PushClient::stats() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return stats_;
}

void PushClient::SetAgentId(std::string agent_id) {
  const std::lock_guard<std::mutex> lock(mu_);
  agent_id_ = std::move(agent_id);
  reconnect_ = true;
  if (connection_ != nullptr) connection_->Wake();
}

void PushClient::Post(PushEvent event) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    events_.push_back(std::move(event));
  }
  on_event_();
}

bool PushClient::WaitFor(int64_t ns) {
  std::unique_lock<std::mutex> lock(mu_);
  wake_.wait_for(lock, std::chrono::nanoseconds(ns), [this] { return stopping_; });
  return !stopping_;
}

void PushClient::Run() {
  std::mt19937_64 random(std::random_device{}());
  int64_t backoff = options_.min_backoff_ns;
  while (true) {
    if (RunStream()) backoff = options_.min_backoff_ns;
    // Jitter keeps a thousand agents from coming back in step.
    const int64_t delay =
        backoff / 2 +
        static_cast<int64_t>(random() % static_cast<uint64_t>(std::max<int64_t>(backoff / 2, 1)));
    backoff = std::min(backoff * 2, options_.max_backoff_ns);
    if (!WaitFor(delay)) return;
  }
}

bool PushClient::RunStream() {
  // A channel of its own for each try, so that a new address of the server's name is found.
  const std::shared_ptr<grpc::Channel> channel = MakeChannel(options_);
  const std::unique_ptr<push::Push::Stub> stub = push::Push::NewStub(channel);
  Connection connection;
  if (!options_.tenant.empty()) connection.context.AddMetadata("x-scope-orgid", options_.tenant);
  if (!options_.bearer_token_file.empty()) {
    const absl::StatusOr<std::string> token = ReadSecret(options_.bearer_token_file);
    if (token.ok()) connection.context.AddMetadata("authorization", "Bearer " + *token);
  }
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (stopping_) return false;
    reconnect_ = false;
    auto* hello = connection.hello.mutable_hello();
    hello->set_agent_id(agent_id_);
    hello->set_agent_version(options_.version);
    hello->set_node(options_.node);
    connection_ = &connection;
  }
  connection.answered_ns = MonotonicNs();
  connection.stream = stub->PrepareAsyncStream(&connection.context, &connection.queue);
  connection.stream->StartCall(&connection.start_tag);
  bool reading = false;
  bool starting = true;
  bool cancelled = false;
  connection.WakeAt(kConnectTimeoutNs);

  // Until every operation has come back.
  while (starting || reading || connection.write_busy) {
    void* tag = nullptr;
    bool ok = false;
    if (!connection.queue.Next(&tag, &ok)) break;
    if (tag == &connection.start_tag) {
      starting = false;
      if (ok && !cancelled) {
        connection.write_busy = true;
        connection.stream->Write(connection.hello, &connection.write_tag);
        reading = true;
        connection.stream->Read(&connection.response, &connection.read_tag);
      } else {
        connection.dead = true;
      }
    } else if (tag == &connection.write_tag) {
      connection.write_busy = false;
      connection.writing.reset();
      if (!ok) connection.dead = true;
    } else if (tag == &connection.read_tag) {
      reading = false;
      if (ok && !connection.dead && OnResponse(&connection)) {
        reading = true;
        connection.stream->Read(&connection.response, &connection.read_tag);
      } else {
        connection.dead = true;
      }
    } else if (tag == &connection.wake_tag) {
      connection.Woken();
    }
    bool stop = false;
    size_t waiting = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      stop = stopping_ || reconnect_;
      waiting = batches_.size();
    }
    const int64_t now = MonotonicNs();
    if (!connection.dead && !stop) {
      Pump(&connection);
      const bool expects = !connection.welcomed ||
                           (waiting > 0 && connection.next_to_send > 0 && connection.not_before_ns <= now);
      const int64_t limit = connection.welcomed ? options_.ack_timeout_ns
                                                : std::min(kConnectTimeoutNs, options_.ack_timeout_ns);
      if (expects && now - connection.answered_ns > limit) {
        const std::lock_guard<std::mutex> lock(mu_);
        stats_.last_error = "no answer from the server";
        stop = true;
      }
      int64_t next = limit / 4;
      if (options_.declarations != nullptr) next = std::min(next, kDeclareNs);
      if (connection.not_before_ns > now) next = std::min(next, connection.not_before_ns - now);
      connection.WakeAt(next);
    }
    if ((stop || connection.dead) && !cancelled) {
      cancelled = true;
      connection.dead = true;
      connection.context.TryCancel();
    }
  }
  {
    const std::lock_guard<std::mutex> lock(mu_);
    connection_ = nullptr;
    stats_.connected = false;
    ++stats_.failures;
  }
  // The stream's own status, then the queue empty: only so may the connection go.
  connection.stream->Finish(&connection.status, &connection.finish_tag);
  {
    const std::lock_guard<std::mutex> lock(connection.alarm_mu);
    connection.alarm.Cancel();
  }
  void* tag = nullptr;
  bool ok = false;
  while (connection.queue.Next(&tag, &ok) && tag != &connection.finish_tag) {
    if (tag == &connection.wake_tag) connection.Woken();
  }
  connection.queue.Shutdown();
  while (connection.queue.Next(&tag, &ok)) {
  }
  std::string error;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!connection.status.ok() && connection.status.error_code() != grpc::StatusCode::CANCELLED) {
      stats_.last_error = connection.status.error_message();
    }
    error = stats_.last_error;
    if (stopping_) return connection.progressed;
  }
  while (!connection.sent_ns.empty()) Measure(&connection, connection.sent_ns.begin()->first, "failed");
  LogWarn("connection to the server ended, trying again", "server={} err=\"{}\"", options_.server, error);
  return connection.progressed;
}

bool PushClient::Declare(Connection* connection) {
  if (options_.declarations == nullptr) return false;
  std::shared_ptr<const push::PushRequest> now = options_.declarations->Current();
  const bool is_new = now != connection->declared || MonotonicNs() - connection->declared_ns > kRepeatNs;
  if (now == nullptr || !is_new) return false;
  connection->declared_ns = MonotonicNs();
  connection->declared = std::move(now);
  connection->write_busy = true;
  connection->stream->Write(*connection->declared, &connection->write_tag);
  return true;
}

// Writes the next batch, if one may go.
void PushClient::Pump(Connection* connection) {
  if (!connection->welcomed || connection->write_busy) return;
  if (Declare(connection) || connection->not_before_ns > MonotonicNs()) return;
  const std::lock_guard<std::mutex> lock(mu_);
  const auto next =
      std::find_if(batches_.begin(), batches_.end(), [&](const std::shared_ptr<const Batch>& batch) {
        return batch->manifest.sequence >= connection->next_to_send;
      });
  if (next == batches_.end()) return;
  if (next == batches_.begin())
    connection->answered_ns = MonotonicNs();  // nothing was under way: the waiting begins now
  connection->writing = *next;
  connection->next_to_send = (*next)->manifest.sequence + 1;
  connection->write_busy = true;
  connection->sent_ns[(*next)->manifest.sequence] = MonotonicNs();
  ++stats_.sent_batches;
  stats_.sent_bytes += (*next)->encoded_bytes;
  connection->stream->Write(connection->writing->request, &connection->write_tag);
}

void PushClient::Measure(Connection* connection, uint64_t sequence, const char* code) const {
  const auto sent = connection->sent_ns.find(sequence);
  if (sent == connection->sent_ns.end()) return;
  if (options_.times != nullptr) options_.times->Observe(options_.server, code, MonotonicNs() - sent->second);
  connection->sent_ns.erase(sent);
}

bool PushClient::OnResponse(Connection* connection) {
  push::PushResponse& response = connection->response;
  connection->answered_ns = MonotonicNs();
  switch (response.kind_case()) {
    case push::PushResponse::kWelcome: {
      if (connection->welcomed) return false;
      connection->welcomed = true;
      const uint64_t last = response.welcome().last_sequence();
      PushEvent welcome;
      welcome.kind = PushEvent::Kind::kWelcome;
      welcome.sequence = last;
      welcome.max_batch_bytes = response.welcome().max_batch_bytes();
      Post(std::move(welcome));
      std::vector<uint64_t> durable;
      {
        const std::lock_guard<std::mutex> lock(mu_);
        stats_.connected = true;
        ++stats_.connections;
        stats_.last_error.clear();
        while (!batches_.empty() && batches_.front()->manifest.sequence <= last) {
          durable.push_back(batches_.front()->manifest.sequence);
          batches_.pop_front();
        }
      }
      for (const uint64_t sequence : durable) {
        PushEvent ack;
        ack.sequence = sequence;
        ack.was_durable = true;
        Post(std::move(ack));
        connection->progressed = true;
      }
      LogInfo("connected", "server={} last_sequence={}", options_.server, last);
      return true;
    }
    case push::PushResponse::kAck: {
      {
        const std::lock_guard<std::mutex> lock(mu_);
        // In order; a batch that was sent twice on one stream is answered twice.
        const uint64_t sequence = response.ack().sequence();
        if (batches_.empty() || sequence < batches_.front()->manifest.sequence) return true;
        if (sequence != batches_.front()->manifest.sequence) {
          stats_.last_error = "answer to another batch than the one that was due";
          return false;
        }
        batches_.pop_front();
      }
      PushEvent ack;
      ack.sequence = response.ack().sequence();
      Measure(connection, ack.sequence, "204");
      ack.refusals.assign(response.ack().refusals().begin(), response.ack().refusals().end());
      connection->progressed = true;
      Post(std::move(ack));
      return true;
    }
    case push::PushResponse::kRetry: {
      const uint64_t sequence = response.retry().sequence();
      Measure(connection, sequence, "503");
      const std::lock_guard<std::mutex> lock(mu_);
      ++stats_.retries;
      stats_.last_error = response.retry().reason();
      // Back to that batch and on from there; answers to later ones are "retry" as well.
      if (connection->next_to_send > sequence) connection->next_to_send = sequence;
      const auto delay =
          static_cast<int64_t>(std::clamp<uint64_t>(response.retry().delay_ms(), 50, 60'000)) * kNsPerMs;
      connection->not_before_ns = std::max(connection->not_before_ns, MonotonicNs() + delay);
      return true;
    }
    case push::PushResponse::KIND_NOT_SET:
      return true;
  }
  return true;
}

}  // namespace skald::agent
