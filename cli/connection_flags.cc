#include "cli/connection_flags.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>

#include <CLI/CLI.hpp>

#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace skald::cli {
namespace {

std::optional<std::string> FromEnvironment(const char* name) {
  for (const char* program : {"SKALD_", "LOKI_"}) {
    const char* value = std::getenv((std::string(program) + name).c_str());
    if (value != nullptr && *value != '\0') return value;
  }
  return std::nullopt;
}

void Take(const char* name, std::string* value) {
  if (auto text = FromEnvironment(name)) *value = *std::move(text);
}

void Take(const char* name, bool* value) {
  if (const auto text = FromEnvironment(name)) *value = ParseConfigBool(*text).value_or(*value);
}

void Take(const char* name, int* value) {
  if (const auto text = FromEnvironment(name))
    std::from_chars(text->data(), text->data() + text->size(), *value);
}

// A number of seconds, as logcli has it, or a duration.
absl::Status ReadBackoff(const char* flag, const std::string& text, int64_t* ns) {
  if (text.empty()) return absl::OkStatus();
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size() && seconds >= 0 && seconds < 1'000'000) {
    *ns = seconds * kNsPerSecond;
    return absl::OkStatus();
  }
  const std::optional<int64_t> span = ParseConfigDuration(text);
  if (!span || *span < 0)
    return InvalidArgument("{} {} is neither seconds nor a span such as 500ms", flag, text);
  *ns = *span;
  return absl::OkStatus();
}

}  // namespace

ConnectionFlags::ConnectionFlags(CLI::App* app, Connection* connection) : connection_(connection) {
  Connection& c = *connection;
  Take("ADDR", &c.address);
  Take("ORG_ID", &c.org_id);
  Take("USERNAME", &c.username);
  Take("PASSWORD", &c.password);
  Take("BEARER_TOKEN", &c.bearer_token);
  Take("BEARER_TOKEN_FILE", &bearer_token_file_);
  Take("AUTH_HEADER", &c.auth_header);
  Take("QUERY_TAGS", &c.query_tags);
  Take("NO_CACHE", &c.no_cache);
  Take("CA_CERT_PATH", &c.ca_certificate);
  Take("CLIENT_CERT_PATH", &c.client_certificate);
  Take("CLIENT_KEY_PATH", &c.client_key);
  Take("TLS_SKIP_VERIFY", &c.skip_tls_verify);
  Take("HTTP_PROXY_URL", &c.proxy_url);
  Take("ENV_PROXY", &c.proxy_of_environment);
  Take("CLIENT_RETRIES", &c.retries);
  Take("CLIENT_MIN_BACKOFF", &min_backoff_);
  Take("CLIENT_MAX_BACKOFF", &max_backoff_);

  app->add_option("--addr", c.address, "Server address (SKALD_ADDR, LOKI_ADDR)")->capture_default_str();
  app->add_option("--org-id", c.org_id, "Tenant, sent as X-Scope-OrgID (LOKI_ORG_ID)");
  app->add_option("--username", c.username, "Basic authentication (LOKI_USERNAME)");
  app->add_option("--password", c.password, "Basic authentication (LOKI_PASSWORD)");
  app->add_option("--bearer-token", c.bearer_token, "Bearer authentication (LOKI_BEARER_TOKEN)");
  app->add_option("--bearer-token-file", bearer_token_file_,
                  "File that holds the bearer token (LOKI_BEARER_TOKEN_FILE)");
  app->add_option("--auth-header", c.auth_header, "Header that carries user or token (LOKI_AUTH_HEADER)")
      ->capture_default_str();
  app->add_option("--ca-cert", c.ca_certificate, "Certificate authority of the server (LOKI_CA_CERT_PATH)");
  app->add_option("--cert", c.client_certificate,
                  "Certificate to show to the server (LOKI_CLIENT_CERT_PATH)");
  app->add_option("--key", c.client_key, "Its key (LOKI_CLIENT_KEY_PATH)");
  app->add_flag("--tls-skip-verify", c.skip_tls_verify, "Trust any certificate (LOKI_TLS_SKIP_VERIFY)");
  app->add_option("--proxy-url", c.proxy_url, "HTTP proxy (LOKI_HTTP_PROXY_URL)");
  app->add_flag("--envproxy", c.proxy_of_environment, "Use the proxy that http_proxy names (LOKI_ENV_PROXY)");
  app->add_option("--query-tags", c.query_tags,
                  "Sent as X-Query-Tags, for the server's statistics (LOKI_QUERY_TAGS)");
  app->add_option("--header", headers_, "A header of each request, as 'Name: value' (repeatable)")
      ->allow_extra_args(false);
  app->add_flag("--nocache", c.no_cache, "Sent as Cache-Control: no-cache (LOKI_NO_CACHE)");
  app->add_flag("--compress", c.compress, "Ask for gzip answers");
  app->add_option("--retries", c.retries,
                  "Attempts after a request that got no answer, 429 or 5xx (LOKI_CLIENT_RETRIES)")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app->add_option("--min-backoff", min_backoff_,
                  "Pause before the second attempt, doubled for each further one");
  app->add_option("--max-backoff", max_backoff_, "Longest pause between attempts");
  app->add_option("--timeout", c.timeout_seconds, "Seconds a request may take, 0 = any")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
}

absl::Status ConnectionFlags::Finish() {
  if (!bearer_token_file_.empty()) {
    std::ifstream file(bearer_token_file_);
    if (!(file >> connection_->bearer_token))
      return InvalidArgument("--bearer-token-file {} cannot be read or is empty", bearer_token_file_);
  }
  if (connection_->client_certificate.empty() != connection_->client_key.empty())
    return InvalidArgument("--cert and --key go together: give both");
  for (const std::string& header : headers_) {
    const size_t colon = header.find(':');
    if (colon == 0 || colon == std::string::npos || header.find_first_of("\r\n") != std::string::npos)
      return InvalidArgument("--header {} is not of the form 'Name: value'", header);
    const size_t value = header.find_first_not_of(" \t", colon + 1);
    connection_->headers.emplace_back(header.substr(0, colon),
                                      value == std::string::npos ? "" : header.substr(value));
  }
  RETURN_IF_ERROR(ReadBackoff("--min-backoff", min_backoff_, &connection_->min_backoff_ns));
  return ReadBackoff("--max-backoff", max_backoff_, &connection_->max_backoff_ns);
}

}  // namespace skald::cli
