#include "server/api/delete_handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "query/logql/parser.h"
#include "server/http/url.h"
#include "server/tenant/tenant.h"
#include "text/duration.h"
#include "text/rfc3339.h"

namespace skald::server {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMaxIntervalNs = 24 * 3600 * kSecondNs;

// Ten digits of Unix seconds, or RFC 3339.
std::optional<int64_t> ParseDeleteTime(std::string_view text) {
  if (text.size() == 10 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return std::min(seconds, kMaxTimeNs / kSecondNs) * kSecondNs;
  }
  const absl::StatusOr<int64_t> parsed = ParseRfc3339(text);
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

std::string_view ValueOf(const FormPairs& params, std::string_view key) {
  for (const auto& [name, value] : params) {
    if (name == key) return value;
  }
  return {};
}

bool HasLineFilter(const logql::LogSelectorExpr& selector) { return !selector.stages.empty(); }

// InvalidArgument with Loki's text.
absl::StatusOr<DeleteRequest> ReadRequest(const FormPairs& params, int64_t now_ns) {
  const auto get = [&params](std::string_view key) -> std::string_view { return ValueOf(params, key); };
  DeleteRequest request;
  request.query = get("query");
  if (request.query.empty()) return InvalidArgument("query not set");
  const absl::StatusOr<logql::LogSelectorExpr> selector = logql::ParseLogSelector(request.query);
  if (!selector.ok()) return InvalidArgument("invalid query expression");
  if (get("start").empty()) return InvalidArgument("start time not set");
  const std::optional<int64_t> start = ParseDeleteTime(get("start"));
  if (!start.has_value())
    return InvalidArgument("invalid start time: require unix seconds or RFC3339 format");
  std::optional<int64_t> end = now_ns;
  if (!get("end").empty()) {
    end = ParseDeleteTime(get("end"));
    if (!end.has_value()) return InvalidArgument("invalid end time: require unix seconds or RFC3339 format");
    if (*end > now_ns) return InvalidArgument("deletes in the future are not allowed");
  }
  if (*start >= *end) return InvalidArgument("start time can't be greater than or equal to end time");
  if (HasLineFilter(*selector) && !get("max_interval").empty()) {
    const absl::StatusOr<int64_t> interval = ParseGoDuration(get("max_interval"));
    if (!interval.ok()) return InvalidArgument("invalid max_interval: valid time units are 's', 'm', 'h'");
    if (*interval > kMaxIntervalNs)
      return InvalidArgument("max_interval can't be greater than {}", FormatGoDuration(kMaxIntervalNs));
    if (*interval > *end - *start) {
      return InvalidArgument("max_interval can't be greater than the interval to be deleted ({})",
                             FormatGoDuration((*end - *start) / kNsPerMs * kNsPerMs));
    }
  }
  request.start_ns = *start;
  request.end_ns = *end;
  return request;
}

void AppendSeconds(std::string* out, int64_t ns) {
  const int64_t ms = ns / 1'000'000;
  *out += fmt::format("{}", ms / 1000);
  if (ms % 1000 == 0) return;
  *out += fmt::format(".{:03}", ms % 1000);
  while (out->back() == '0') out->pop_back();
}

std::string ListText(const std::vector<DeleteRequest>& requests) {
  std::string out = "[";
  for (const DeleteRequest& request : requests) {
    if (out.size() > 1) out += ',';
    out += "{\"request_id\":";
    AppendJsonString(&out, request.id);
    // Whole seconds: logcli takes no others.
    out += fmt::format(",\"start_time\":{},\"end_time\":{},\"query\":", request.start_ns / kSecondNs,
                       request.end_ns / kSecondNs);
    AppendJsonString(&out, request.query, JsonEscape::kHtml);
    const bool processed = request.processed_ns != 0;
    out += fmt::format(",\"status\":\"{}\",\"created_at\":", processed ? "processed" : "received");
    AppendSeconds(&out, request.created_ns);
    out += ",\"user_id\":\"\"";
    if (processed) {
      out += fmt::format(",\"removed_lines\":{},\"processed_at\":", request.removed_lines);
      AppendSeconds(&out, request.processed_ns);
    }
    out += "}";
  }
  out += "]\n";
  return out;
}

HttpResponse Error(int status, std::string_view text) {
  return TextResponse(status, std::string(text) + "\n");
}

HttpResponse ErrorOf(const absl::Status& status) {
  const int code = absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ? 400
                   : absl::IsNotFound(status)                                            ? 404
                                                                                         : 500;
  return Error(code, MessageOf(status));
}

HttpResponse Create(DeleteService* deletes, const Clock* clock, const std::string& tenant,
                    const FormPairs& params) {
  absl::StatusOr<DeleteRequest> request = ReadRequest(params, clock->NowNs());
  if (!request.ok()) return ErrorOf(request.status());
  request->tenant = tenant;
  const absl::StatusOr<std::string> id = deletes->Create(*std::move(request));
  if (!id.ok())
    return absl::IsInvalidArgument(id.status()) ? Error(400, "invalid query expression")
                                                : ErrorOf(id.status());
  HttpResponse response = EmptyResponse(204);
  response.headers.emplace_back("X-Delete-Request-Id", *id);
  return response;
}

HttpResponse List(DeleteService* deletes, const std::string& tenant, const FormPairs& params) {
  std::vector<DeleteRequest> requests = deletes->List(tenant);
  const std::string_view start_text = ValueOf(params, "start");
  const std::string_view end_text = ValueOf(params, "end");
  if (!start_text.empty() && !end_text.empty()) {
    const std::optional<int64_t> start = ParseDeleteTime(start_text);
    if (!start.has_value()) return Error(400, "invalid start time: require unix seconds or RFC3339 format");
    const std::optional<int64_t> end = ParseDeleteTime(end_text);
    if (!end.has_value()) return Error(400, "invalid end time: require unix seconds or RFC3339 format");
    std::erase_if(requests, [&](const DeleteRequest& r) { return r.start_ns > *end || r.end_ns < *start; });
  }
  HttpResponse response;
  response.content_type = "application/json";
  response.body = ListText(requests);
  return response;
}

HttpResponse Cancel(DeleteService* deletes, const std::string& tenant, const FormPairs& params) {
  const std::string_view id = ValueOf(params, "request_id");
  // Loki cancels all requests of the tenant then, which nobody means.
  if (id.empty()) return Error(400, "request_id not set");
  if (absl::Status status = deletes->Cancel(tenant, id, ValueOf(params, "force") == "true"); !status.ok())
    return ErrorOf(status);
  return EmptyResponse(204);
}

}  // namespace

void AddDeleteRoutes(const ServerConfig* config, const TenantLimits* limits, DeleteService* deletes,
                     const Clock* clock, std::function<void(std::function<void()>)> run, Router* router) {
  Route route;
  route.handle = [config, limits, deletes, clock, run = std::move(run)](const HttpRequestPtr& request,
                                                                        const ResponderPtr& responder) {
    run([=] {
      const TenantOrError tenant =
          ResolveTenant(config->auth_enabled, request->Header("X-Scope-OrgID"), true);
      if (tenant.tenant.empty()) return responder->Send(TenantErrorResponse(tenant, true));
      if (limits->Of(tenant.tenant)->deletion_mode == "disabled")
        return responder->Send(Error(403, "deletion is not available for this tenant"));
      // Of a query that does not decode, Loki takes what came before.
      FormPairs params;
      ParseForm(request->raw_query, &params).IgnoreError();
      responder->Send(request->method == "GET"      ? List(deletes, tenant.tenant, params)
                      : request->method == "DELETE" ? Cancel(deletes, tenant.tenant, params)
                                                    : Create(deletes, clock, tenant.tenant, params));
    });
  };
  router->Add({"POST", "PUT", "GET", "DELETE"}, "/loki/api/v1/delete", route);
}

}  // namespace skald::server
