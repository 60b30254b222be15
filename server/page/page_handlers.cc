#include "server/page/page_handlers.h"

#include <simdjson.h>

#include <atomic>

#include "base/content_encoding.h"
#include "base/error.h"
#include "base/http_get.h"
#include "base/json_writer.h"
#include "server/config.h"
#include "server/http/params.h"
#include "server/http/url.h"
#include "server/page/page_assets.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

constexpr int64_t kPrometheusTimeoutMs = 60'000;
constexpr int64_t kAgentTimeoutMs = 3'000;
constexpr size_t kMaxAnswerBytes = size_t{32} << 20;
constexpr size_t kMaxAgents = 500;

// Scripts, styles and data from this server and nowhere else; nothing inline, nothing framed.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

bool TakesGzip(const HttpRequest& request) {
  return request.Header("Accept-Encoding").find("gzip") != std::string_view::npos;
}

HttpResponse AnswerAsset(const PageAsset& asset, const HttpRequest& request) {
  HttpResponse response;
  response.headers = {{"ETag", std::string(asset.etag)},
                      // Asked for anew each time, sent only when it has changed.
                      {"Cache-Control", "no-cache"},
                      {"Vary", "Accept-Encoding"},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}};
  if (request.Header("If-None-Match").find(asset.etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.content_type = asset.content_type;
  if (TakesGzip(request)) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset.gzip;
    return response;
  }
  absl::StatusOr<std::string> plain = DecodeContent(ContentEncoding::kGzip, asset.gzip, uint64_t{64} << 20);
  if (!plain.ok()) return TextResponse(500, std::string(MessageOf(plain.status())));
  response.body = *std::move(plain);
  return response;
}

HttpResponse AnswerInfo(const PageService& service) {
  std::string body;
  JsonWriter(&body)
      .BeginObject()
      .Key("version")
      .String(kVersion)
      .Key("prometheus")
      .Bool(!service.config->prometheus_url.empty())
      .Key("agents")
      .Bool(!service.config->agents.empty())
      .Key("trace_url")
      .String(service.config->trace_url)
      .Key("auth")
      .Bool(service.auth_enabled)
      .EndObject();
  return JsonResponse(std::move(body));
}

// Asks the configured Prometheus; `names` of the parameters go with it, all others do not.
HttpResponse AskPrometheus(const PageService& service, const HttpRequest& request, std::string_view path,
                           std::initializer_list<std::string_view> names) {
  if (service.config->prometheus_url.empty()) {
    return TextResponse(404, "no Prometheus is configured (page.prometheus)\n");
  }
  const absl::StatusOr<Params> params = Params::Of(request);
  if (!params.ok()) return TextResponse(400, std::string(MessageOf(params.status())));
  std::string url = service.config->prometheus_url;
  while (url.ends_with('/')) url.pop_back();
  url += path;
  char separator = '?';
  for (const std::string_view name : names) {
    const std::string_view value = params->Get(name);
    if (value.empty()) continue;
    url += fmt::format("{}{}={}", separator, name, UrlEncode(value));
    separator = '&';
  }
  const absl::StatusOr<HttpGetAnswer> answer = HttpGet(url, "", kPrometheusTimeoutMs, kMaxAnswerBytes);
  if (!answer.ok()) {
    return TextResponse(502, fmt::format("Prometheus does not answer: {}", MessageOf(answer.status())));
  }
  HttpResponse response = JsonResponse(answer->body);
  response.status = answer->status;
  return response;
}

// One agent at one address.
struct AgentToAsk {
  std::string url;
  std::string address;  // "" = as the URL says
  std::string error;
  std::string targets;  // the agent's own JSON object
};

void AskAgent(AgentToAsk* agent) {
  std::string url = agent->url;
  while (url.ends_with('/')) url.pop_back();
  const absl::StatusOr<HttpGetAnswer> answer =
      HttpGet(url + "/targets", agent->address, kAgentTimeoutMs, kMaxAnswerBytes);
  if (!answer.ok()) {
    agent->error = MessageOf(answer.status());
    return;
  }
  simdjson::dom::parser parser;
  if (answer->status != 200 || !parser.parse(answer->body).is_object()) {
    agent->error = fmt::format("status {}, not an agent's list of files", answer->status);
    return;
  }
  agent->targets = answer->body;
}

HttpResponse AnswerTargets(const PageService& service) {
  std::vector<AgentToAsk> agents;
  for (const std::string& url : service.config->agents) {
    const absl::StatusOr<std::vector<std::string>> addresses = AddressesOf(url, kMaxAgents);
    if (!addresses.ok()) {
      agents.push_back({url, "", std::string(MessageOf(addresses.status())), ""});
      continue;
    }
    for (const std::string& address : *addresses) agents.push_back({url, address, "", ""});
  }
  service.pool->ParallelFor(static_cast<int>(agents.size()), [&agents](int i) {
    if (agents[i].error.empty()) AskAgent(&agents[i]);
  });
  std::string body;
  JsonWriter w(&body);
  w.BeginObject().Key("agents").BeginArray();
  for (const AgentToAsk& agent : agents) {
    w.BeginObject().Key("url").String(agent.url).Key("address").String(agent.address);
    w.Key("error").String(agent.error);
    if (!agent.targets.empty()) w.Key("targets").Raw(agent.targets);
    w.EndObject();
  }
  w.EndArray().EndObject();
  return JsonResponse(std::move(body));
}

}  // namespace

void AddPageRoutes(const PageService* service, Router* router) {
  for (const PageAsset& asset : PageAssets()) {
    Route route;
    route.handle = [&asset](const HttpRequestPtr& request, const ResponderPtr& responder) {
      responder->Send(AnswerAsset(asset, *request));
    };
    router->Add({"GET"}, std::string(asset.path), std::move(route));
  }
  Route info;
  info.handle = [service](const HttpRequestPtr&, const ResponderPtr& responder) {
    responder->Send(AnswerInfo(*service));
  };
  router->Add({"GET"}, "/skald/api/v1/page", std::move(info));

  // What waits for another program, behind the same door as questions.
  const auto add = [service, router](const std::string& path, auto answer) {
    Route route;
    route.handle = [service, answer](const HttpRequestPtr& request, const ResponderPtr& responder) {
      const TenantOrError tenant = ResolveTenants(service->auth_enabled, request->Header("X-Scope-OrgID"));
      if (tenant.tenant.empty()) return responder->Send(TenantErrorResponse(tenant, false));
      service->pool->Add([=] { responder->Send(answer(*service, *request)); });
    };
    router->Add({"GET"}, path, std::move(route));
  };
  add("/skald/api/v1/prometheus/query_range", [](const PageService& s, const HttpRequest& request) {
    return AskPrometheus(s, request, "/api/v1/query_range", {"query", "start", "end", "step"});
  });
  add("/skald/api/v1/prometheus/metric_names", [](const PageService& s, const HttpRequest& request) {
    return AskPrometheus(s, request, "/api/v1/label/__name__/values", {"start", "end"});
  });
  add("/skald/api/v1/targets", [](const PageService& s, const HttpRequest&) { return AnswerTargets(s); });
}

}  // namespace skald::server
