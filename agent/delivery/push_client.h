// Hands batches to the server over one gRPC stream, in order, several under way, and hands back what was
// acknowledged. Whatever happens to the connection, it tries again for ever: what is not acknowledged stays
// here and is sent again as it is. proto/README.md describes the protocol.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/delivery/request_times.h"
#include "agent/delivery/sender.h"
#include "agent/discovery/declarations.h"
#include "base/types.h"

namespace skald::agent {

struct PushClientOptions {
  std::string server = "127.0.0.1:9095";  // host:port of the server's gRPC
  std::string tenant;                     // "" = none is sent
  std::string proxy_url;                  // http://host:port; "" = as the environment says
  std::string version;
  std::string node;
  bool tls = false;
  std::string tls_ca_file;                     // "" = the system's
  std::string bearer_token_file;               // read at each connection
  std::shared_ptr<RequestTimes> times;         // nullptr = not measured
  std::shared_ptr<Declarations> declarations;  // said when connected and when they change; nullptr = none
  int64_t min_backoff_ns = 250 * kNsPerMs;
  int64_t max_backoff_ns = 30 * kNsPerSecond;
  int64_t ack_timeout_ns =
      60 * kNsPerSecond;  // without any answer while batches are under way, the stream is given up
};

// Thread-safe. Runs one thread of its own.
class PushClient : public Sender {
 public:
  // on_event is called from the client's thread when TakeEvents has something.
  PushClient(PushClientOptions options, std::string agent_id, std::function<void()> on_event);
  // Gives up what is under way; nothing is acknowledged after it returns.
  ~PushClient() override;
  PushClient(const PushClient&) = delete;
  PushClient& operator=(const PushClient&) = delete;

  // Sequences ascend; the request carries its own.
  void Send(std::shared_ptr<const Batch> batch) override;
  std::vector<PushEvent> TakeEvents() override;
  PushStats stats() const override;
  // Continues under another id; what is held is sent under it.
  void SetAgentId(std::string agent_id) override;

 private:
  struct Connection;
  void Run();
  // One stream from opening to its end. True if it got anywhere (an answer to a batch came).
  bool RunStream();
  void Pump(Connection* connection);
  // Says what services declare, if this stream has not said it yet. True if that is under way.
  bool Declare(Connection* connection);
  // False if the stream must end.
  bool OnResponse(Connection* connection);
  void Post(PushEvent event);
  // The batch of the sequence, if it is under way, was answered so.
  void Measure(Connection* connection, uint64_t sequence, const char* code) const;
  bool WaitFor(int64_t ns);

  const PushClientOptions options_;
  const std::function<void()> on_event_;

  mutable std::mutex mu_;
  std::string agent_id_;                              // guarded by mu_
  std::deque<std::shared_ptr<const Batch>> batches_;  // guarded by mu_; not acknowledged
  std::vector<PushEvent> events_;                     // guarded by mu_
  PushStats stats_;                                   // guarded by mu_
  Connection* connection_ = nullptr;                  // guarded by mu_; to be woken
  bool stopping_ = false;                             // guarded by mu_
  bool reconnect_ = false;                            // guarded by mu_
  std::condition_variable wake_;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace skald::agent
