#include "server/grpc/grpc_otlp.h"

#include "base/coding.h"
#include "server/grpc/grpc_push.h"
#include "server/grpc/grpc_raw.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

constexpr uint64_t kRetrySeconds = 1;

void PutField(std::string* out, uint64_t number, std::string_view bytes) {
  PutVarint(out, number << 3 | 2);
  PutText(out, bytes);
}

// google.rpc.Status{code, message, details: [RetryInfo{retry_delay}]}.
std::string RetryDetails(int code, std::string_view message) {
  std::string duration;
  PutVarint(&duration, 1 << 3);
  PutVarint(&duration, kRetrySeconds);
  std::string retry_info;
  PutField(&retry_info, 1, duration);
  std::string any;
  PutField(&any, 1, "type.googleapis.com/google.rpc.RetryInfo");
  PutField(&any, 2, retry_info);
  std::string status;
  PutVarint(&status, 1 << 3);
  PutVarint(&status, static_cast<uint64_t>(code));
  PutField(&status, 2, message);
  PutField(&status, 3, any);
  return status;
}

void Finish(grpc::ServerUnaryReactor* reactor, int http_status, const std::string& message) {
  const grpc::StatusCode code = GrpcCodeOf(http_status);
  std::string details;
  if (code == grpc::StatusCode::RESOURCE_EXHAUSTED) details = RetryDetails(code, message);
  reactor->Finish(grpc::Status(code, message, details));
}

}  // namespace

grpc::ServerUnaryReactor* OtlpLogsService::Export(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  TenantOrError tenant = ResolveTenant(auth_enabled_, TenantHeader(*context), true);
  if (tenant.tenant.empty()) {
    Finish(reactor, tenant.status, tenant.message);
    return reactor;
  }
  std::optional<std::string> bytes = BytesOf(*request);
  if (!bytes.has_value()) {
    Finish(reactor, 400, "unreadable request");
    return reactor;
  }
  ingest_->PushOtlpProto(std::move(tenant.tenant), *std::move(bytes), [reactor, response](PushError answer) {
    // Nothing to store is no error of the protocol.
    if (answer.status != 204 && answer.status != 422) return Finish(reactor, answer.status, answer.message);
    *response = EmptyMessage();
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace skald::server
