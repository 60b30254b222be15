// Standard input as a source: lines into the spool, until its end; then it waits until every end has them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>

#include "agent/receivers/receiver.h"
#include "base/file.h"

namespace skald::agent {

class StdinReader {
 public:
  // Reads fd on a thread of its own; blank lines are passed over, longer ones than max_line_size are cut and
  // marked. on_end is called there when the input is at its end and everything is acknowledged. spool and
  // clock outlive it.
  StdinReader(int fd, ReceiverJob job, size_t max_line_size, Spool* spool, std::function<void()> on_end,
              const Clock& clock = Clock::System());
  // Gives up what is not acknowledged.
  ~StdinReader();

  // Everything is acknowledged.
  bool finished() const { return finished_.load(); }

 private:
  void Run();
  bool HandOver();
  // Until more input or wait_ms; false = stop.
  bool Wait(bool for_input, int wait_ms) const;

  const int fd_;
  const ReceiverJob job_;
  const size_t max_line_size_;
  Spool* const spool_;
  const std::function<void()> on_end_;
  const Clock& clock_;
  FileDescriptor stop_;  // eventfd
  std::atomic<bool> finished_{false};
  ReceivedEntries received_;
  std::thread thread_;
};

}  // namespace skald::agent
