// The reading side: questions for lines, samples, labels and sizes. Each file *_handlers.cc adds its routes;
// AddReadRoutes adds them all.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "query/exec/engine.h"
#include "server/api/query_pool.h"
#include "server/config.h"
#include "server/http/params.h"
#include "server/http/router.h"
#include "server/tail/tail_hub.h"
#include "server/tenant/tenant_budgets.h"
#include "server/tenant/tenant_limits.h"
#include "storage/deletes/delete_view.h"
#include "storage/log_source.h"

namespace skald::server {

// Everything outlives the router and the pools.
struct QueryService {
  const ServerConfig* config;
  const TenantLimits* limits;
  const LogSource* source;
  const Engine* engine;
  exec::ResultCache* results;  // of metric range queries
  TenantBudgets* budgets;      // what questions take memory from
  QueryPool* queries;          // for what reads lines
  QueryPool* lookups;          // for what reads the index only
  TailHub* tails;
  const DeleteView* deletes;  // what live tails must not show
  ThreadPool* tail_pool;      // filters lines for live tails
  const Clock* clock;
  Metrics* metrics;
};

void AddReadRoutes(const QueryService* service, Router* router);

void AddQueryRoutes(const QueryService* service, Router* router);
// GET or POST /skald/api/v1/explain: the parameters of query_range (or of query, where `time` is given), and
// analyze=true to run the query too, format=text for a text to read in place of JSON.
void AddExplainRoute(const QueryService* service, Router* router);
void AddLabelRoutes(const QueryService* service, Router* router);
void AddDetectedRoutes(const QueryService* service, Router* router);
void AddPatternsRoute(const QueryService* service, Router* router);
void AddIndexRoutes(const QueryService* service, Router* router);
void AddLegacyRoutes(const QueryService* service, Router* router);
void AddTailRoutes(const QueryService* service, Router* router);

// What handlers of questions have in common.

// Runs on a pool thread with the tenant and the parameters; answers with what it returns.
using QueryWork = std::function<HttpResponse(const HttpRequest& request, const std::string& tenant,
                                             const Params& params, int64_t waited_ns)>;
// A route that resolves the tenant, waits its turn in the pool and answers; 429 when too many wait.
Route QueryRoute(const QueryService* service, QueryPool* pool, QueryWork work);

// An error of the query side: HttpStatusOf and the bare message.
HttpResponse QueryError(const absl::Status& status);
// 200 with the JSON, or the error's answer.
HttpResponse JsonAnswer(absl::StatusOr<std::string> body);

QueryLimits LimitsOf(const QueryService& service, const std::string& tenant, const Limits& limits,
                     const HttpRequest& request);

// start to end, end included.
TimeRange InclusiveRange(const Bounds& bounds);

// The label that says which tenant of several a stream is of. No stream has it in the index.
inline constexpr std::string_view kTenantLabel = "__tenant_id__";

// Moves start up to now - max_query_lookback. False: the whole range is older.
bool ClampToLookback(const Limits& limits, int64_t now_ns, Bounds* bounds);
// max_query_length of a range without a query: Loki's text.
absl::Status CheckQueryLength(const Limits& limits, const Bounds& bounds);

}  // namespace skald::server
