#include "cli/http_client.h"

#include <strings.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "cli/curl_handle.h"

namespace skald::cli {
namespace {

constexpr int64_t kFirstPauseNs = 500 * kNsPerMs;
constexpr int64_t kLongestPauseNs = 10 * kNsPerSecond;

size_t AppendBody(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

// Of the answer's headers the one that names a delete request.
size_t ReadHeader(char* data, size_t size, size_t count, void* out) {
  constexpr std::string_view kName = "X-Delete-Request-Id:";
  std::string_view line(data, size * count);
  if (line.size() > kName.size() && strncasecmp(data, kName.data(), kName.size()) == 0) {
    line.remove_prefix(kName.size());
    const size_t begin = line.find_first_not_of(' ');
    const size_t end = line.find_last_not_of("\r\n ");
    if (begin != std::string_view::npos)
      *static_cast<std::string*>(out) = line.substr(begin, end + 1 - begin);
  }
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

std::string EncodeSegment(const std::string& text) {
  std::string out;
  AppendEncoded(&out, text);
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
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, ReadHeader);
  if (connection_.compress) curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
}

HttpClient::~HttpClient() = default;

absl::StatusOr<std::string> HttpClient::Get(std::string_view path, const Parameters& parameters) {
  ASSIGN_OR_RETURN(Answer answer, Request("GET", path, parameters));
  return std::move(answer.body);
}

absl::StatusOr<HttpClient::Answer> HttpClient::Request(const char* method, std::string_view path,
                                                       const Parameters& parameters) {
  if (handle_->curl == nullptr) return Internal("libcurl cannot be set up");
  RETURN_IF_ERROR(CheckAddress(connection_));
  std::string url = connection_.address;
  url += path;
  if (!parameters.empty()) url += "?" + EncodeParameters(parameters);
  int64_t pause_ns = connection_.min_backoff_ns > 0 ? connection_.min_backoff_ns : kFirstPauseNs;
  const int64_t longest_ns = connection_.max_backoff_ns > 0 ? connection_.max_backoff_ns : kLongestPauseNs;
  for (int attempt = 0;; ++attempt) {
    absl::StatusOr<Answer> answer = Attempt(method, url, path);
    const absl::Status& status = answer.status();
    const bool may_pass = absl::IsUnavailable(status) || absl::IsInternal(status) ||
                          absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status);
    if (answer.ok() || !may_pass || attempt >= connection_.retries) return answer;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(pause_ns, longest_ns)));
    pause_ns = std::min(pause_ns * 2, longest_ns);
  }
}

absl::StatusOr<HttpClient::Answer> HttpClient::Attempt(const char* method, const std::string& url,
                                                       std::string_view path) {
  CURL* curl = handle_->curl;
  Answer answer;
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.delete_request_id);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return handle_->ErrorOf(code, connection_);
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status > 299) return AnswerError(status, answer.body, path);
  return answer;
}

}  // namespace skald::cli
