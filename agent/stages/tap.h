// A live view of what goes through an end's pipelines: a sample of its entries, for people who look on. With
// nobody there it costs a look at a flag; with somebody, work and memory are bounded whatever comes through.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/stages/selector.h"
#include "agent/stages/stage.h"
#include "agent/stages/token_bucket.h"
#include "base/labels.h"

namespace skald::agent {

// See and Out are called by one thread, which never waits here; the others by any.
class Tap {
 public:
  Tap();
  struct Options {
    std::optional<Selector> selector;  // of what is shown; nullopt = everything
    bool stages = false;               // what each stage made of it, too
    double lines_per_second = 50;      // at most
  };

  // Somebody who looks on.
  class Session {
   public:
    // What came, one JSON object a line, after waiting for it at most that long. "" = nothing.
    // {"skipped":n} stands for lines that were not shown, or not even looked at, because they were too many.
    std::string Take(int64_t timeout_ns);

   private:
    friend class Tap;
    Session(Tap* tap, Options options);
    Tap* const tap_;
    const Options options_;
    // Guarded by tap_->mu_.
    TokenBucket rate_;
    std::string lines_;  // bounded
    uint64_t skipped_ = 0;
    bool matched_ = false;  // something of the entry whose stages are being seen
  };

  // nullptr: enough look on already. The tap outlives the session, which ends with Close.
  std::shared_ptr<Session> Open(Options options);
  void Close(const std::shared_ptr<Session>& session);

  // Whether anybody looks on.
  const std::atomic<bool>& open() const { return open_; }
  // An observer of pipelines (Pipeline::SetObserver).
  void See(std::string_view stage, const Entry& entry, bool dropped);
  // An entry goes out. labels: the stream's text.
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  void Out(std::string_view labels, std::string_view tenant, int64_t time_ns, std::string_view line,
           const Metadata* metadata);

 private:
  // What the entry that goes through the stages was like behind the last one, as JSON.
  struct Seen {
    std::string labels, extracted, metadata;
    std::string line;
    int64_t time_ns = 0;
  };
  bool MayLook();
  void Match(const Labels& labels, std::string_view line);
  void Finish(std::string_view end);
  void Give(Session* session, std::string_view json);
  const Labels& Parsed(std::string_view labels);

  std::atomic<bool> open_{false};
  std::mutex mu_;
  std::condition_variable came_;
  std::vector<std::shared_ptr<Session>> sessions_;  // guarded by mu_
  // Of the thread that calls See and Out.
  TokenBucket lines_;
  TokenBucket traces_;
  absl::flat_hash_map<std::string, Labels> parsed_;  // bounded
  bool tracing_ = false;
  std::string trace_;  // stages of one entry, as JSON
  Seen seen_;
};

}  // namespace skald::agent
