#include "agent/receivers/otlp_receiver.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <utility>

#include "agent/receivers/http_door.h"
#include "agent/receivers/push_intake.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/media_type.h"
#include "base/status_macros.h"
#include "proto/grpc_raw.h"
#include "proto/otlp_logs.grpc.pb.h"
#include "proto/push/otlp_answer.h"
#include "proto/push/otlp_decode.h"

namespace skald::agent {
namespace {

namespace logs = opentelemetry::proto::collector::logs::v1;

constexpr char kProtobuf[] = "application/x-protobuf";
constexpr char kJson[] = "application/json";

// What both doors of a receiver share. Thread-safe.
class Intake {
 public:
  Intake(const OtlpReceiverOptions* options, Spool* spool, ReceiverCounters* counters, const Clock* clock)
      : options_(options),
        service_names_(DefaultServiceNameLabels()),
        counters_(counters),
        clock_(clock),
        entries_(&options->job, options->use_incoming_timestamp, spool, counters, clock) {}

  // done: as PushIntake::Take has it.
  void TakeBody(const PushFormat& format, std::string body, const Spool::Done& done) {
    const PushDecodeResult decoded = DecodeOtlp(format, Mapping(), std::move(body));
    if (!decoded.ok) return Refuse(InvalidArgument("{}", decoded.error.message), done);
    entries_.Take(decoded.push, done);
  }
  void TakeProto(std::string bytes, const Spool::Done& done) {
    DecodedPush push;
    const std::string& kept = push.texts.emplace_back(std::move(bytes));
    if (const absl::Status read = DecodeOtlpProto(kept, Mapping(), &push); !read.ok())
      return Refuse(read, done);
    entries_.Take(push, done);
  }
  const OtlpReceiverOptions& options() const { return *options_; }

 private:
  OtlpMapping Mapping() const {
    return {&options_->attributes, &service_names_, clock_->NowNs(), options_->max_body_bytes};
  }
  void Refuse(const absl::Status& status, const Spool::Done& done) {
    counters_->CountMalformed("otlp");
    done(status);
  }

  const OtlpReceiverOptions* const options_;
  const std::vector<std::string> service_names_;
  ReceiverCounters* const counters_;
  const Clock* const clock_;
  PushIntake entries_;
};

DoorAnswer HttpAnswer(const absl::Status& status, bool json) {
  DoorAnswer answer;
  answer.content_type = json ? kJson : kProtobuf;
  answer.status = status.ok() ? 200 : absl::IsInvalidArgument(status) ? 400 : 503;
  if (status.ok()) {
    if (json) answer.body = "{}";
  } else if (json) {
    JsonWriter writer(&answer.body);
    writer.BeginObject().Key("message").String(MessageOf(status)).EndObject();
  } else {
    answer.body = OtlpErrorBody(MessageOf(status));
  }
  return answer;
}

void HandleHttp(Intake* intake, DoorRequest request, const HttpDoor::Answer& answer) {
  if (std::optional<DoorAnswer> ready = ReadyAnswer(request)) return answer(*std::move(ready));
  // The second one is where servers of logs have it.
  if (request.path != "/v1/logs" && request.path != "/otlp/v1/logs") return answer({404, "not found\n"});
  if (!request.post) return answer({405, "POST is what goes here\n"});
  const absl::StatusOr<std::string> type = MediaType(request.content_type);
  PushFormat format;
  format.content_type = type.ok() ? *type : request.content_type;
  format.content_encoding = std::move(request.content_encoding);
  format.max_decompressed = intake->options().max_body_bytes;
  if (format.content_type != kJson && format.content_type != kProtobuf)
    return answer({415, fmt::format("{} or {} is what goes here\n", kProtobuf, kJson)});
  const bool json = format.content_type == kJson;
  intake->TakeBody(format, std::move(request.body),
                   [answer, json](const absl::Status& status) { answer(HttpAnswer(status, json)); });
}

// The request stays bytes: it is walked in place, no message object is made of it.
class LogsService : public logs::LogsService::WithRawCallbackMethod_Export<logs::LogsService::Service> {
 public:
  explicit LogsService(Intake* intake) : intake_(intake) {}

  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    std::optional<std::string> bytes = BytesOf(*request);
    if (!bytes) {
      reactor->Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "unreadable request"));
      return reactor;
    }
    intake_->TakeProto(*std::move(bytes), [reactor, response](const absl::Status& status) {
      *response = EmptyMessage();
      const std::string message(MessageOf(status));
      if (status.ok()) return reactor->Finish(grpc::Status::OK);
      if (absl::IsInvalidArgument(status))
        return reactor->Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, message));
      const grpc::StatusCode later = grpc::StatusCode::UNAVAILABLE;
      reactor->Finish(grpc::Status(later, message, OtlpRetryDetails(later, message)));
    });
    return reactor;
  }

 private:
  Intake* const intake_;
};

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(
    const std::optional<TlsServerOptions>& tls) {
  if (!tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  ASSIGN_OR_RETURN(std::string key, ReadWholeFile(tls->key_file));
  ASSIGN_OR_RETURN(std::string certificate, ReadWholeFile(tls->cert_file));
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  if (!tls->ca_file.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs, ReadWholeFile(tls->ca_file));
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

class Listening final : public OtlpReceiver {
 public:
  Listening(OtlpReceiverOptions options, Spool* spool, ReceiverCounters* counters, const Clock& clock)
      : options_(std::move(options)), intake_(&options_, spool, counters, &clock), service_(&intake_) {}
  ~Listening() override {
    // Everything that waited for the spool is answered by now.
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  absl::Status Open(boost::asio::io_context* context) {
    if (options_.http) {
      http_.emplace(context, options_.max_body_bytes,
                    [this](DoorRequest request, const HttpDoor::Answer& answer) {
                      HandleHttp(&intake_, std::move(request), answer);
                    });
      RETURN_IF_ERROR(http_->Open(options_.http->listen, options_.http->tls));
    }
    if (!options_.grpc) return absl::OkStatus();
    // gRPC says no more of an address than that it cannot be had.
    ASSIGN_OR_RETURN(const boost::asio::ip::tcp::endpoint endpoint,
                     ParseListenAddress(options_.grpc->listen));
    ASSIGN_OR_RETURN(std::shared_ptr<grpc::ServerCredentials> credentials, Credentials(options_.grpc->tls));
    const std::string host = endpoint.address().to_string();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(
        fmt::format("{}:{}", endpoint.address().is_v6() ? "[" + host + "]" : host, endpoint.port()),
        credentials, &grpc_port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_body_bytes));
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || grpc_port_ == 0)
      return Unavailable("listen on {}: the address cannot be had", options_.grpc->listen);
    return absl::OkStatus();
  }
  int http_port() const override { return http_ ? http_->port() : 0; }
  int grpc_port() const override { return grpc_port_; }

 private:
  const OtlpReceiverOptions options_;
  Intake intake_;
  LogsService service_;
  std::optional<HttpDoor> http_;
  int grpc_port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OtlpReceiver>> OtlpReceiver::Listen(OtlpReceiverOptions options,
                                                                   boost::asio::io_context* context,
                                                                   Spool* spool, ReceiverCounters* counters,
                                                                   const Clock& clock) {
  auto receiver = std::make_unique<Listening>(std::move(options), spool, counters, clock);
  RETURN_IF_ERROR(receiver->Open(context));
  return receiver;
}

}  // namespace skald::agent
