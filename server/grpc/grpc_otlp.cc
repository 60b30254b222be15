#include "server/grpc/grpc_otlp.h"

#include "proto/grpc_raw.h"
#include "proto/push/otlp_answer.h"
#include "server/grpc/grpc_push.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

void Finish(grpc::ServerUnaryReactor* reactor, int http_status, const std::string& message) {
  const grpc::StatusCode code = GrpcCodeOf(http_status);
  std::string details;
  if (code == grpc::StatusCode::RESOURCE_EXHAUSTED) details = OtlpRetryDetails(code, message);
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
