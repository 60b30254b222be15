// What OTLP's senders are told beside a status: the protocol's own error messages, as protobuf.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// google.rpc.Status{message}: the body of an answer over HTTP that is no success. What is no UTF-8 in it is
// replaced.
std::string OtlpErrorBody(std::string_view message);

// google.rpc.Status{code, message, details: [RetryInfo{1 s}]}: the details of a status over gRPC after which
// the same is to be sent again. Without them senders take RESOURCE_EXHAUSTED for final.
std::string OtlpRetryDetails(int grpc_code, std::string_view message);

}  // namespace skald
