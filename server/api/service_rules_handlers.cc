// What a swarm listener calls when services come, change and go: docker-flow-monitor's requests, whose alerts
// are LogQL here.
#include <fmt/format.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "server/http/params.h"
#include "server/http/url.h"
#include "server/rules/rules_service.h"
#include "server/tenant/tenant.h"
#include "text/duration.h"

namespace skald::server {
namespace {

// Who said it, beside the agents.
constexpr const char* kSource = "http";

using Work = HttpResponse (*)(RulesService*, const std::string& tenant, const FormPairs&);

HttpResponse Answer(int status, const std::string& message, const std::string& service,
                    const std::vector<rules::Rule>& alerts) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  JsonWriter w(&response.body);
  w.BeginObject().Key("Status").Int(status).Key("Message").String(message).Key("Alerts").BeginArray();
  for (const rules::Rule& rule : alerts) {
    w.BeginObject().Key("alertAnnotations").BeginObject();
    for (const auto& [name, value] : rule.annotations) w.Key(name).String(value);
    w.EndObject().Key("alertFor").String(FormatPrometheusDuration(rule.for_ns));
    w.Key("alertIf").String(rule.expr).Key("alertLabels").BeginObject();
    for (const auto& [name, value] : rule.labels) w.Key(name).String(value);
    w.EndObject().Key("alertNameFormatted").String(rule.alert).Key("serviceName").String(service).EndObject();
  }
  w.EndArray().Key("ServiceName").String(service).EndObject();
  return response;
}

std::string ServiceName(const FormPairs& params) {
  for (const auto& [name, value] : params) {
    if (name == "serviceName") return value;
  }
  return "";
}

HttpResponse Reconfigure(RulesService* service, const std::string& tenant, const FormPairs& params) {
  rules::ServiceDeclaration declaration;
  declaration.service = ServiceName(params);
  if (declaration.service.empty()) return Answer(400, "serviceName is missing", "", {});
  declaration.labels["com.df.notify"] = "true";  // the listener speaks of no others
  for (const auto& [name, value] : params) {
    if (name.starts_with("skald.io/")) {
      declaration.labels[name] = value;
    } else if (name.starts_with("alert")) {
      declaration.labels["com.df." + name] = value;
    }  // the rest is about scraping
  }
  const absl::Status status = service->services()->Set(tenant, kSource, declaration);
  const std::vector<rules::Rule> alerts = service->services()->RulesOf(tenant, declaration.service);
  if (status.ok()) return Answer(200, "", declaration.service, alerts);
  const int code = status.code() == absl::StatusCode::kInvalidArgument ? 400 : 500;
  return Answer(code, std::string(MessageOf(status)), declaration.service, alerts);
}

HttpResponse Remove(RulesService* service, const std::string& tenant, const FormPairs& params) {
  const std::string name = ServiceName(params);
  if (name.empty()) return Answer(400, "serviceName is missing", "", {});
  const absl::Status status = service->services()->Remove(tenant, kSource, name);
  return Answer(status.ok() ? 200 : 500, std::string(MessageOf(status)), name,
                service->services()->RulesOf(tenant, name));
}

HttpResponse Ping(RulesService*, const std::string&, const FormPairs&) { return Answer(200, "", "", {}); }

Route MakeRoute(RulesService* service, Work work) {
  Route route;
  route.handle = [service, work](const HttpRequestPtr& request, const ResponderPtr& responder) {
    const TenantOrError tenant =
        ResolveTenant(service->auth_enabled(), request->Header("X-Scope-OrgID"), false);
    if (tenant.tenant.empty()) return responder->Send(Answer(tenant.status, "no org id", "", {}));
    FormPairs params;
    if (const absl::Status status = ParseForm(request->raw_query, &params); !status.ok()) {
      return responder->Send(Answer(400, std::string(MessageOf(status)), "", {}));
    }
    responder->Send(work(service, tenant.tenant, params));
  };
  return route;
}

}  // namespace

void AddServiceRulesRoutes(RulesService* service, Router* router) {
  const std::string prefix = "/v1/docker-flow-monitor";
  const auto add = [&](const std::string& path, Work work) {
    router->Add({"GET", "POST", "PUT"}, prefix + path, MakeRoute(service, work));
  };
  add("/reconfigure", Reconfigure);
  add("/remove", Remove);
  add("/ping", Ping);
}

}  // namespace skald::server
