// GET /tap of the agent's own page: the tap's lines as they come, one JSON object a line, until the client
// goes.
//   selector  a stream selector of LogQL, with line filters behind it
//   stages    1: what each stage made of an entry, too
//   rate      lines a second at most, 50
//   limit     the end after so many lines
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "agent/stages/tap.h"
#include "base/file.h"

namespace skald::agent {

// Thread-safe.
class TapPage {
 public:
  explicit TapPage(std::shared_ptr<Tap> tap) : tap_(std::move(tap)) {}
  ~TapPage();
  // Answers a request with that query on a thread of its own, and closes the connection.
  void Serve(FileDescriptor connection, std::string_view query);

 private:
  struct Client {
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void Stream(int connection, Tap::Options options, uint64_t limit);

  const std::shared_ptr<Tap> tap_;
  std::atomic<bool> stopping_{false};
  std::mutex mu_;
  std::list<Client> clients_;  // guarded by mu_
};

}  // namespace skald::agent
