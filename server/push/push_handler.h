// POST /loki/api/v1/push and its old name /api/prom/push.
#pragma once

#include "server/config.h"
#include "server/http/router.h"
#include "server/push/ingest.h"

namespace skald::server {

// Everything outlives the router.
void AddPushRoutes(const ServerConfig* config, IngestService* ingest, Router* router);

}  // namespace skald::server
