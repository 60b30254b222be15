#include "server/api/query_handlers.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "query/exec/limit_checks.h"
#include "query/exec/query_error.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"
#include "server/api/query_json.h"
#include "server/tenant/tenant.h"
#include "text/duration.h"

namespace skald::server {
namespace {

// `allow` in a question: a part of the answer will do where a limit is reached. In the answer: which were,
// as name=value.
constexpr std::string_view kPartialHeader = "X-Skald-Partial";

// The answer for a range that lies wholly before what may be looked at.
QueryResult EmptyResult(const logql::Expr& expr, const QueryParams& params) {
  QueryResult result;
  if (logql::IsLogQuery(expr)) {
    result.data = Streams();
  } else if (params.instant) {
    Vector vector;
    vector.t_ms = params.end_ns / kNsPerMs;
    result.data = vector;
  } else {
    result.data = Matrix();
  }
  return result;
}

// Loki hands a query on as its printed text, and a name with other than ASCII letters, which it prints
// quoted, does not read back: such queries are refused when they are asked, though not when they are
// formatted.
absl::Status CheckReadsBack(std::string_view query, const logql::Expr& expr, logql::ParseOptions options) {
  const bool ascii =
      std::all_of(query.begin(), query.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  return ascii ? absl::OkStatus() : logql::ParseExpr(logql::Print(expr), options).status();
}

absl::StatusOr<HttpResponse> RunQuery(const QueryService& service, const HttpRequest& request,
                                      const std::string& tenant, const Params& form, bool instant,
                                      int64_t waited_ns) {
  const int64_t now_ns = service.clock->NowNs();
  QueryParams params;
  if (instant) {
    ASSIGN_OR_RETURN(params, ParseInstantQuery(form, now_ns));
  } else {
    ASSIGN_OR_RETURN(params, ParseRangeQuery(form, now_ns));
  }
  params.tenant = tenant;
  const std::vector<std::string> flags = EncodingFlags(request);
  const std::shared_ptr<const Limits> tenant_limits = service.limits->Of(tenant);
  const logql::ParseOptions options{.extensions = tenant_limits->enable_logql_extensions};
  ASSIGN_OR_RETURN(const logql::ExprPtr expr, logql::ParseExpr(params.query, options));
  RETURN_IF_ERROR(CheckReadsBack(params.query, *expr, options));
  const QueryLimits limits = LimitsOf(service, tenant, *tenant_limits, request);
  QueryTiming timing;
  timing.queue_ns = waited_ns;
  Bounds bounds{params.start_ns, params.end_ns};
  if (!ClampToLookback(*tenant_limits, now_ns, &bounds))
    return JsonResponse(QueryResultJson(EmptyResult(*expr, params), flags, timing));
  if (!instant) params.start_ns = bounds.start_ns;
  if (request.Header("Cache-Control").find("no-cache") == std::string_view::npos)
    params.results = service.results;
  ASSIGN_OR_RETURN(const QueryResult result,
                   service.engine->RunExpr(expr, params, limits, request.cancel.get()));
  timing.exec_ns = result.stats.exec_ns;
  service.metrics
      ->Counter("skald_query_bytes_total", "Line bytes looked at by queries.", {{"tenant", tenant}})
      .Add(static_cast<double>(result.stats.bytes_processed));
  service.metrics->Counter("skald_query_lines_total", "Lines looked at by queries.", {{"tenant", tenant}})
      .Add(static_cast<double>(result.stats.lines_processed));
  // A part that took all of the query's memory is written with what the tenant has left.
  const bool used_up = std::any_of(result.reached.begin(), result.reached.end(),
                                   [](const ReachedLimit& limit) { return limit.name == "memory"; });
  MemoryBudget spare("the answer", std::numeric_limits<int64_t>::max(), limits.memory.get());
  MemoryBudget* const memory = used_up && limits.memory != nullptr ? &spare : result.memory.get();
  RETURN_IF_ERROR(memory->Reserve(static_cast<int64_t>(ResultJsonBytes(result))));
  HttpResponse answer = JsonResponse(QueryResultJson(result, flags, timing));
  std::string reached;
  for (const ReachedLimit& limit : result.reached)
    reached += fmt::format("{}{}={}", reached.empty() ? "" : ", ", limit.name, limit.value);
  if (!reached.empty()) answer.headers.emplace_back(kPartialHeader, std::move(reached));
  return answer;
}

void FormatQuery(const HttpRequestPtr& request, const ResponderPtr& responder) {
  std::string body;
  JsonWriter w(&body, JsonEscape::kHtml);
  HttpResponse response;
  response.content_type = "application/json; charset=utf-8";
  absl::Status ignored;  // Loki formats what it could read of the form
  const Params params = Params::Lenient(*request, &ignored);
  const absl::StatusOr<logql::ExprPtr> expr = logql::ParseExpr(params.Get("query"));
  w.BeginObject();
  if (expr.ok()) {
    w.Key("status").String("success").Key("data").String(logql::Pretty(**expr));
  } else {
    response.status = 400;
    w.Key("status").String("invalid-query").Key("error").String(MessageOf(expr.status()));
  }
  w.EndObject();
  response.body = std::move(body) + "\n";
  responder->Send(std::move(response));
}

}  // namespace

namespace {

// Who asks, for taking turns: the user that Grafana names, else the other end's address.
std::string ClientOf(const HttpRequest& request) {
  if (const std::string_view user = request.Header("X-Grafana-User"); !user.empty()) return std::string(user);
  return request.remote.substr(0, request.remote.rfind(':'));
}

}  // namespace

Route QueryRoute(const QueryService* service, QueryPool* pool, QueryWork work) {
  Route route;
  route.gzip = service->config->compress_responses;
  route.too_large = [](const HttpRequest&, uint64_t) { return TextResponse(400, "http: POST too large"); };
  route.handle = [service, pool, work = std::move(work)](const HttpRequestPtr& request,
                                                         const ResponderPtr& responder) {
    const std::string_view header = request->Header("X-Scope-OrgID");
    TenantOrError tenant = service->config->multi_tenant_queries
                               ? ResolveTenants(service->config->auth_enabled, header)
                               : ResolveTenant(service->config->auth_enabled, header, false);
    if (tenant.tenant.empty()) {
      // Loki notices a bad id of these only behind its frontend.
      const bool behind = request->pattern.find("query_range") != std::string::npos ||
                          request->pattern.find("detected_field") != std::string::npos ||
                          request->pattern == "/api/prom/query";
      if (behind && tenant.status == 400) tenant.message.insert(0, "rpc error: code = Code(400) desc = ");
      return responder->Send(TenantErrorResponse(tenant, false));
    }
    const bool taken =
        pool->Add(tenant.tenant, ClientOf(*request), [request, responder, work, id = tenant.tenant] {
          const int64_t waited_ns = MonotonicNs() - request->start_ns;
          if (absl::Status status = request->cancel->Check(); !status.ok())
            return responder->Send(QueryError(status));
          absl::StatusOr<Params> params = Params::Of(*request);
          if (!params.ok()) return responder->Send(QueryError(params.status()));
          try {
            responder->Send(work(*request, id, *params, waited_ns));
          } catch (const std::exception& e) {
            LogError("query failed", "path={} error=\"{}\"", request->path, e.what());
            responder->Send(TextResponse(500, fmt::format("error while processing request: {}", e.what())));
          }
        });
    if (!taken) responder->Send(TextResponse(429, "too many outstanding requests"));
  };
  return route;
}

HttpResponse QueryError(const absl::Status& status) {
  return TextResponse(HttpStatusOf(status), std::string(MessageOf(status)));
}

HttpResponse JsonAnswer(absl::StatusOr<std::string> body) {
  return body.ok() ? JsonResponse(*std::move(body)) : QueryError(body.status());
}

TimeRange InclusiveRange(const Bounds& bounds) {
  return {bounds.start_ns, bounds.end_ns == kMaxTimeNs ? kMaxTimeNs : bounds.end_ns + 1};
}

QueryLimits LimitsOf(const QueryService& service, const std::string& tenant, const Limits& l,
                     const HttpRequest& request) {
  QueryLimits out;
  out.max_query_series = static_cast<uint32_t>(l.max_query_series);
  out.partial = request.Header(kPartialHeader) == "allow";
  out.truncate_series = out.partial || IsDrilldown(request);
  out.max_entries_limit = static_cast<uint32_t>(l.max_entries_limit_per_query);
  out.approx_topk = std::find(l.shard_aggregations.begin(), l.shard_aggregations.end(), "approx_topk") !=
                    l.shard_aggregations.end();
  out.max_query_length_ns = l.max_query_length_ns;
  out.max_query_range_ns = l.max_query_range_ns;
  out.max_streams_matchers = static_cast<uint32_t>(l.max_streams_matchers_per_query);
  out.required_labels = l.required_labels;
  out.minimum_labels_number = static_cast<uint32_t>(l.minimum_labels_number);
  out.max_bytes_read = l.max_query_bytes_read;
  out.timeout_ns = l.query_timeout_ns;
  out.memory_bytes = static_cast<int64_t>(service.config->query_memory_per_query);
  out.memory = service.budgets->Of(tenant);
  out.split_interval_ns = l.split_queries_by_interval_ns;
  return out;
}

bool ClampToLookback(const Limits& limits, int64_t now_ns, Bounds* bounds) {
  if (limits.max_query_lookback_ns <= 0) return true;
  const int64_t oldest = now_ns - limits.max_query_lookback_ns;
  if (bounds->end_ns < oldest) return false;
  bounds->start_ns = std::max(bounds->start_ns, oldest);
  return true;
}

absl::Status CheckQueryLength(const Limits& limits, const Bounds& bounds) {
  return exec::CheckQueryLength(bounds.start_ns, bounds.end_ns, limits.max_query_length_ns);
}

void AddReadRoutes(const QueryService* service, Router* router) {
  AddQueryRoutes(service, router);
  AddLabelRoutes(service, router);
  AddDetectedRoutes(service, router);
  AddPatternsRoute(service, router);
  AddIndexRoutes(service, router);
  AddLegacyRoutes(service, router);
  AddTailRoutes(service, router);
}

void AddQueryRoutes(const QueryService* service, Router* router) {
  const auto add = [&](const std::string& path, bool instant) {
    router->Add({"GET", "POST"}, path,
                QueryRoute(service, service->queries,
                           [service, instant](const HttpRequest& request, const std::string& tenant,
                                              const Params& params, int64_t waited_ns) {
                             absl::StatusOr<HttpResponse> answer =
                                 RunQuery(*service, request, tenant, params, instant, waited_ns);
                             return answer.ok() ? *std::move(answer) : QueryError(answer.status());
                           }));
  };
  add("/loki/api/v1/query_range", false);
  add("/loki/api/v1/query", true);
  AddExplainRoute(service, router);
  Route format;
  format.handle = FormatQuery;
  format.too_large = [](const HttpRequest&, uint64_t) { return TextResponse(400, "http: POST too large"); };
  router->Add({"GET", "POST"}, "/loki/api/v1/format_query", format);
}

}  // namespace skald::server
