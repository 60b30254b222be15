#include "agent/receivers/syslog_receiver.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstring>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/receivers/listener.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/sanitize.h"

namespace skald::agent {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr size_t kMaxSessions = 4096;
constexpr int kUdpBufferBytes = 8 << 20;
constexpr int kUdpDatagrams = 256;  // between two looks at other work
// How long a sender waits before the spool is asked again for room.
constexpr std::chrono::milliseconds kRoomWait{50};

std::string Valid(std::string_view text) {
  std::string valid;
  AppendValidUtf8(&valid, text, "\xEF\xBF\xBD");
  return valid;
}

// Turns messages into entries. Shared by the connections of one receiver, which have one thread.
class SyslogEntries {
 public:
  SyslogEntries(const SyslogReceiverOptions& options, Spool* spool, ReceiverCounters* counters,
                const Clock& clock)
      : options_(options), spool_(spool), counters_(counters), clock_(clock), labels_(&options.job) {}

  void Add(std::string_view text, uint64_t cut_bytes, const std::string& ip, ReceivedEntries* out) {
    const int64_t now_ns = clock_.NowNs();
    const SyslogMessage message = ParseSyslog(text, now_ns, options_.times);
    if (!message.parsed) counters_->CountMalformed("syslog");
    SpoolEntry entry;
    const bool whole = options_.use_whole_message && message.rfc5424;
    entry.line = whole ? text : message.text;
    while (entry.line.ends_with('\n') || entry.line.ends_with('\r')) entry.line.pop_back();
    if (entry.line.empty()) return CountDropped("empty_message", 1, 0);
    // Of one sender, order is kept: no two messages have the same time.
    last_ns_ = std::max(now_ns, last_ns_ + 1);
    entry.time_ns = options_.use_incoming_timestamp && message.has_time ? message.time_ns : last_ns_;
    entry.cut_bytes = cut_bytes;
    entry.severity = message.severity;
    Labels labels = options_.job.labels;
    if (options_.job.relabelling) {
      AddInternal(message, ip, &labels);
    } else {
      AddPlain(message, ip, &labels, &entry);
    }
    std::string_view reason;
    const Labels* const sent = labels_.Of(labels, &reason);
    if (sent == nullptr) return CountDropped(reason, 1, entry.line.size());
    out->Add(*sent, std::move(entry));
  }

  // False: there is no room now.
  bool Take(const ReceivedEntries& entries) {
    if (!spool_->Append(options_.job.source, entries.streams()).ok()) return false;
    counters_->CountKept(options_.job.source, entries.lines(), entries.bytes());
    return true;
  }
  // There was none, and what came is gone.
  void CountFull(const ReceivedEntries& entries) {
    counters_->CountKept(options_.job.source, entries.lines(), entries.bytes());
    spool_->CountFull(entries.lines(), entries.bytes());
  }
  void CountDropped(std::string_view reason, uint64_t lines, uint64_t bytes) {
    counters_->CountDropped(options_.job.source, reason, lines, bytes);
  }
  const SyslogReceiverOptions& options() const { return options_; }

 private:
  static void SetUnlessEmpty(std::string_view name, std::string_view value, Labels* labels) {
    if (!value.empty()) labels->Set(name, Valid(value));
  }
  void AddInternal(const SyslogMessage& message, const std::string& ip, Labels* labels) const {
    labels->Set("__syslog_connection_ip_address", ip);
    labels->Set("__syslog_connection_hostname", ip);
    SetUnlessEmpty("__syslog_message_severity", SyslogSeverityName(message.severity), labels);
    SetUnlessEmpty("__syslog_message_facility", SyslogFacilityName(message.facility), labels);
    SetUnlessEmpty("__syslog_message_hostname", message.hostname, labels);
    SetUnlessEmpty("__syslog_message_app_name", message.app_name, labels);
    SetUnlessEmpty("__syslog_message_proc_id", message.proc_id, labels);
    SetUnlessEmpty("__syslog_message_msg_id", message.msg_id, labels);
    if (!options_.label_structured_data) return;
    for (const SyslogMessage::Parameter& parameter : message.structured_data) {
      std::string name = "__syslog_message_sd_";
      AppendSanitizedKey(&name, parameter.id, false);
      name += '_';
      AppendSanitizedKey(&name, parameter.name, false);
      SetUnlessEmpty(name, parameter.value, labels);
    }
  }
  void AddPlain(const SyslogMessage& message, const std::string& ip, Labels* labels,
                SpoolEntry* entry) const {
    if (!labels->Has("job")) labels->Set("job", options_.job.name.empty() ? "syslog" : options_.job.name);
    if (!labels->Has("host")) labels->Set("host", message.hostname.empty() ? ip : Valid(message.hostname));
    if (!labels->Has("app")) SetUnlessEmpty("app", message.app_name, labels);
    const auto add = [entry](std::string name, std::string_view value) {
      if (!value.empty()) entry->SetMetadata(name, Valid(value));
    };
    add("facility", SyslogFacilityName(message.facility));
    add("proc_id", message.proc_id);
    add("msg_id", message.msg_id);
    for (const SyslogMessage::Parameter& parameter : message.structured_data) {
      std::string name = "sd_";
      AppendSanitizedKey(&name, parameter.id, false);
      name += '_';
      AppendSanitizedKey(&name, parameter.name, false);
      add(std::move(name), parameter.value);
    }
  }

