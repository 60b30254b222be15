#include "base/http_post.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <mutex>

#include "base/file.h"
#include "base/oauth2.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr size_t kMaxBody = 1024;

std::string Trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
  size_t begin = 0;
  while (begin < text.size() && std::isspace(static_cast<unsigned char>(text[begin])) != 0) ++begin;
  return text.substr(begin);
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* body = static_cast<std::string*>(user);
  body->append(data, std::min(size * count, kMaxBody - std::min(kMaxBody, body->size())));
  return size * count;
}

struct Stream {
  CURL* curl = nullptr;
  const HttpPoster::TakeBody* take = nullptr;
  std::string* body = nullptr;
  bool begun = false;
};

size_t OnStream(char* data, size_t size, size_t count, void* user) {
  auto* stream = static_cast<Stream*>(user);
  long status = 0;
  curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status / 100 != 2) return OnBody(data, size, count, stream->body);
  stream->begun = true;
  return (*stream->take)({data, size * count}) ? size * count : 0;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(user))() ? 1 : 0;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  std::string line(data, size * count);
  constexpr std::string_view kName = "retry-after:";
  std::string lower = line.substr(0, kName.size());
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == kName) *static_cast<std::string*>(user) = Trimmed(line.substr(kName.size()));
  return size * count;
}

}  // namespace

struct HttpPoster::Handle {
  CURL* curl = nullptr;
};

struct HttpPoster::Request {
  std::string url;
  int64_t timeout_ms = 0;
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
  const std::string* post = nullptr;  // nullptr = a GET
  const TakeBody* take = nullptr;
  const std::function<bool()>* stop = nullptr;
};

std::string HttpResult::Text() const {
  if (status == 0) return error;
  return body.empty() ? fmt::format("status {}", status)
                      : fmt::format("status {}: {}", status, Trimmed(body));
}

absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadWholeFile(path));
  return Trimmed(std::move(text));
}

HttpPoster::HttpPoster(HttpTarget target) : target_(std::move(target)), handle_(std::make_unique<Handle>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_->curl = curl_easy_init();
}

HttpPoster::~HttpPoster() {
  if (handle_->curl != nullptr) curl_easy_cleanup(handle_->curl);
}

HttpResult HttpPoster::Post(const std::string& body,
                            const std::vector<std::pair<std::string, std::string>>& headers) {
  Request request;
  request.url = target_.url;
  request.timeout_ms = target_.timeout_ms;
  request.headers = &headers;
  request.post = &body;
  return Perform(request);
}

HttpResult HttpPoster::Post(const std::string& body,
                            const std::vector<std::pair<std::string, std::string>>& headers,
                            const TakeBody& take) {
  Request request;
  request.url = target_.url;
  request.timeout_ms = target_.timeout_ms;
  request.headers = &headers;
  request.post = &body;
  request.take = &take;
  return Perform(request);
}

HttpResult HttpPoster::Get(const std::string& path, const TakeBody& take, const std::function<bool()>& stop,
                           int64_t timeout_ms) {
  Request request;
  request.url = target_.url + path;
  request.timeout_ms = timeout_ms;
  request.take = &take;
  request.stop = &stop;
  return Perform(request);
}

HttpResult HttpPoster::Perform(const Request& request) {
  if (target_.oauth2 == nullptr) return PerformOnce(request, "");
  HttpResult result;
  for (const bool last : {false, true}) {
    const absl::StatusOr<std::string> authorization = target_.oauth2->Authorization();
    if (!authorization.ok()) {
      result = {};
      result.error = std::string(authorization.status().message());
      return result;
    }
    result = PerformOnce(request, *authorization);
    // A token may be taken back before its time: once, another one is asked for.
    if (result.status != 401 || last) break;
    target_.oauth2->Forget(*authorization);
  }
  return result;
}

