#include "cli/http_client.h"

#include "base/error.h"
#include "base/status_macros.h"
#include "cli/curl_handle.h"

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

HttpClient::HttpClient(Connection connection)
    : connection_(std::move(connection)), handle_(std::make_unique<CurlHandle>()) {
  while (!connection_.address.empty() && connection_.address.back() == '/') connection_.address.pop_back();
  CURL* curl = handle_->curl;
  if (curl == nullptr) return;
  handle_->Configure(connection_);
  for (const auto& [name, value] : handle_->RequestHeaders(connection_))
    handle_->AddHeader(name + ": " + value);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, handle_->headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, AppendBody);
  if (connection_.compress) curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
}

HttpClient::~HttpClient() = default;

absl::StatusOr<std::string> HttpClient::Get(std::string_view path, const Parameters& parameters) {
  CURL* curl = handle_->curl;
  if (curl == nullptr) return Internal("libcurl cannot be set up");
  RETURN_IF_ERROR(CheckAddress(connection_));
  std::string url = connection_.address;
  url += path;
  if (!parameters.empty()) url += "?" + EncodeParameters(parameters);
  std::string body;
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return handle_->ErrorOf(code, connection_);
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status > 299) return AnswerError(status, body, path);
  return body;
}

}  // namespace skald::cli