  const SyslogReceiverOptions& options_;
  Spool* const spool_;
  ReceiverCounters* const counters_;
  const Clock& clock_;
  ReceiverLabels labels_;
  int64_t last_ns_ = 0;
};

// One connection. Stream: a socket, or TLS over one.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(Stream stream, SyslogEntries* entries, std::shared_ptr<size_t> sessions)
      : stream_(std::move(stream)),
        room_(stream_.get_executor()),
        idle_(stream_.get_executor()),
        entries_(entries),
        sessions_(std::move(sessions)),
        framer_(entries->options().max_message_length) {
    ++*sessions_;
    error_code error;
    const tcp::endpoint peer = socket().remote_endpoint(error);
    if (!error) ip_ = peer.address().to_string();
  }
  ~Session() { --*sessions_; }

  void Start() {
    WatchIdle();
    if constexpr (std::is_same_v<Stream, tcp::socket>) {
      Read();
    } else {
      stream_.async_handshake(
          asio::ssl::stream_base::server, [self = this->shared_from_this()](const error_code& error) {
            if (!error) return self->Read();
            LogWarn("syslog: TLS handshake failed", "client={} err=\"{}\"", self->ip_, error.message());
            self->Close();
          });
    }
  }

 private:
  tcp::socket& socket() {
    if constexpr (std::is_same_v<Stream, tcp::socket>) {
      return stream_;
    } else {
      return stream_.next_layer();
    }
  }
  void Close() {
    error_code error;
    idle_.cancel();
    socket().close(error);
  }
  void WatchIdle() {
    idle_.expires_after(std::chrono::nanoseconds(entries_->options().idle_timeout_ns));
    idle_.async_wait([weak = this->weak_from_this()](const error_code& error) {
      if (error) return;
      if (const auto self = weak.lock()) self->Close();
    });
  }
  void Read() {
    stream_.async_read_some(asio::buffer(buffer_),
                            [self = this->shared_from_this()](const error_code& error, size_t size) {
                              self->OnRead(error, size);
                            });
  }
  void OnRead(const error_code& error, size_t size) {
    const auto take = [this](std::string_view message, uint64_t cut_bytes) {
      entries_->Add(message, cut_bytes, ip_, &received_);
    };
    framer_.Feed({buffer_.data(), size}, take);
    if (error) {
      framer_.Finish(take);
      ended_ = true;
    }
    idle_.cancel();
    HandOver();
  }
  // Reads on only when the spool has it: TCP makes the sender wait.
  void HandOver() {
    if (!received_.empty() && !entries_->Take(received_)) {
      room_.expires_after(kRoomWait);
      room_.async_wait([self = this->shared_from_this()](const error_code& error) {
        if (!error) self->HandOver();
      });
      return;
    }
    received_.Clear();
    if (ended_) return Close();
    WatchIdle();
    Read();
  }

  Stream stream_;
  asio::steady_timer room_;
  asio::steady_timer idle_;
  SyslogEntries* const entries_;
  const std::shared_ptr<size_t> sessions_;
  SyslogFramer framer_;
  ReceivedEntries received_;
  std::string ip_;
  bool ended_ = false;
  std::array<char, kReadBytes> buffer_;
};

class TcpReceiver final : public SyslogReceiver {
 public:
  TcpReceiver(SyslogReceiverOptions options, asio::io_context* context, Spool* spool,
              ReceiverCounters* counters, const Clock& clock)
      : options_(std::move(options)), listener_(context), entries_(options_, spool, counters, clock) {}
  absl::Status Open() {
    return listener_.Open(options_.listen, options_.tls, [this](tcp::socket socket, asio::ssl::context* tls) {
      Begin(std::move(socket), tls);
    });
  }
  int port() const override { return listener_.port(); }

