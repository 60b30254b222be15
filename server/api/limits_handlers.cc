// The limits of a tenant, for Logs Drilldown (JSON) and for people (YAML).
#include <algorithm>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/json_writer.h"
#include "server/api/status_handlers.h"
#include "server/tenant/tenant.h"
#include "text/duration.h"

namespace skald::server {
namespace {

void WriteList(JsonWriter* w, std::string_view key, const std::vector<std::string>& values) {
  w->Key(key).BeginArray();
  for (const std::string& value : values) w->String(value);
  w->EndArray();
}

std::string_view ActionName(OtlpAction action) {
  switch (action) {
    case OtlpAction::kIndexLabel:
      return "index_label";
    case OtlpAction::kDrop:
      return "drop";
    case OtlpAction::kStructuredMetadata:
      break;
  }
  return "structured_metadata";
}

void WriteRules(JsonWriter* w, std::string_view key, const OtlpRules& rules) {
  w->Key(key).BeginArray();
  for (const OtlpRule& rule : rules) {
    w->BeginObject().Key("action").String(ActionName(rule.action));
    if (rule.regex != nullptr) {
      w->Key("regex").String(rule.regex->pattern());
    } else {
      std::vector<std::string> names(rule.attributes.begin(), rule.attributes.end());
      std::sort(names.begin(), names.end());
      WriteList(w, "attributes", names);
    }
    w->EndObject();
  }
  w->EndArray();
}

void WriteOtlp(JsonWriter* w, const OtlpConfig& config) {
  w->Key("otlp_config").BeginObject().Key("resource_attributes").BeginObject();
  WriteRules(w, "attributes_config", config.resource);
  w->EndObject();
  if (!config.scope.empty()) WriteRules(w, "scope_attributes", config.scope);
  if (!config.log.empty()) WriteRules(w, "log_attributes", config.log);
  if (config.severity_text_as_label) w->Key("severity_text_as_label").Bool(true);
  w->EndObject();
}

void WriteLimits(JsonWriter* w, const Limits& limits) {
  const auto duration = [w](std::string_view key, int64_t ns) {
    w->Key(key).String(FormatPrometheusDuration(ns));
  };
  w->BeginObject();
  w->Key("discover_log_levels").Bool(limits.discover_log_levels);
  WriteList(w, "discover_service_name", limits.discover_service_name);
  WriteList(w, "log_level_fields", limits.log_level_fields);
  w->Key("max_entries_limit_per_query").Int(limits.max_entries_limit_per_query);
  w->Key("max_line_size_truncate").Bool(limits.max_line_size_truncate);
  w->Key("max_query_bytes_read").String(FormatConfigBytes(limits.max_query_bytes_read));
  duration("max_query_length", limits.max_query_length_ns);
  duration("max_query_lookback", limits.max_query_lookback_ns);
  duration("max_query_range", limits.max_query_range_ns);
  w->Key("max_query_series").Int(limits.max_query_series);
  w->Key("metric_aggregation_enabled").Bool(false);
  WriteOtlp(w, limits.otlp);
  w->Key("pattern_persistence_enabled").Bool(false);
  duration("query_timeout", limits.query_timeout_ns);
  duration("retention_period", limits.retention_period_ns);
  w->Key("volume_enabled").Bool(limits.volume_enabled);
  w->Key("volume_max_series").Int(limits.volume_max_series);
  w->EndObject();
}

void SetBlockStyle(YAML::Node node) {
  if (node.IsScalar()) return node.SetTag("");  // no quotes that nothing needs
  node.SetStyle(YAML::EmitterStyle::Block);
  for (auto child : node) SetBlockStyle(node.IsMap() ? child.second : YAML::Node(child));
}

std::string YamlOf(const std::string& json) {
  YAML::Node node = YAML::Load(json);
  SetBlockStyle(node);
  YAML::Emitter out;
  out << node;
  return std::string(out.c_str()) + "\n";
}

// Loki reads the tenant header here even where tenants are off. Errors are 401, whatever they are.
template <class Answer>
Route LimitsRoute(const StatusService* service, Answer answer) {
  Route route;
  route.handle = [service, answer](const HttpRequestPtr& request, const ResponderPtr& responder) {
    const TenantOrError tenant = ResolveTenant(true, request->Header("X-Scope-OrgID"), true);
    if (tenant.tenant.empty()) return responder->Send(TextResponse(401, tenant.message + "\n"));
    const std::shared_ptr<const Limits> limits =
        service->limits->Of(service->config->auth_enabled ? std::string_view(tenant.tenant) : kOnlyTenant);
    responder->Send(answer(*limits));
  };
  return route;
}

}  // namespace

void AddLimitsRoutes(const StatusService* service, Router* router) {
  router->Add({"GET"}, "/loki/api/v1/drilldown-limits", LimitsRoute(service, [](const Limits& limits) {
                HttpResponse response;
                response.content_type = "application/json";
                JsonWriter w(&response.body);
                w.BeginObject().Key("limits");
                WriteLimits(&w, limits);
                w.Key("pattern_ingester_enabled").Bool(true).Key("version").String(kVersion).EndObject();
                response.body += '\n';
                return response;
              }));
  router->Add({"GET"}, "/config/tenant/v1/limits", LimitsRoute(service, [](const Limits& limits) {
                std::string json;
                JsonWriter w(&json);
                WriteLimits(&w, limits);
                HttpResponse response;
                response.content_type = kTextType;
                response.body = YamlOf(json);
                return response;
              }));
}

}  // namespace skald::server
