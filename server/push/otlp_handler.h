// POST /otlp/v1/logs. Errors are a google.rpc.Status in protobuf with nothing but its message.
#pragma once

#include "server/config.h"
#include "server/http/router.h"
#include "server/push/ingest.h"

namespace skald::server {

// Everything outlives the router.
void AddOtlpRoutes(const ServerConfig* config, IngestService* ingest, Router* router);

}  // namespace skald::server
