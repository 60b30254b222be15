#include "server/grpc/grpc_pusher.h"

#include "proto/grpc_raw.h"
#include "server/grpc/grpc_push.h"
#include "server/tenant/tenant.h"

namespace skald::server {
grpc::ServerUnaryReactor* LokiPusherService::Push(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto finish = [reactor](int http_status, const std::string& message) {
    reactor->Finish(grpc::Status(GrpcCodeOf(http_status), message));
  };
  TenantOrError tenant = ResolveTenant(auth_enabled_, TenantHeader(*context), true);
  if (tenant.tenant.empty()) {
    finish(tenant.status, tenant.message);
    return reactor;
  }
  std::optional<std::string> bytes = BytesOf(*request);
  if (!bytes.has_value()) {
    finish(400, "unreadable request");
    return reactor;
  }
  ingest_->PushProto(std::move(tenant.tenant), *std::move(bytes),
                     [reactor, response, finish](PushError answer) {
                       if (answer.status != 204) return finish(answer.status, answer.message);
                       *response = EmptyMessage();
                       reactor->Finish(grpc::Status::OK);
                     });
  return reactor;
}

}  // namespace skald::server
