// opentelemetry.proto.collector.logs.v1.LogsService/Export: OTLP logs over gRPC, through the same decoding
// and admission as over HTTP.
#pragma once

#include "proto/otlp_logs.grpc.pb.h"
#include "server/push/ingest.h"

namespace skald::server {

namespace otlp = opentelemetry::proto::collector::logs::v1;

// The request stays bytes: it is walked in place, no message object is made of it.
class OtlpLogsService : public otlp::LogsService::WithRawCallbackMethod_Export<otlp::LogsService::Service> {
 public:
  OtlpLogsService(bool auth_enabled, IngestService* ingest) : auth_enabled_(auth_enabled), ingest_(ingest) {}

  // A request that does not fit a rate ends RESOURCE_EXHAUSTED with google.rpc.RetryInfo, without which
  // senders take it for final.
  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override;

 private:
  const bool auth_enabled_;
  IngestService* const ingest_;
};

}  // namespace skald::server
