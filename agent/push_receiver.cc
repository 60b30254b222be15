#include "agent/push_receiver.h"

#include <chrono>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "agent/listener.h"
#include "agent/push_body.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kTimeout{60};  // of a connection on which nothing happens
constexpr size_t kMaxSessions = 256;
constexpr std::string_view kRetryAfterSeconds = "1";

struct Answer {
  int status = 204;
  std::string text;
};

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

// What the connections of one receiver share; they have one thread.
class Intake {
 public:
  Intake(const PushReceiverOptions& options, Spool* spool, ReceiverCounters* counters, const Clock& clock)
      : options_(options), spool_(spool), counters_(counters), clock_(clock), labels_(&options.job) {}

  // answer is called once, now or later, on any thread.
  void Take(const http::request<http::string_body>& request, const std::function<void(Answer)>& answer) {
    const std::string_view path = View(request.target()).substr(0, View(request.target()).find('?'));
    if (path == "/ready") return answer({200, "ready\n"});
    const bool raw = path == "/promtail/api/v1/raw";
    if (!raw && path != "/loki/api/v1/push" && path != "/api/v1/push") return answer({404, "not found\n"});
    if (request.method() != http::verb::post) return answer({405, "POST is what goes here\n"});
    const int64_t now_ns = clock_.NowNs();
    absl::StatusOr<std::vector<SpoolStream>> streams = Read(request, raw, now_ns);
    if (!streams.ok()) {
      counters_->CountMalformed("push");
      return answer({400, std::string(MessageOf(streams.status())) + "\n"});
    }
    ReceivedEntries entries;
    for (SpoolStream& stream : *streams) AddStream(&stream, now_ns, &entries);
    if (entries.empty()) return answer({});
    const absl::Status taken =
        spool_->Append(options_.job.source, entries.streams(), [answer](const absl::Status& kept) {
          answer(kept.ok() ? Answer{} : Answer{503, std::string(MessageOf(kept)) + "\n"});
        });
    if (!taken.ok()) answer({503, std::string(MessageOf(taken)) + "\n"});
  }
  const PushReceiverOptions& options() const { return options_; }

 private:
  absl::StatusOr<std::vector<SpoolStream>> Read(const http::request<http::string_body>& request, bool raw,
                                                int64_t now_ns) const {
    const std::string_view encoding = View(request[http::field::content_encoding]);
    std::string inflated;
    const std::string* body = &request.body();
    if (encoding == "gzip") {
      ASSIGN_OR_RETURN(inflated, ReadGzip(*body, options_.max_body_bytes));
      body = &inflated;
    } else if (!encoding.empty() && encoding != "snappy") {
      return InvalidArgument("Content-Encoding \"{}\" is not supported", encoding);
    }
    if (raw) return ReadPushText(*body, now_ns);
    if (View(request[http::field::content_type]).starts_with("application/json"))
      return ReadPushJson(*body, now_ns);
    return ReadPushProto(*body, options_.max_body_bytes, now_ns);
  }

  void AddStream(SpoolStream* stream, int64_t now_ns, ReceivedEntries* entries) {
    Labels labels = stream->labels;
    for (const auto& [name, value] : options_.job.labels) labels.Set(name, value);
    std::string_view reason;
    const Labels* const sent = labels_.Of(labels, &reason);
    for (SpoolEntry& entry : stream->entries) {
      if (sent == nullptr) {
        counters_->CountDropped(reason, 1, entry.line.size());
        continue;
      }
      if (!options_.use_incoming_timestamp) {
        // In the order they came, also where one push has many.
        last_ns_ = std::max(now_ns, last_ns_ + 1);
        entry.time_ns = last_ns_;
      }
      entries->Add(*sent, std::move(entry));
    }
  }

  const PushReceiverOptions& options_;
  Spool* const spool_;
  ReceiverCounters* const counters_;
  const Clock& clock_;
  ReceiverLabels labels_;
  int64_t last_ns_ = 0;
};

// One connection. Stream: beast's tcp_stream, or TLS over one.
template <class Stream>
class HttpSession : public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  HttpSession(Stream stream, Intake* intake, std::shared_ptr<size_t> sessions)
      : stream_(std::move(stream)), intake_(intake), sessions_(std::move(sessions)) {
    ++*sessions_;
  }
  ~HttpSession() { --*sessions_; }

  void Start() {
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      Read();
    } else {
      beast::get_lowest_layer(stream_).expires_after(kTimeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](const error_code& error) {
                                if (!error) self->Read();
                              });
    }
  }

 private:
  void Read() {
    parser_.emplace();
    parser_->body_limit(intake_->options().max_body_bytes);
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](const error_code& error, size_t) { self->OnRead(error); });
  }
  void OnRead(const error_code& error) {
    if (error == http::error::body_limit) {
      keep_alive_ = false;
      return Write({413, "the body is larger than the receiver takes\n"});
    }
    if (error) return;
    keep_alive_ = parser_->get().keep_alive();
    // Only the disk is waited for; it answers, if late.
    beast::get_lowest_layer(stream_).expires_never();
    intake_->Take(parser_->get(), [self = this->shared_from_this()](Answer answer) {
      asio::post(self->stream_.get_executor(),
                 [self, answer = std::move(answer)]() mutable { self->Write(std::move(answer)); });
    });
  }
  void Write(Answer answer) {
    response_ = {};
    response_.result(static_cast<unsigned>(answer.status));
    response_.version(11);
    response_.keep_alive(keep_alive_);
    if (answer.status == 503) response_.set(http::field::retry_after, kRetryAfterSeconds.data());
    if (!answer.text.empty()) response_.set(http::field::content_type, "text/plain; charset=utf-8");
    response_.body() = std::move(answer.text);
    if (answer.status != 204) response_.prepare_payload();
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_write(stream_, response_, [self = this->shared_from_this()](const error_code& error, size_t) {
      if (!error && self->keep_alive_) self->Read();
    });
  }

  Stream stream_;
  Intake* const intake_;
  const std::shared_ptr<size_t> sessions_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
};

class Listening final : public PushReceiver {
 public:
  Listening(PushReceiverOptions options, asio::io_context* context, Spool* spool, ReceiverCounters* counters,
            const Clock& clock)
      : options_(std::move(options)), listener_(context), intake_(options_, spool, counters, clock) {}
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
      std::make_shared<HttpSession<beast::tcp_stream>>(beast::tcp_stream(std::move(socket)), &intake_,
                                                       sessions_)
          ->Start();
    } else {
      using TlsStream = beast::ssl_stream<beast::tcp_stream>;
      std::make_shared<HttpSession<TlsStream>>(TlsStream(beast::tcp_stream(std::move(socket)), *tls),
                                               &intake_, sessions_)
          ->Start();
    }
  }

  const PushReceiverOptions options_;
  TcpListener listener_;
  Intake intake_;
  const std::shared_ptr<size_t> sessions_ = std::make_shared<size_t>(0);
};

}  // namespace

absl::StatusOr<std::unique_ptr<PushReceiver>> PushReceiver::Listen(PushReceiverOptions options,
                                                                   asio::io_context* context, Spool* spool,
                                                                   ReceiverCounters* counters,
                                                                   const Clock& clock) {
  auto receiver = std::make_unique<Listening>(std::move(options), context, spool, counters, clock);
  RETURN_IF_ERROR(receiver->Open());
  return receiver;
}

}  // namespace skald::agent
