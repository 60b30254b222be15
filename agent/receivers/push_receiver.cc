#include "agent/receivers/push_receiver.h"

#include <functional>
#include <utility>

#include "agent/receivers/http_door.h"
#include "agent/receivers/push_intake.h"
#include "base/content_encoding.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class Listening final : public PushReceiver {
 public:
  Listening(PushReceiverOptions options, boost::asio::io_context* context, Spool* spool,
            ReceiverCounters* counters, const Clock& clock)
      : options_(std::move(options)),
        counters_(counters),
        intake_(&options_.job, options_.use_incoming_timestamp, spool, counters, &clock),
        door_(context, options_.max_body_bytes, [this](DoorRequest request, const HttpDoor::Answer& answer) {
          Handle(std::move(request), answer);
        }) {}
  absl::Status Open() { return door_.Open(options_.listen, options_.tls); }
  int port() const override { return door_.port(); }

 private:
  void Handle(DoorRequest request, const HttpDoor::Answer& answer) {
    if (std::optional<DoorAnswer> ready = ReadyAnswer(request)) return answer(*std::move(ready));
    const bool raw = request.path == "/promtail/api/v1/raw";
    if (!raw && request.path != "/loki/api/v1/push" && request.path != "/api/v1/push")
      return answer({404, "not found\n"});
    if (!request.post) return answer({405, "POST is what goes here\n"});
    const auto done = [this, answer](const absl::Status& status) {
      if (status.ok()) return answer({});
      if (absl::IsInvalidArgument(status)) counters_->CountMalformed("push");
      answer({absl::IsInvalidArgument(status) ? 400 : 503, std::string(MessageOf(status)) + "\n"});
    };
    if (raw) {
      const absl::StatusOr<std::string> text = RawText(std::move(request));
      return text.ok() ? intake_.TakeText(*text, done) : done(text.status());
    }
    PushFormat format;
    format.content_type = std::move(request.content_type);
    // What is said of no form is a push in protobuf.
    if (format.content_type.empty()) format.content_type = "application/x-protobuf";
    format.content_encoding = std::move(request.content_encoding);
    format.max_decompressed = options_.max_body_bytes;
    const PushDecodeResult decoded = DecodePush(format, std::move(request.body));
    if (!decoded.ok) return done(InvalidArgument("{}", decoded.error.message));
    intake_.Take(decoded.push, done);
  }

  absl::StatusOr<std::string> RawText(DoorRequest request) const {
    if (request.content_encoding.empty()) return std::move(request.body);
    if (request.content_encoding != "gzip")
      return InvalidArgument("Content-Encoding \"{}\" not supported", request.content_encoding);
    absl::StatusOr<std::string> text =
        DecodeContent(ContentEncoding::kGzip, request.body, options_.max_body_bytes);
    if (!text.ok()) return InvalidArgument("{}", MessageOf(text.status()));
    return text;
  }

  const PushReceiverOptions options_;
  ReceiverCounters* const counters_;
  PushIntake intake_;
  HttpDoor door_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PushReceiver>> PushReceiver::Listen(PushReceiverOptions options,
                                                                   boost::asio::io_context* context,
                                                                   Spool* spool, ReceiverCounters* counters,
                                                                   const Clock& clock) {
  auto receiver = std::make_unique<Listening>(std::move(options), context, spool, counters, clock);
  RETURN_IF_ERROR(receiver->Open());
  return receiver;
}

}  // namespace skald::agent
