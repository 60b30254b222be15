// OpenTelemetry's logs as a source: POST /v1/logs over HTTP (protobuf or JSON), and LogsService/Export over
// gRPC. The attributes become labels and structured metadata as at the server's own doors. A request is
// answered when it is synced to the spool; when there is no room or the disk does not take it, with 503 or
// UNAVAILABLE, after which senders try again.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "agent/receivers/receiver.h"
#include "proto/push/otlp_config.h"

namespace skald::agent {

struct OtlpReceiverOptions {
  struct Endpoint {
    std::string listen;  // ip:port
    std::optional<TlsServerOptions> tls;
  };
  ReceiverJob job;
  std::optional<Endpoint> http;
  std::optional<Endpoint> grpc;
  OtlpConfig attributes;
  bool use_incoming_timestamp = true;            // else entries have the time they came
  uint64_t max_body_bytes = uint64_t{32} << 20;  // as sent, and decompressed
};

// The job's labels are added to each stream's, and win.
class OtlpReceiver {
 public:
  // As SyslogReceiver::Listen; the door for gRPC has threads of its own. It goes after the spool is closed.
  static absl::StatusOr<std::unique_ptr<OtlpReceiver>> Listen(OtlpReceiverOptions options,
                                                              boost::asio::io_context* context, Spool* spool,
                                                              ReceiverCounters* counters, const Clock& clock);
  virtual ~OtlpReceiver() = default;
  virtual int http_port() const = 0;  // 0 = none
  virtual int grpc_port() const = 0;  // 0 = none
};

}  // namespace skald::agent
