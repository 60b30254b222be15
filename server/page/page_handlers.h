// The page at /, and what it asks of the server beyond Loki's API: what it may show, metrics of a configured
// Prometheus, files of configured agents. The page itself asks nobody but this server.
#pragma once

#include "base/thread_pool.h"
#include "server/http/router.h"
#include "server/page/page_config.h"

namespace skald::server {

// Everything outlives the router.
struct PageService {
  const PageConfig* config = nullptr;
  bool auth_enabled = false;
  ThreadPool* pool = nullptr;  // waits for other programs
};

void AddPageRoutes(const PageService* service, Router* router);

}  // namespace skald::server
