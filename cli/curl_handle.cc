#include "cli/curl_handle.h"

#include <absl/strings/escaping.h>

#include "base/error.h"

namespace skald::cli {
namespace {

constexpr std::string_view kAuthorization = "Authorization";

std::string_view TrimNewlines(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

absl::Status ConnectionError(CURLcode code, const char* detail, const Connection& connection) {
  const std::string& address = connection.address;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return Unavailable(
          "no server answers at {}\n"
          "  start one here:   deploy/run\n"
          "  or name another:  --addr http://host:port, or SKALD_ADDR in the environment",
          address);
    case CURLE_COULDNT_RESOLVE_HOST:
      return Unavailable("{}: no such host ({}); check --addr, SKALD_ADDR and LOKI_ADDR", address, detail);
    case CURLE_OPERATION_TIMEDOUT:
      return DeadlineExceeded("{} gave no answer within {} s; ask for less, or raise --timeout", address,
                              connection.timeout_seconds);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return InvalidArgument("--addr {} is not an http:// or https:// address", address);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return PermissionDenied(
          "the certificate of {} is not trusted: {}\n"
          "  name its authority with --ca-cert FILE, or trust any certificate with --tls-skip-verify",
          address, detail);
    case CURLE_SSL_CERTPROBLEM:
      return InvalidArgument("--cert and --key cannot be used: {}", detail);
    default:
      return Unavailable("{}: {}", address, detail);
  }
}

}  // namespace

absl::Status AnswerError(long code, std::string_view body, std::string_view path) {
  body = TrimNewlines(body);
  if (code == 401 || code == 403)
    return PermissionDenied("the server refused ({}): {}\n  give --org-id, --username or --bearer-token",
                            code, body);
  if (code == 404)
    return NotFound("the server knows no {} (404): {}\n  is --addr the address of a skald or Loki server?",
                    path, body);
  if (code == 429)
    return ResourceExhausted("the server is too busy (429): {}\n  ask for less, or try again: --retries 5",
                             body);
  if (code >= 500) return Internal("the server failed ({}): {}", code, body);
  return InvalidArgument("the server refused ({}): {}", code, body);
}

CurlHandle::CurlHandle() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl = curl_easy_init();
}

CurlHandle::~CurlHandle() {
  curl_slist_free_all(headers);
  if (curl != nullptr) curl_easy_cleanup(curl);
}

void CurlHandle::Configure(const Connection& connection) {
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "skaldctl");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(connection.timeout_seconds));
  if (!connection.username.empty() && connection.auth_header == kAuthorization) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, connection.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, connection.password.c_str());
  }
  if (!connection.ca_certificate.empty())
    curl_easy_setopt(curl, CURLOPT_CAINFO, connection.ca_certificate.c_str());
  if (!connection.client_certificate.empty())
    curl_easy_setopt(curl, CURLOPT_SSLCERT, connection.client_certificate.c_str());
  if (!connection.client_key.empty()) curl_easy_setopt(curl, CURLOPT_SSLKEY, connection.client_key.c_str());
  // An empty proxy is none at all, whatever the environment says.
  if (!connection.proxy_url.empty() || !connection.proxy_of_environment)
    curl_easy_setopt(curl, CURLOPT_PROXY, connection.proxy_url.c_str());
  if (connection.skip_tls_verify) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

std::vector<std::pair<std::string, std::string>> CurlHandle::RequestHeaders(const Connection& connection) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!connection.org_id.empty()) out.emplace_back("X-Scope-OrgID", connection.org_id);
  if (!connection.bearer_token.empty())
    out.emplace_back(connection.auth_header, "Bearer " + connection.bearer_token);
  else if (!connection.username.empty() && connection.auth_header != kAuthorization)
    out.emplace_back(connection.auth_header,
                     "Basic " + absl::Base64Escape(connection.username + ":" + connection.password));
  out.insert(out.end(), connection.headers.begin(), connection.headers.end());
  if (connection.no_cache) out.emplace_back("Cache-Control", "no-cache");
  if (!connection.query_tags.empty()) out.emplace_back("X-Query-Tags", connection.query_tags);
  return out;
}

absl::Status CurlHandle::ErrorOf(CURLcode code, const Connection& connection) const {
  return ConnectionError(code, error[0] != '\0' ? error : curl_easy_strerror(code), connection);
}

absl::Status CheckAddress(const Connection& connection) {
  if (connection.address.starts_with("http://") || connection.address.starts_with("https://"))
    return absl::OkStatus();
  return InvalidArgument("--addr {} is not an http:// or https:// address", connection.address);
}

}  // namespace skald::cli
