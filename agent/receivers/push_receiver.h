// Loki's push API as a source: POST /loki/api/v1/push (JSON, or snappy protobuf), POST /promtail/api/v1/raw
// (a line each), GET /ready. A push is answered 204 when it is synced to the spool, 503 with Retry-After when
// there is no room or the disk does not take it, 400 when it is none.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "agent/receivers/receiver.h"

namespace skald::agent {

struct PushReceiverOptions {
  ReceiverJob job;
  std::string listen;  // ip:port
  std::optional<TlsServerOptions> tls;
  bool use_incoming_timestamp = false;           // else entries have the time they came
  uint64_t max_body_bytes = uint64_t{32} << 20;  // as sent, and decompressed
};

// The job's labels are added to each stream's, and win.
class PushReceiver {
 public:
  // As SyslogReceiver::Listen.
  static absl::StatusOr<std::unique_ptr<PushReceiver>> Listen(PushReceiverOptions options,
                                                              boost::asio::io_context* context, Spool* spool,
                                                              ReceiverCounters* counters, const Clock& clock);
  virtual ~PushReceiver() = default;
  virtual int port() const = 0;
};

}  // namespace skald::agent
