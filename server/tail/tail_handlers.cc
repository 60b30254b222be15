// tail: what a request for a live tail must look like before it becomes a WebSocket.
#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "server/api/query_handlers.h"
#include "server/tail/tail_session.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

constexpr int64_t kMaxDelaySeconds = 5;

absl::StatusOr<TailQuestion> ParseTail(const QueryService& service, const HttpRequest& request,
                                       std::string tenant) {
  TailQuestion out;
  out.tenant = std::move(tenant);
  ASSIGN_OR_RETURN(const Params params, Params::Of(request));
  ASSIGN_OR_RETURN(out.expr, logql::ParseExpr(params.Get("query")));
  ASSIGN_OR_RETURN(out.limit, ParseLimit(params));
  ASSIGN_OR_RETURN(const Bounds bounds, ParseBounds(params, service.clock->NowNs()));
  out.start_ns = bounds.start_ns;
  ASSIGN_OR_RETURN(const int64_t delay, ParseIntParam(params, "delay_for", 0));
  if (delay < 0 || delay > kMaxDelaySeconds) return InvalidArgument("delay_for can't be greater than 5");
  out.delay_ns = delay * kNsPerSecond;
  out.flags = EncodingFlags(request);
  return out;
}

}  // namespace

void AddTailRoutes(const QueryService* service, Router* router) {
  Route route;
  route.upgrade = [service](const HttpRequestPtr& request) -> Upgrade {
    TenantOrError tenant =
        ResolveTenant(service->config->auth_enabled, request->Header("X-Scope-OrgID"), false);
    // An id that is none is 401 here; several are 400.
    if (tenant.tenant.empty()) {
      tenant.status = tenant.status == 500 ? 400 : 401;
      return {nullptr, TenantErrorResponse(tenant, false)};
    }
    absl::StatusOr<TailQuestion> question = ParseTail(*service, *request, std::move(tenant.tenant));
    if (!question.ok()) return {nullptr, QueryError(question.status())};
    return {std::make_shared<TailSession>(service, *std::move(question)), {}};
  };
  router->Add({"GET", "POST"}, "/loki/api/v1/tail", route);
  router->Add({"GET", "POST"}, "/api/prom/tail", route);
}

}  // namespace skald::server
