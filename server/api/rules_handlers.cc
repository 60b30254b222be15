#include <fmt/format.h>

#include <charconv>
#include <set>

#include "base/error.h"
#include "base/json_writer.h"
#include "query/logql/printer.h"
#include "server/http/params.h"
#include "server/http/url.h"
#include "server/rules/rules_service.h"
#include "server/tenant/tenant.h"
#include "text/go_time.h"

namespace skald::server {
namespace {

using rules::GroupStatus;
using rules::RuleGroup;
using rules::RuleStatus;

constexpr std::string_view kYamlType = "application/yaml";

// Times of rules, RFC 3339 with as many decimals as are needed.
std::string TimeText(int64_t ns) {
  if (ns == 0) return "0001-01-01T00:00:00Z";
  GoTime time;
  time.seconds = ns / kNsPerSecond - (ns % kNsPerSecond < 0 ? 1 : 0);
  time.nanosecond = static_cast<int32_t>((ns % kNsPerSecond + kNsPerSecond) % kNsPerSecond);
  return FormatGoTime(time, "2006-01-02T15:04:05.999999999Z07:00");
}

std::string ExponentForm(double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  return std::string(buffer, end.ptr);
}

template <class Map>
void PutMap(JsonWriter* w, std::string_view key, const Map& map) {
  w->Key(key).BeginObject();
  for (const auto& [name, value] : map) {
    if (!value.empty()) w->Key(name).String(value);
  }
  w->EndObject();
}

double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

void PutAlert(JsonWriter* w, const rules::AlertInstance& alert) {
  w->BeginObject();
  PutMap(w, "labels", alert.labels);
  PutMap(w, "annotations", alert.annotations);
  w->Key("state").String(rules::Name(alert.state));
  w->Key("activeAt").String(TimeText(alert.active_at_ns));
  if (alert.keep_firing_since_ns != 0) w->Key("keepFiringSince").String(TimeText(alert.keep_firing_since_ns));
  w->Key("value").String(ExponentForm(alert.value));
  w->EndObject();
}

void PutRule(JsonWriter* w, const RuleStatus& rule) {
  w->BeginObject();
  const bool is_alert = rule.rule.is_alert();
  if (is_alert) w->Key("state").String(rule.evaluated ? rules::Name(rule.state) : "unknown");
  w->Key("name").String(rule.rule.name());
  w->Key("query").String(rule.rule.parsed != nullptr ? logql::Print(*rule.rule.parsed) : rule.rule.expr);
  if (is_alert) {
    w->Key("duration").Double(Seconds(rule.rule.for_ns));
    if (rule.rule.keep_firing_for_ns > 0)
      w->Key("keepFiringFor").Double(Seconds(rule.rule.keep_firing_for_ns));
  }
  PutMap(w, "labels", rule.labels);
  if (is_alert) {
    PutMap(w, "annotations", rule.rule.annotations);
    w->Key("alerts").BeginArray();
    for (const rules::AlertInstance& alert : rule.alerts) PutAlert(w, alert);
    w->EndArray();
  }
  constexpr std::string_view kHealth[] = {"unknown", "ok", "err"};
  w->Key("health").String(kHealth[static_cast<size_t>(rule.health)]);
  w->Key("lastError").String(rule.error);
  w->Key("type").String(is_alert ? "alerting" : "recording");
  w->Key("lastEvaluation").String(TimeText(rule.last_evaluation_ns));
  w->Key("evaluationTime").Double(Seconds(rule.duration_ns));
  w->EndObject();
}

HttpResponse StateError(int status, std::string_view type, std::string_view message) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject().Key("status").String("error").Key("data").Null().Key("errorType").String(type);
  w.Key("error").String(message).EndObject();
  return TextResponse(status, std::move(body));
}

HttpResponse Success(int status, const std::function<void(JsonWriter*)>& data) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  JsonWriter w(&response.body);
  w.BeginObject().Key("status").String("success").Key("data");
  data(&w);
  w.Key("errorType").String("").Key("error").String("").EndObject();
  return response;
}

