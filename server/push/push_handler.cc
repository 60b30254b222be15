#include "server/push/push_handler.h"

#include <fmt/format.h>

#include "server/tenant/tenant.h"

namespace skald::server {

void AddPushRoutes(const ServerConfig* config, IngestService* ingest, Router* router) {
  const auto add = [&](const std::string& path, bool legacy) {
    Route route;
    route.max_body_bytes = config->push_max_bytes;
    route.too_large = [config, ingest](const HttpRequest& request, uint64_t size) {
      // Loki reads JSON up to the cap and then complains about its sudden end.
      const bool json = request.Header("Content-Type").starts_with("application/json");
      const TenantOrError tenant = ResolveTenant(config->auth_enabled, request.Header("X-Scope-OrgID"), true);
      if (!json && !tenant.tenant.empty()) ingest->CountTooLarge(tenant.tenant, "loki", size);
      return TextResponse(json ? 400 : 413,
                          fmt::format("request body too large: message size too large than max ({} vs {})\n",
                                      size > 0 ? size : config->push_max_bytes + 1, config->push_max_bytes));
    };
    route.handle = [config, ingest, legacy](const HttpRequestPtr& request, const ResponderPtr& responder) {
      TenantOrError tenant = ResolveTenant(config->auth_enabled, request->Header("X-Scope-OrgID"), true);
      if (tenant.tenant.empty()) return responder->Send(TenantErrorResponse(tenant, true));
      PushFormat format;
      format.content_type = request->Header("Content-Type");
      format.content_encoding = request->Header("Content-Encoding");
      format.policy = request->Header("X-Loki-Ingestion-Policy");
      format.legacy = legacy;
      // This handler is the request's last reader, so the body may leave it.
      std::string body = std::move(const_cast<HttpRequest&>(*request).body);
      ingest->PushBody(std::move(tenant.tenant), std::move(format), std::move(body),
                       [responder](PushError answer) {
                         if (answer.status == 204) return responder->Send(EmptyResponse(204));
                         responder->Send(TextResponse(answer.status, answer.message + "\n"));
                       });
    };
    router->Add({"POST"}, path, route);
  };
  add("/loki/api/v1/push", false);
  add("/api/prom/push", true);
}

}  // namespace skald::server
