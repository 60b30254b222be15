#include "server/grpc_pusher.h"

#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "server/grpc_push.h"
#include "server/tenant.h"

namespace skald::server {
namespace {

// Loki puts the HTTP status where gRPC wants a code of its own; senders act on the nearest real code all the
// same.
grpc::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 400:
    case 422:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case 401:
      return grpc::StatusCode::UNAUTHENTICATED;
    case 429:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case 503:
      return grpc::StatusCode::UNAVAILABLE;
    default:
      return grpc::StatusCode::INTERNAL;
  }
}

}  // namespace

grpc::ServerUnaryReactor* LokiPusherService::Push(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto finish = [reactor](int http_status, const std::string& message) {
    reactor->Finish(grpc::Status(CodeOf(http_status), message));
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