HttpResponse GetState(RulesService* service, const HttpRequest&, const std::string& tenant,
                      const Params& params) {
  const std::string_view type = params.Get("type");
  if (!type.empty() && type != "alert" && type != "record") {
    return StateError(400, "bad_data", fmt::format("not supported value \"{}\"", type));
  }
  const auto any_of = [&params](const char* key) {
    const std::vector<std::string> all = params.All(key);
    return std::set<std::string>(all.begin(), all.end());
  };
  const std::set<std::string> files = any_of("file");
  const std::set<std::string> groups = any_of("rule_group");
  const std::set<std::string> names = any_of("rule_name");
  const auto passes = [](const std::set<std::string>& wanted, const std::string& value) {
    return wanted.empty() || wanted.count(value) > 0;
  };
  return Success(200, [&](JsonWriter* w) {
    w->BeginObject().Key("groups").BeginArray();
    for (const GroupStatus& group : service->manager()->Status(tenant)) {
      if (!passes(files, group.file) || !passes(groups, group.name)) continue;
      std::vector<const RuleStatus*> rules;
      for (const RuleStatus& rule : group.rules) {
        if (!type.empty() && (type == "alert") != rule.rule.is_alert()) continue;
        if (passes(names, rule.rule.name())) rules.push_back(&rule);
      }
      if (rules.empty() && !group.rules.empty()) continue;
      w->BeginObject().Key("name").String(group.name).Key("file").String(group.file);
      w->Key("rules").BeginArray();
      for (const RuleStatus* rule : rules) PutRule(w, *rule);
      w->EndArray();
      w->Key("interval").Double(Seconds(group.interval_ns)).Key("limit").Int(group.limit);
      w->Key("lastEvaluation").String(TimeText(group.last_evaluation_ns));
      w->Key("evaluationTime").Double(Seconds(group.duration_ns));
      w->EndObject();
    }
    w->EndArray().EndObject();
  });
}

HttpResponse GetAlerts(RulesService* service, const HttpRequest&, const std::string& tenant, const Params&) {
  return Success(200, [&](JsonWriter* w) {
    w->BeginObject().Key("alerts").BeginArray();
    for (const GroupStatus& group : service->manager()->Status(tenant)) {
      for (const RuleStatus& rule : group.rules) {
        for (const rules::AlertInstance& alert : rule.alerts) PutAlert(w, alert);
      }
    }
    w->EndArray().EndObject();
  });
}

HttpResponse Yaml(std::string body) {
  HttpResponse response;
  response.content_type = kYamlType;
  response.body = std::move(body);
  return response;
}

HttpResponse Accepted() {
  return Success(202, [](JsonWriter* w) { w->Null(); });
}

// Names in paths are escaped once more, so that a slash can stand in them.
std::string NameParam(const HttpRequest& request, std::string_view key) {
  const std::string_view text = request.PathParam(key);
  const absl::StatusOr<std::string> decoded = UrlDecode(text, false);
  return decoded.ok() ? *decoded : std::string(text);
}

std::string Indented(const std::string& yaml, int spaces) {
  std::string out;
  size_t begin = 0;
  while (begin < yaml.size()) {
    size_t end = yaml.find('\n', begin);
    if (end == std::string::npos) end = yaml.size();
    if (end > begin) out += std::string(static_cast<size_t>(spaces), ' ') + yaml.substr(begin, end - begin);
    out.push_back('\n');
    begin = end + 1;
  }
  return out;
}

std::string NamespacesYaml(const std::map<std::string, std::vector<RuleGroup>>& namespaces) {
  if (namespaces.empty()) return "{}\n";
  std::string out;
  for (const auto& [name, groups] : namespaces) {
    std::string quoted;
    AppendJsonString(&quoted, name);
    const bool plain =
        !name.empty() &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") ==
            std::string::npos &&
        std::isalpha(static_cast<unsigned char>(name[0])) != 0;
    out += (plain ? name : quoted) + ":\n";
    for (const RuleGroup& group : groups) {
      std::string item = Indented(rules::RuleGroupYaml(group), 6);
      item[4] = '-';
      out += item;
    }
  }
  return out;
}

HttpResponse ListRules(RulesService* service, const HttpRequest& request, const std::string& tenant,
                       const Params& params) {
  std::map<std::string, std::vector<RuleGroup>> all = service->manager()->Namespaces(tenant);
  if (const std::string name = NameParam(request, "namespace"); !name.empty()) {
    std::erase_if(all, [&](const auto& item) { return item.first != name; });
  }
  if (all.empty()) return TextResponse(404, "no rule groups found\n");
  if (const std::string_view filter = params.Get("labels"); !filter.empty()) {
    std::vector<std::pair<std::string, std::string>> wanted;
    for (size_t begin = 0; begin <= filter.size();) {
      const size_t end = std::min(filter.find(',', begin), filter.size());
      const std::string_view part = filter.substr(begin, end - begin);
      const size_t colon = part.find(':');
      if (colon == std::string_view::npos) {
        return StateError(400, "bad_data", fmt::format("labels: \"{}\" is not of the form name:value", part));
      }
      wanted.emplace_back(part.substr(0, colon), part.substr(colon + 1));
      begin = end + 1;
    }
    for (auto& [name, groups] : all) {
      for (RuleGroup& group : groups) {
        std::erase_if(group.rules, [&](const rules::Rule& rule) {
          for (const auto& [label, value] : wanted) {
            const auto it = rule.labels.find(label);
            if (it == rule.labels.end() || it->second != value) return true;
          }
          return false;
        });
      }
      std::erase_if(groups, [](const RuleGroup& group) { return group.rules.empty(); });
    }
    std::erase_if(all, [](const auto& item) { return item.second.empty(); });
  }
  return Yaml(NamespacesYaml(all));
}

