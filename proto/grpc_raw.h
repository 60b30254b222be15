// What the gRPC doors that read their requests in place have in common.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <string>

namespace skald {

// The status code next to an HTTP status. Loki puts the HTTP status itself where gRPC wants a code of its
// own; senders act on the nearest real code all the same.
grpc::StatusCode GrpcCodeOf(int http_status);

// A request's bytes as one; nullopt when they cannot be read.
std::optional<std::string> BytesOf(const grpc::ByteBuffer& request);

// A message without fields.
grpc::ByteBuffer EmptyMessage();

}  // namespace skald