 private:
  void Begin(tcp::socket socket, asio::ssl::context* tls) {
    if (*sessions_ >= kMaxSessions) return;
    if (tls == nullptr) {
      std::make_shared<Session<tcp::socket>>(std::move(socket), &entries_, sessions_)->Start();
    } else {
      using TlsStream = asio::ssl::stream<tcp::socket>;
      std::make_shared<Session<TlsStream>>(TlsStream(std::move(socket), *tls), &entries_, sessions_)->Start();
    }
  }

  const SyslogReceiverOptions options_;
  TcpListener listener_;
  SyslogEntries entries_;
  const std::shared_ptr<size_t> sessions_ = std::make_shared<size_t>(0);
};

class UdpReceiver final : public SyslogReceiver {
 public:
  UdpReceiver(SyslogReceiverOptions options, asio::io_context* context, Spool* spool,
              ReceiverCounters* counters, const Clock& clock)
      : options_(std::move(options)),
        socket_(*context),
        entries_(options_, spool, counters, clock),
        buffer_(kReadBytes, '\0') {}
  absl::Status Open() {
    ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseListenAddress(options_.listen));
    error_code error;
    const udp::endpoint local(endpoint.address(), endpoint.port());
    socket_.open(local.protocol(), error);
    if (!error) socket_.bind(local, error);
    if (error) return Unavailable("listen on {}: {}", options_.listen, error.message());
    // Beyond what net.core.rmem_max allows only with the right to; less is no reason not to run.
    const int one = 1;
    if (::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVBUFFORCE, &kUdpBufferBytes,
                     sizeof(kUdpBufferBytes)) != 0) {
      ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVBUF, &kUdpBufferBytes, sizeof(kUdpBufferBytes));
    }
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
    socket_.non_blocking(true, error);
    Wait();
    return absl::OkStatus();
  }
  int port() const override { return socket_.local_endpoint().port(); }

 private:
  void Wait() {
    socket_.async_wait(udp::socket::wait_read, [this](const error_code& error) {
      if (error) return;
      Receive();
      Wait();
    });
  }
  void Receive() {
    for (int i = 0; i < kUdpDatagrams; ++i) {
      sockaddr_storage from{};
      iovec piece{buffer_.data(), buffer_.size()};
      alignas(cmsghdr) char control[64];
      msghdr header{};
      header.msg_name = &from;
      header.msg_namelen = sizeof(from);
      header.msg_iov = &piece;
      header.msg_iovlen = 1;
      header.msg_control = control;
      header.msg_controllen = sizeof(control);
      const ssize_t size = ::recvmsg(socket_.native_handle(), &header, 0);
      if (size < 0) break;
      CountKernelDrops(&header);
      udp::endpoint peer;
      std::memcpy(peer.data(), &from, std::min<size_t>(header.msg_namelen, peer.capacity()));
      std::string_view text(buffer_.data(), static_cast<size_t>(size));
      uint64_t cut = 0;
      if (text.size() > options_.max_message_length) {
        cut = text.size() - options_.max_message_length;
        text = text.substr(0, options_.max_message_length);
      }
      entries_.Add(text, cut, peer.address().to_string(), &received_);
    }
    if (received_.empty()) return;
    if (!entries_.Take(received_)) entries_.CountFull(received_);
    received_.Clear();
  }
  void CountKernelDrops(msghdr* header) {
    for (cmsghdr* one = CMSG_FIRSTHDR(header); one != nullptr; one = CMSG_NXTHDR(header, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SO_RXQ_OVFL) continue;
      uint32_t total = 0;
      std::memcpy(&total, CMSG_DATA(one), sizeof(total));
      const uint32_t more = total - kernel_drops_;
      kernel_drops_ = total;
      if (more > 0) entries_.CountDropped("udp_overflow", more, 0);
    }
  }

  const SyslogReceiverOptions options_;
  udp::socket socket_;
  SyslogEntries entries_;
  std::string buffer_;
  ReceivedEntries received_;
  uint32_t kernel_drops_ = 0;  // wraps around
};

template <class Receiver>
absl::StatusOr<std::unique_ptr<SyslogReceiver>> Opened(std::unique_ptr<Receiver> receiver) {
  RETURN_IF_ERROR(receiver->Open());
  return receiver;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SyslogReceiver>> SyslogReceiver::Listen(SyslogReceiverOptions options,
                                                                       asio::io_context* context,
                                                                       Spool* spool,
                                                                       ReceiverCounters* counters,
                                                                       const Clock& clock) {
  if (options.udp)
    return Opened(std::make_unique<UdpReceiver>(std::move(options), context, spool, counters, clock));
  return Opened(std::make_unique<TcpReceiver>(std::move(options), context, spool, counters, clock));
}

}  // namespace skald::agent
