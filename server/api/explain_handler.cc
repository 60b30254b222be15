#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/exec/explain.h"
#include "query/logql/parser.h"
#include "server/api/query_handlers.h"

namespace skald::server {
namespace {

bool IsTrue(std::string_view text) { return text == "true" || text == "1"; }

absl::StatusOr<exec::Explanation> Explain(const QueryService& service, const HttpRequest& request,
                                          const std::string& tenant, const Params& form) {
  const int64_t now_ns = service.clock->NowNs();
  const bool instant = !form.Get("time").empty();
  QueryParams params;
  if (instant) {
    ASSIGN_OR_RETURN(params, ParseInstantQuery(form, now_ns));
  } else {
    ASSIGN_OR_RETURN(params, ParseRangeQuery(form, now_ns));
  }
  params.tenant = tenant;
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  ASSIGN_OR_RETURN(const logql::ExprPtr expr,
                   logql::ParseExpr(params.query, {.extensions = limits->enable_logql_extensions}));
  Bounds bounds{params.start_ns, params.end_ns};
  if (ClampToLookback(*limits, now_ns, &bounds) && !instant) params.start_ns = bounds.start_ns;
  return service.engine->Explain(expr, params, LimitsOf(service, tenant, *limits, request),
                                 IsTrue(form.Get("analyze")), request.cancel.get());
}

}  // namespace

void AddExplainRoute(const QueryService* service, Router* router) {
  router->Add(
      {"GET", "POST"}, "/skald/api/v1/explain",
      QueryRoute(
          service, service->queries,
          [service](const HttpRequest& request, const std::string& tenant, const Params& params, int64_t) {
            const absl::StatusOr<exec::Explanation> explanation = Explain(*service, request, tenant, params);
            if (!explanation.ok()) return QueryError(explanation.status());
            if (params.Get("format") == "text") return TextResponse(200, exec::ExplainText(*explanation));
            std::string body;
            JsonWriter w(&body);
            w.BeginObject().Key("status").String("success").Key("data");
            exec::WriteExplainJson(*explanation, &w);
            w.EndObject();
            return JsonResponse(std::move(body));
          }));
}

}  // namespace skald::server
