// The paths of the API before /loki/api/v1: /api/prom/query, label, label/{name}/values, series.
#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"
#include "server/api/query_handlers.h"
#include "server/api/query_json.h"
#include "text/rfc3339.h"

namespace skald::server {
namespace {

std::string LegacyStreamsJson(const QueryResult& result, const QueryTiming& timing) {
  const Streams& streams = std::get<Streams>(result.data);
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("streams").BeginArray();
  for (const Streams::Group& group : streams.GroupByAllLabels()) {
    w.BeginObject()
        .Key("labels")
        .String(group.labels.ToString(), JsonEscape::kHtml)
        .Key("entries")
        .BeginArray();
    for (const uint32_t index : group.entries) {
      const Streams::Entry& entry = streams.entries()[index];
      w.BeginObject().Key("ts").String(FormatRfc3339Nano(entry.time_ns));
      w.Key("line").String(entry.line, JsonEscape::kHtml).EndObject();
    }
    w.EndArray().EndObject();
  }
  w.EndArray().Key("stats").Raw(StatsJson(result.stats, timing)).EndObject();
  return out + "\n";
}

// A range query for lines; `regexp` is one more filter.
absl::StatusOr<std::string> LegacyQuery(const QueryService& service, const HttpRequest& request,
                                        const std::string& tenant, const Params& params, int64_t waited_ns) {
  ASSIGN_OR_RETURN(QueryParams query, ParseRangeQuery(params, service.clock->NowNs()));
  query.tenant = tenant;
  if (const std::string_view regexp = params.Get("regexp"); !regexp.empty()) {
    query.query += " |~ ";
    AppendGoQuoted(&query.query, regexp);
  }
  ASSIGN_OR_RETURN(const logql::ExprPtr expr, logql::ParseExpr(query.query));
  if (!logql::IsLogQuery(*expr)) {
    return InvalidArgument(
        "rpc error: code = Code(400) desc = legacy endpoints only support streams result type");
  }
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  ASSIGN_OR_RETURN(const QueryResult result,
                   service.engine->RunExpr(expr, query, LimitsOf(service, tenant, *limits, request),
                                           request.cancel.get()));
  RETURN_IF_ERROR(result.memory->Reserve(static_cast<int64_t>(ResultJsonBytes(result))));
  return LegacyStreamsJson(result, {result.stats.exec_ns, waited_ns});
}

}  // namespace

void AddLegacyRoutes(const QueryService* service, Router* router) {
  router->Add({"GET", "POST"}, "/api/prom/query",
              QueryRoute(service, service->queries,
                         [service](const HttpRequest& request, const std::string& tenant,
                                   const Params& params, int64_t waited_ns) {
                           return JsonAnswer(LegacyQuery(*service, request, tenant, params, waited_ns));
                         }));
}

}  // namespace skald::server
