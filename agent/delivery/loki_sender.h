// Hands batches to any end that speaks Loki's HTTP push (POST /loki/api/v1/push, protobuf and snappy). What
// the end does not take yet is sent again for ever, as it is, so that an end that takes no line twice takes
// none twice. A batch with lines the end refuses is halved until they are found; only those are lost. A
// request that is again and again more than the end's rate limit takes at once goes out in halves; what
// follows is as small, and grows again.
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
#include "base/http_post.h"
#include "base/labels.h"
#include "base/types.h"

namespace logproto {
class PushRequest;
}

namespace skald::agent {

struct LokiSenderOptions {
  HttpTarget target;
  std::string tenant;                   // "" = no X-Scope-OrgID
  Labels external_labels;               // added where an entry has no such label
  std::shared_ptr<RequestTimes> times;  // nullptr = not measured
  int64_t min_backoff_ns = 500 * kNsPerMs;
  int64_t max_backoff_ns = 300 * kNsPerSecond;
};

class LokiSender : public Sender {
 public:
  // on_event is called from the sender's thread when TakeEvents has something.
  LokiSender(LokiSenderOptions options, std::function<void()> on_event);
  ~LokiSender() override;

  void Send(std::shared_ptr<const Batch> batch) override;
  std::vector<PushEvent> TakeEvents() override;
  PushStats stats() const override;
  void SetAgentId(std::string) override {}

 private:
  struct Refused {
    uint64_t lines = 0;
    uint64_t bytes = 0;
    std::string message;
  };
  void Run();
  // False when stopping.
  bool Deliver(const logproto::PushRequest& request, int* requests_left, Refused* refused);
  bool DeliverHalves(const logproto::PushRequest& request, int* requests_left, Refused* refused);
  void GrowRequests();
  bool WaitFor(int64_t ns);
  void Post(PushEvent event);

  const LokiSenderOptions options_;
  const std::function<void()> on_event_;
  // The thread's.
  HttpPoster poster_;
  uint64_t max_request_bytes_ = UINT64_MAX;  // of lines; UINT64_MAX = no limit was met

  mutable std::mutex mu_;
  std::deque<std::shared_ptr<const Batch>> batches_;  // guarded by mu_; not acknowledged
  std::vector<PushEvent> events_;                     // guarded by mu_
  PushStats stats_;                                   // guarded by mu_
  bool stopping_ = false;                             // guarded by mu_
  std::condition_variable wake_;
  std::thread thread_;  // last: it uses the rest
};

// The request for a batch's rows: streams with their labels as text, entries with time, line and structured
// metadata. Rows that do not decode are left out (they were made by this process).
void MakeLokiRequest(const Batch& batch, const Labels& external_labels, logproto::PushRequest* request);

}  // namespace skald::agent
