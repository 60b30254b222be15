#include "server/grpc_pusher.h"

#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "server/grpc_push.h"
#include "server/tenant.h"

namespace skald::server {

grpc::ServerUnaryReactor* LokiPusherService::Push(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  // Loki's status codes here are those of HTTP.
  const auto finish = [reactor](int http_status, const std::string& message) {
    reactor->Finish(grpc::Status(static_cast<grpc::StatusCode>(http_status), message));
  };
  TenantOrError tenant = ResolveTenant(auth_enabled_, TenantHeader(*context), true);
  if (tenant.tenant.empty()) {
    finish(tenant.status, tenant.message);
    return reactor;
  }
  std::vector<grpc::Slice> slices;
  if (!request->Dump(&slices).ok()) {
    finish(400, "unreadable request");
    return reactor;
  }
  std::string bytes;
  bytes.reserve(request->Length());
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  ingest_->PushProto(std::move(tenant.tenant), std::move(bytes),
                     [reactor, response, finish](PushError answer) {
                       if (answer.status != 204) return finish(answer.status, answer.message);
                       grpc::Slice empty;
                       *response = grpc::ByteBuffer(&empty, 1);
                       reactor->Finish(grpc::Status::OK);
                     });
  return reactor;
}

}  // namespace skald::server