HttpResult HttpPoster::PerformOnce(const Request& request, const std::string& authorization) {
  HttpResult result;
  CURL* curl = handle_->curl;
  if (curl == nullptr) {
    result.error = "no HTTP client";
    return result;
  }
  // The connection stays over a reset.
  curl_easy_reset(curl);
  if (!target_.unix_socket.empty())
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, target_.unix_socket.c_str());
  std::string retry_after;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min<int64_t>(request.timeout_ms, 5000)));
  Stream stream{curl, request.take, &result.body};
  if (request.post != nullptr) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.post->data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.post->size()));
  }
  if (request.take == nullptr) {
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &result.body);
  } else {
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnStream);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &stream);
  }
  if (request.stop != nullptr) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, request.stop);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &retry_after);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "skald");

  const auto secret = [&](const std::string& value, const std::string& file) {
    if (file.empty()) return value;
    const absl::StatusOr<std::string> text = ReadSecret(file);
    if (!text.ok()) result.error = std::string(text.status().message());
    return text.value_or("");
  };
  curl_slist* list = nullptr;
  const auto add = [&list](const std::string& name, const std::string& value) {
    list = curl_slist_append(list, (name + ": " + value).c_str());
  };
  for (const auto& [name, value] : target_.headers) add(name, value);
  if (request.headers != nullptr) {
    for (const auto& [name, value] : *request.headers) add(name, value);
  }
  add("Expect", "");
  const std::string credentials =
      authorization.empty() ? secret(target_.credentials, target_.credentials_file) : std::string();
  if (!authorization.empty()) add("Authorization", authorization);
  if (!credentials.empty()) add("Authorization", target_.authorization_type + " " + credentials);
  const std::string password = secret(target_.basic_password, target_.basic_password_file);
  if (!target_.basic_username.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(curl, CURLOPT_USERNAME, target_.basic_username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  if (!target_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, target_.ca_file.c_str());
  if (!target_.cert_file.empty()) curl_easy_setopt(curl, CURLOPT_SSLCERT, target_.cert_file.c_str());
  if (!target_.key_file.empty()) curl_easy_setopt(curl, CURLOPT_SSLKEY, target_.key_file.c_str());
  const auto use_pem = [curl](CURLoption option, const std::string& pem) {
    if (pem.empty()) return;
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
    curl_easy_setopt(curl, option, &blob);
  };
  use_pem(CURLOPT_CAINFO_BLOB, target_.ca_pem);
  use_pem(CURLOPT_SSLCERT_BLOB, target_.cert_pem);
  use_pem(CURLOPT_SSLKEY_BLOB, target_.key_pem);
  curl_slist* connect_to = nullptr;
  std::string url = request.url;
  if (!target_.server_name.empty()) {
    // The certificate is checked against server_name: the name goes into the URL, the connection to the host.
    const size_t begin = url.find("://") + 3;
    const size_t end = std::min(url.find('/', begin), url.size());
    const std::string authority = url.substr(begin, end - begin);
    const size_t colon = authority.rfind(':');
    const std::string host = authority.substr(0, colon);
    const std::string port = colon == std::string::npos ? "443" : authority.substr(colon + 1);
    url.replace(begin, end - begin, target_.server_name + ":" + port);
    connect_to =
        curl_slist_append(nullptr, fmt::format("{}:{}:{}:{}", target_.server_name, port, host, port).c_str());
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to);
  }
  if (target_.insecure_skip_verify) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  curl_slist* proxy_headers = nullptr;
  if (!target_.proxy_url.empty()) {
    curl_easy_setopt(curl, CURLOPT_PROXY, target_.proxy_url.c_str());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, target_.no_proxy.c_str());  // in place of the environment's
    for (const auto& [name, value] : target_.proxy_headers)
      proxy_headers = curl_slist_append(proxy_headers, (name + ": " + value).c_str());
    curl_easy_setopt(curl, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
    curl_easy_setopt(curl, CURLOPT_PROXYHEADER, proxy_headers);
  }
  const CURLcode code = result.error.empty() ? curl_easy_perform(curl) : CURLE_READ_ERROR;
  if (code == CURLE_OK || stream.begun) {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    result.status = static_cast<int>(status);
    if (!retry_after.empty()) result.retry_after_ms = ParseRetryAfter(retry_after, std::time(nullptr));
  } else if (result.error.empty()) {
    result.error = error[0] != '\0' ? error : curl_easy_strerror(code);
  }
  curl_slist_free_all(list);
  curl_slist_free_all(connect_to);
  curl_slist_free_all(proxy_headers);
  return result;
}

int64_t ParseRetryAfter(const std::string& value, int64_t now_seconds) {
  if (value.empty()) return 0;
  if (value.size() < 8 && value.find_first_not_of("0123456789") == std::string::npos) {
    return std::stoll(value) * 1000;
  }
  const time_t date = curl_getdate(value.c_str(), nullptr);
  return date <= now_seconds ? 0 : (static_cast<int64_t>(date) - now_seconds) * 1000;
}

std::string PublicUrl(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const size_t end = std::min(url.find('/', scheme + 3), url.size());
  const size_t at = url.rfind('@', end);
  if (at == std::string::npos || at < scheme) return url;
  return url.substr(0, scheme + 3) + url.substr(at + 1);
}

}  // namespace skald
