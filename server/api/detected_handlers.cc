// detected_labels, detected_fields and the values of one field: what Logs Drilldown builds its page from.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "server/api/detected_fields.h"
#include "server/api/query_handlers.h"

namespace skald::server {
namespace {

constexpr uint32_t kDefaultFieldLimit = 1000;

struct FieldQuestion {
  Streams lines;
  uint32_t limit = kDefaultFieldLimit;
};

// A step that no answer depends on is checked all the same, here in whole milliseconds.
absl::Status CheckStep(const Params& params, const Bounds& bounds) {
  const std::string_view text = params.Get("step");
  if (!text.empty()) {
    ASSIGN_OR_RETURN(const int64_t step_ns, ParseSecondsOrDuration(text));
    if (step_ns > 0 && step_ns < kNsPerMs) return ZeroStepError();
  }
  return ParseStep(params, bounds).status();
}

// The newest lines of the selector.
absl::StatusOr<FieldQuestion> ReadLines(const QueryService& service, const HttpRequest& request,
                                        const std::string& tenant, const Params& params) {
  const int64_t now_ns = service.clock->NowNs();
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  ASSIGN_OR_RETURN(Bounds bounds, ParseBounds(params, now_ns));
  FieldQuestion out;
  ASSIGN_OR_RETURN(const uint32_t line_limit, ParsePositive(params, "line_limit", 100));
  ASSIGN_OR_RETURN(out.limit, ParsePositive(params, params.Get("limit").empty() ? "field_limit" : "limit",
                                            kDefaultFieldLimit));
  if (bounds.end_ns < bounds.start_ns) return EndBeforeStartError();
  RETURN_IF_ERROR(CheckStep(params, bounds));
  ASSIGN_OR_RETURN(logql::LogSelectorExpr selector, logql::ParseLogSelector(params.Get("query")));
  if (!ClampToLookback(*limits, now_ns, &bounds)) return out;
  QueryParams query;
  query.tenant = tenant;
  query.start_ns = bounds.start_ns;
  query.end_ns = bounds.end_ns;
  query.limit = line_limit;
  logql::Expr expr;
  expr.node = std::move(selector);
  ASSIGN_OR_RETURN(
      QueryResult result,
      service.engine->RunExpr(std::make_shared<const logql::Expr>(std::move(expr)), query,
                              LimitsOf(service, tenant, *limits, request), request.cancel.get()));
  out.lines = std::get<Streams>(std::move(result.data));
  return out;
}

absl::StatusOr<std::string> Fields(const QueryService& service, const HttpRequest& request,
                                   const std::string& tenant, const Params& params) {
  ASSIGN_OR_RETURN(const FieldQuestion question, ReadLines(service, request, tenant, params));
  ASSIGN_OR_RETURN(const std::vector<DetectedField> fields, DetectFields(question.lines, question.limit));
  if (fields.empty()) return "{}\n";
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("fields").BeginArray();
  for (const DetectedField& field : fields) {
    w.BeginObject();
    w.Key("label").String(field.label).Key("type").String(field.type);
    w.Key("cardinality").UInt(field.cardinality).Key("parsers");
    if (field.parsers.empty()) {
      w.Null();
    } else {
      w.BeginArray();
      for (const std::string_view parser : field.parsers) w.String(parser);
      w.EndArray();
    }
    if (!field.json_path.empty()) {
      w.Key("jsonPath").BeginArray();
      for (const std::string& part : field.json_path) w.String(part);
      w.EndArray();
    }
    w.EndObject();
  }
  w.EndArray().Key("limit").Int(question.limit).EndObject();
  return out + "\n";
}

absl::StatusOr<std::string> FieldValues(const QueryService& service, const HttpRequest& request,
                                        const std::string& tenant, const Params& params) {
  ASSIGN_OR_RETURN(const FieldQuestion question, ReadLines(service, request, tenant, params));
  ASSIGN_OR_RETURN(const std::vector<std::string> values,
                   DetectFieldValues(question.lines, request.PathParam("name"), question.limit));
  if (values.empty()) return "{}\n";
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("limit").Int(question.limit).Key("values").BeginArray();
  for (const std::string& value : values) w.String(value);
  w.EndArray().EndObject();
  return out + "\n";
}

absl::StatusOr<std::string> DetectedLabels(const QueryService& service, const std::string& tenant,
                                           const Params& params) {
  const int64_t now_ns = service.clock->NowNs();
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  ASSIGN_OR_RETURN(Bounds bounds, ParseBounds(params, now_ns));
  if (bounds.end_ns < bounds.start_ns) return EndBeforeStartError();
  std::vector<Matcher> matchers;
  if (!params.Get("query").empty()) {
    ASSIGN_OR_RETURN(matchers, logql::ParseMatchers(params.Get("query")));
  }
  RETURN_IF_ERROR(CheckQueryLength(*limits, bounds));
  if (!ClampToLookback(*limits, now_ns, &bounds)) return "{}\n";
  ASSIGN_OR_RETURN(const std::vector<StreamRef> streams,
                   service.source->Series(tenant, matchers, InclusiveRange(bounds)));
  std::map<std::string, std::set<std::string>> values;
  for (const StreamRef& stream : streams) {
    for (const auto& [name, value] : *stream.labels) values[name].insert(value);
  }
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  bool any = false;
  for (const auto& [name, set] : values) {
    if (name == kTenantLabel || !IsDetectedLabel(name, {set.begin(), set.end()})) continue;
    if (!any) w.Key("detectedLabels").BeginArray();
    any = true;
    w.BeginObject().Key("label").String(name).Key("cardinality").UInt(set.size()).EndObject();
  }
  if (any) w.EndArray();
  w.EndObject();
  return out + "\n";
}

}  // namespace

void AddDetectedRoutes(const QueryService* service, Router* router) {
  const auto add = [&](const std::string& path, QueryPool* pool, auto answer) {
    router->Add({"GET", "POST"}, path,
                QueryRoute(service, pool,
                           [service, answer](const HttpRequest& request, const std::string& tenant,
                                             const Params& params, int64_t) {
                             return JsonAnswer(answer(*service, request, tenant, params));
                           }));
  };
  add("/loki/api/v1/detected_fields", service->queries, Fields);
  add("/loki/api/v1/detected_field/{name}/values", service->queries, FieldValues);
  add("/loki/api/v1/detected_labels", service->lookups,
      [](const QueryService& s, const HttpRequest&, const std::string& tenant, const Params& params) {
        return DetectedLabels(s, tenant, params);
      });
}

}  // namespace skald::server
