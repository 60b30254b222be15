// logproto.Pusher/Push: Loki's own gRPC push, for senders that speak it. Unlike Loki's single binary, it goes
// through the same admission as every other door.
#pragma once

#include "proto/logproto.grpc.pb.h"
#include "server/push/ingest.h"

namespace skald::server {

// The request stays bytes: it is walked in place, no message object is made of it.
class LokiPusherService : public logproto::Pusher::WithRawCallbackMethod_Push<logproto::Pusher::Service> {
 public:
  LokiPusherService(bool auth_enabled, IngestService* ingest)
      : auth_enabled_(auth_enabled), ingest_(ingest) {}

  grpc::ServerUnaryReactor* Push(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override;

 private:
  const bool auth_enabled_;
  IngestService* const ingest_;
};

}  // namespace skald::server
