#include "server/push/otlp_handler.h"

#include <fmt/format.h>

#include "proto/push/otlp_answer.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

HttpResponse OtlpError(int status, std::string_view message) {
  HttpResponse response;
  // The protocol's senders try again on 503 and give up on 500.
  response.status = status == 500 ? 503 : status;
  response.content_type = "application/octet-stream";
  response.body = OtlpErrorBody(message);
  return response;
}

}  // namespace

void AddOtlpRoutes(const ServerConfig* config, IngestService* ingest, Router* router) {
  Route route;
  route.max_body_bytes = config->push_max_bytes;
  route.too_large = [config, ingest](const HttpRequest& request, uint64_t size) {
    const TenantOrError tenant = ResolveTenant(config->auth_enabled, request.Header("X-Scope-OrgID"), true);
    if (!tenant.tenant.empty()) ingest->CountTooLarge(tenant.tenant, "otlp", size);
    // Loki stops to read one byte beyond it.
    return OtlpError(413, fmt::format("request body too large: message size too large than max ({} vs {})",
                                      config->push_max_bytes + 1, config->push_max_bytes));
  };
  route.handle = [config, ingest](const HttpRequestPtr& request, const ResponderPtr& responder) {
    TenantOrError tenant = ResolveTenant(config->auth_enabled, request->Header("X-Scope-OrgID"), true);
    if (tenant.status == 401) return responder->Send(TenantErrorResponse(tenant, true));
    if (tenant.tenant.empty()) return responder->Send(OtlpError(tenant.status, tenant.message));
    PushFormat format;
    format.content_type = request->Header("Content-Type");
    format.content_encoding = request->Header("Content-Encoding");
    format.policy = request->Header("X-Loki-Ingestion-Policy");
    // This handler is the request's last reader, so the body may leave it.
    std::string body = std::move(const_cast<HttpRequest&>(*request).body);
    ingest->PushOtlpBody(std::move(tenant.tenant), std::move(format), std::move(body),
                         [responder](PushError answer) {
                           if (answer.status == 204) return responder->Send(EmptyResponse(204));
                           responder->Send(OtlpError(answer.status, answer.message));
                         });
  };
  router->Add({"POST"}, "/otlp/v1/logs", route);
}

}  // namespace skald::server
