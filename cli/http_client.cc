#include "cli/http_client.h"

#include <curl/curl.h>

#include "base/error.h"

namespace skald::cli {
namespace {

size_t AppendBody(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

bool IsUnreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

void AppendEncoded(std::string* out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    if (IsUnreserved(c)) {
      *out += raw;
    } else {
      *out += '%';
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
    }
  }
}

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
    default:
      return Unavailable("{}: {}", address, detail);
  }
}

absl::Status AnswerError(long code, std::string_view body, std::string_view path) {
  body = TrimNewlines(body);
  if (code == 401 || code == 403)
    return PermissionDenied("the server refused ({}): {}\n  give --org-id, --username or --bearer-token",
                            code, body);
  if (code == 404)
    return NotFound("the server knows no {} (404): {}\n  is --addr the address of a skald or Loki server?",
                    path, body);
  if (code == 429) return ResourceExhausted("the server is too busy (429): {}", body);
  if (code >= 500) return Internal("the server failed ({}): {}", code, body);
  return InvalidArgument("the server refused ({}): {}", code, body);
}

}  // namespace

std::string EncodeParameters(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    AppendEncoded(&out, name);
    out += '=';
    AppendEncoded(&out, value);
  }
  return out;
}

struct HttpClient::Handle {
  Handle() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
  }
  ~Handle() {
    curl_slist_free_all(headers);
    if (curl != nullptr) curl_easy_cleanup(curl);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void AddHeader(const std::string& header) { headers = curl_slist_append(headers, header.c_str()); }

  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = {};
};

HttpClient::HttpClient(Connection connection)
    : connection_(std::move(connection)), handle_(std::make_unique<Handle>()) {
  while (!connection_.address.empty() && connection_.address.back() == '/') connection_.address.pop_back();
  CURL* curl = handle_->curl;
  if (curl == nullptr) return;
  if (!connection_.org_id.empty()) handle_->AddHeader("X-Scope-OrgID: " + connection_.org_id);
  if (!connection_.bearer_token.empty())
    handle_->AddHeader("Authorization: Bearer " + connection_.bearer_token);
  if (!connection_.query_tags.empty()) handle_->AddHeader("X-Query-Tags: " + connection_.query_tags);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, handle_->headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "skaldctl");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, AppendBody);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(connection_.timeout_seconds));
  if (!connection_.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, connection_.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, connection_.password.c_str());
  }
  if (!connection_.ca_certificate.empty())
    curl_easy_setopt(curl, CURLOPT_CAINFO, connection_.ca_certificate.c_str());
  if (connection_.skip_tls_verify) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (connection_.compress) curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
}

HttpClient::~HttpClient() = default;

absl::StatusOr<std::string> HttpClient::Get(std::string_view path, const Parameters& parameters) {
  CURL* curl = handle_->curl;
  if (curl == nullptr) return Internal("libcurl cannot be set up");
  if (connection_.address.rfind("http://", 0) != 0 && connection_.address.rfind("https://", 0) != 0) {
    return InvalidArgument("--addr {} is not an http:// or https:// address", connection_.address);
  }
  std::string url = connection_.address;
  url += path;
  if (!parameters.empty()) url += "?" + EncodeParameters(parameters);
  std::string body;
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return ConnectionError(code, handle_->error[0] != '\0' ? handle_->error : curl_easy_strerror(code),
                           connection_);
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status > 299) return AnswerError(status, body, path);
  return body;
}

}  // namespace skald::cli
