#include "base/http_get.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "base/error.h"

namespace skald {
namespace {

struct Body {
  std::string bytes;
  size_t most = 0;
  bool too_long = false;
};

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* body = static_cast<Body*>(user);
  if (body->bytes.size() + size * count > body->most) {
    body->too_long = true;
    return 0;
  }
  body->bytes.append(data, size * count);
  return size * count;
}

void InitCurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort HostOf(const std::string& url) {
  HostAndPort out;
  InitCurl();
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return out;
  const auto part = [&parsed](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, flags) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  out.host = part(CURLUPART_HOST, 0);
  out.port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  return out;
}

}  // namespace

absl::StatusOr<HttpGetAnswer> HttpGet(const std::string& url, const std::string& address, int64_t timeout_ms,
                                      size_t max_bytes) {
  InitCurl();
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (curl == nullptr) return Unavailable("no HTTP client");
  Body body;
  body.most = max_bytes;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min<int64_t>(timeout_ms, 3000)));
  curl_easy_setopt(curl.get(), CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "skald");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> resolve(nullptr, curl_slist_free_all);
  if (!address.empty()) {
    const HostAndPort at = HostOf(url);
    resolve.reset(curl_slist_append(nullptr, fmt::format("{}:{}:{}", at.host, at.port, address).c_str()));
    curl_easy_setopt(curl.get(), CURLOPT_RESOLVE, resolve.get());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (body.too_long) return ResourceExhausted("the answer has more than {} bytes", max_bytes);
  if (code != CURLE_OK) return Unavailable("{}", error[0] != '\0' ? error : curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return HttpGetAnswer{static_cast<int>(status), std::move(body.bytes)};
}

absl::Status CheckHealth(const std::string& listen, const std::vector<std::string>& paths) {
  constexpr int64_t kTimeoutMs = 5000;
  constexpr size_t kMaxBytes = 1 << 20;
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return InvalidArgument("there is no address to ask at: \"{}\"", listen);
  std::string host = listen.substr(0, colon);
  // What listens at every address listens at this one too.
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  for (const std::string& path : paths) {
    const std::string url = fmt::format("http://{}{}{}", host, listen.substr(colon), path);
    const absl::StatusOr<HttpGetAnswer> answer = HttpGet(url, "", kTimeoutMs, kMaxBytes);
    if (!answer.ok()) return Annotate(answer.status(), url);
    if (answer->status != 200) return Unavailable("{}: {} {}", url, answer->status, answer->body);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> AddressesOf(const std::string& url, size_t most) {
  const HostAndPort at = HostOf(url);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::string host = at.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (const int code = getaddrinfo(host.c_str(), at.port.c_str(), &hints, &found); code != 0) {
    return Unavailable("{}: {}", at.host, gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* a = found; a != nullptr && out.size() < most; a = a->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::find(out.begin(), out.end(), text) == out.end()) out.emplace_back(text);
  }
  return out;
}

}  // namespace skald