HttpResponse GetGroup(RulesService* service, const HttpRequest& request, const std::string& tenant,
                      const Params&) {
  const std::map<std::string, std::vector<RuleGroup>> all = service->manager()->Namespaces(tenant);
  const auto it = all.find(NameParam(request, "namespace"));
  if (it != all.end()) {
    for (const RuleGroup& group : it->second) {
      if (group.name == NameParam(request, "group")) return Yaml(rules::RuleGroupYaml(group));
    }
  }
  return TextResponse(404, "group does not exist\n");
}

HttpResponse ChangeAnswer(const absl::Status& status) {
  if (status.ok()) return Accepted();
  const std::string message(MessageOf(status));
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return TextResponse(404, message + "\n");
    case absl::StatusCode::kInvalidArgument:
      return TextResponse(400, message + "\n");
    default:
      return StateError(500, "server_error", message);
  }
}

HttpResponse SetGroup(RulesService* service, const HttpRequest& request, const std::string& tenant,
                      const Params&) {
  const std::string name = NameParam(request, "namespace");
  rules::RuleFileResult result = rules::ReadRuleGroup(request.body, name);
  if (!result.ok()) return TextResponse(400, result.Errors() + "\n");
  return ChangeAnswer(service->manager()->SetGroup(tenant, name, std::move(result.file.groups[0])));
}

HttpResponse DeleteGroup(RulesService* service, const HttpRequest& request, const std::string& tenant,
                         const Params&) {
  return ChangeAnswer(
      service->manager()->DeleteGroup(tenant, NameParam(request, "namespace"), NameParam(request, "group")));
}

HttpResponse DeleteNamespace(RulesService* service, const HttpRequest& request, const std::string& tenant,
                             const Params&) {
  return ChangeAnswer(service->manager()->DeleteNamespace(tenant, NameParam(request, "namespace")));
}

using Work = HttpResponse (*)(RulesService*, const HttpRequest&, const std::string&, const Params&);

// reads: rules of several tenants at once, a|b, can be looked at; they are written as files.
Route MakeRoute(RulesService* service, Work work, bool reads) {
  Route route;
  route.handle = [service, work, reads](const HttpRequestPtr& request, const ResponderPtr& responder) {
    const std::string_view header = request->Header("X-Scope-OrgID");
    const TenantOrError tenant = reads ? ResolveTenants(service->auth_enabled(), header)
                                       : ResolveTenant(service->auth_enabled(), header, false);
    if (tenant.tenant.empty())
      return responder->Send(StateError(tenant.status, "server_error", tenant.message));
    HttpRequest for_params;
    for_params.raw_query = request->raw_query;
    const absl::StatusOr<Params> params = Params::Of(for_params);
    if (!params.ok()) return responder->Send(StateError(400, "bad_data", MessageOf(params.status())));
    responder->Send(work(service, *request, tenant.tenant, *params));
  };
  return route;
}

}  // namespace

void AddRulesRoutes(RulesService* service, Router* router) {
  const auto add = [&](const char* method, const std::string& path, Work work) {
    router->Add({method}, path, MakeRoute(service, work, method == std::string_view("GET")));
  };
  for (const std::string prefix : {"/loki/api/v1/rules", "/api/prom/rules"}) {
    add("GET", prefix, ListRules);
    add("GET", prefix + "/{namespace}", ListRules);
    add("GET", prefix + "/{namespace}/{group}", GetGroup);
    add("POST", prefix + "/{namespace}", SetGroup);
    add("DELETE", prefix + "/{namespace}/{group}", DeleteGroup);
    add("DELETE", prefix + "/{namespace}", DeleteNamespace);
  }
  for (const std::string prefix : {"/prometheus/api/v1", "/api/prom/api/v1"}) {
    add("GET", prefix + "/rules", GetState);
    add("GET", prefix + "/alerts", GetAlerts);
  }
}

}  // namespace skald::server
