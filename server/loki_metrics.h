// Numbers of the store and of delete requests under the names that Loki gives them, so that dashboards and
// alerts made for Loki find them. Names of Loki's parts that there are none of here (rings, caches, object
// stores) are left out.
#pragma once

#include <memory>

#include "base/metrics.h"

namespace skald {
class Clock;          // base/clock.h
class Store;          // storage/store.h
class StoreObserver;  // storage/store_observer.h
}  // namespace skald

namespace skald::server {

class DeleteService;  // server/delete_service.h

// Measures what a store does: its blocks are what Loki calls chunks. block_text_bytes: of a full one. clock
// and metrics outlive it, and it outlives the store.
std::unique_ptr<StoreObserver> ObserveStore(double block_text_bytes, const Clock* clock, Metrics* metrics);

// Read at each scrape until metrics->RemoveCallbacks(owner); the others outlive that.
void AddLokiMetrics(const void* owner, const Store* store, const DeleteService* deletes, const Clock* clock,
                    Metrics* metrics);

}  // namespace skald::server
