// Syslog over TCP, TLS and UDP. TCP senders wait while the spool has no room; of UDP, what finds no room is
// counted, in the kernel too.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "agent/receivers/receiver.h"
#include "agent/receivers/syslog_message.h"
#include "base/types.h"

namespace skald::agent {

struct SyslogReceiverOptions {
  ReceiverJob job;
  std::string listen;  // ip:port
  bool udp = false;
  std::optional<TlsServerOptions> tls;  // of TCP
  int64_t idle_timeout_ns = 120 * kNsPerSecond;
  size_t max_message_length = 8192;  // longer ones are cut and marked
  bool label_structured_data = false;
  bool use_incoming_timestamp = false;
  SyslogTimes times;
  bool use_whole_message = false;  // the line is the message with its head, where that is RFC 5424's
};

// Labels for relabelling: __syslog_connection_ip_address, _connection_hostname (the address), and
// __syslog_message_severity, _facility, _hostname, _app_name, _proc_id, _msg_id, _sd_<id>_<name>. Without
// relabelling: job, host and app as labels, the rest as structured metadata.
class SyslogReceiver {
 public:
  // All else outlives it. Works on the context's thread, which must not run any more when it is destroyed.
  static absl::StatusOr<std::unique_ptr<SyslogReceiver>> Listen(SyslogReceiverOptions options,
                                                                boost::asio::io_context* context,
                                                                Spool* spool, ReceiverCounters* counters,
                                                                const Clock& clock);
  virtual ~SyslogReceiver() = default;
  virtual int port() const = 0;
};

}  // namespace skald::agent
