// Numbers of the store and of delete requests under the names that Loki gives them, so that dashboards and
// alerts made for Loki find them. Names of Loki's parts that there are none of here (rings, caches, object
// stores) are left out.
#pragma once

#include "base/metrics.h"

namespace skald {
class Clock;  // base/clock.h
class Store;  // storage/store.h
}  // namespace skald

namespace skald::server {

class DeleteService;  // server/delete_service.h

// Read at each scrape until metrics->RemoveCallbacks(owner); the others outlive that.
void AddLokiMetrics(const void* owner, const Store* store, const DeleteService* deletes, const Clock* clock,
                    Metrics* metrics);

}  // namespace skald::server
