// /loki/api/v1/delete: POST and PUT make a request, GET lists them, DELETE cancels one. Parameters are those
// of the URL alone.
#pragma once

#include "server/config.h"
#include "server/delete_service.h"
#include "server/http/router.h"
#include "server/tenant/tenant_limits.h"

namespace skald::server {

// Everything outlives the router. `run` takes work that may write to disk off the caller's thread.
void AddDeleteRoutes(const ServerConfig* config, const TenantLimits* limits, DeleteService* deletes,
                     const Clock* clock, std::function<void(std::function<void()>)> run, Router* router);

}  // namespace skald::server
