// All that listens or subscribes, for the whole process: fills the spool, from which the ends read. One
// thread for the sockets.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/receivers/receiver.h"
#include "base/clock.h"

namespace skald::agent {

struct KafkaSourceOptions;
struct OtlpReceiverOptions;
struct PushReceiverOptions;
struct SyslogReceiverOptions;

// What the configuration asks for.
struct ReceiverConfigs {
  ReceiverConfigs();
  ~ReceiverConfigs();
  ReceiverConfigs(ReceiverConfigs&&) noexcept;
  ReceiverConfigs& operator=(ReceiverConfigs&&) noexcept;

  std::vector<SyslogReceiverOptions> syslog;
  std::vector<PushReceiverOptions> push;
  std::vector<OtlpReceiverOptions> otlp;
  std::vector<KafkaSourceOptions> kafka;

  bool empty() const;
  // Jobs whose source is this, or begins with it and "#".
  size_t CountOf(std::string_view source) const;
};

class Receivers {
 public:
  // An address that cannot be had is an error. spool and clock outlive it.
  static absl::StatusOr<std::unique_ptr<Receivers>> Start(ReceiverConfigs configs, Spool* spool,
                                                          const Clock& clock = Clock::System());
  // Takes no more. The spool is closed by then: it calls nobody back.
  ~Receivers();

  const ReceiverCounters& counters() const { return counters_; }

 private:
  struct Sockets;
  Receivers();

  ReceiverCounters counters_;
  std::unique_ptr<Sockets> sockets_;
};

}  // namespace skald::agent
