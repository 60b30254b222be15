#include "cli/web_socket.h"

#include <absl/strings/escaping.h>
#include <openssl/sha.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>

#include "base/error.h"
#include "base/status_macros.h"
#include "cli/curl_handle.h"

namespace skald::cli {
namespace {

constexpr uint64_t kMaxMessage = uint64_t{256} << 20;
constexpr int kHandshakeMs = 30'000;

enum Opcode : uint8_t { kContinuation = 0, kText = 1, kClose = 8, kPing = 9 };

absl::Status Lost(std::string_view why) { return Unavailable("the connection was lost: {}", why); }

std::string RandomBytes(size_t n) {
  std::random_device random;
  std::string out;
  for (size_t i = 0; i < n; ++i) out += static_cast<char>(random());
  return out;
}

std::string Base64(const std::string& bytes) { return absl::Base64Escape(bytes); }

// What proves that a server read this request's key and took it for a WebSocket's (RFC 6455, 4.2.2).
std::string AcceptOf(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return Base64(std::string(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

// name in lower case; "" where the head has no such header.
std::string HeaderValue(const std::string& head, std::string_view name) {
  std::string lower = head;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::string start = "\r\n" + std::string(name) + ":";
  size_t begin = lower.find(start);
  if (begin == std::string::npos) return "";
  begin += start.size();
  size_t end = std::min(head.find("\r\n", begin), head.size());
  while (begin < end && (head[begin] == ' ' || head[begin] == '\t')) ++begin;
  while (end > begin && (head[end - 1] == ' ' || head[end - 1] == '\t')) --end;
  return head.substr(begin, end - begin);
}

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

WebSocket::WebSocket(Connection connection)
    : connection_(std::move(connection)), handle_(std::make_unique<CurlHandle>()) {
  while (!connection_.address.empty() && connection_.address.back() == '/') connection_.address.pop_back();
}

WebSocket::~WebSocket() = default;

absl::StatusOr<std::unique_ptr<WebSocket>> WebSocket::Open(const Connection& connection,
                                                           std::string_view path,
                                                           const Parameters& parameters,
                                                           const std::string& header) {
  std::unique_ptr<WebSocket> socket(new WebSocket(connection));
  RETURN_IF_ERROR(socket->Connect(path, parameters, header));
  return socket;
}

absl::Status WebSocket::Connect(std::string_view path, const Parameters& parameters,
                                const std::string& header) {
  CURL* curl = handle_->curl;
  if (curl == nullptr) return Internal("libcurl cannot be set up");
  RETURN_IF_ERROR(CheckAddress(connection_));
  handle_->Configure(connection_);
  curl_easy_setopt(curl, CURLOPT_URL, connection_.address.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPPROXYTUNNEL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L);
  if (const CURLcode code = curl_easy_perform(curl); code != CURLE_OK)
    return handle_->ErrorOf(code, connection_);

  const size_t host_begin = connection_.address.find("//") + 2;
  const size_t host_end = std::min(connection_.address.find('/', host_begin), connection_.address.size());
  std::string request = "GET " + connection_.address.substr(host_end);  // behind a proxy, a path prefix
  request += path;
  request += "?" + EncodeParameters(parameters) + " HTTP/1.1\r\n";
  const auto add = [&request](std::string_view name, std::string_view value) {
    request += name;
    request += ": ";
    request += value;
    request += "\r\n";
  };
  add("Host", connection_.address.substr(host_begin, host_end - host_begin));
  add("User-Agent", "skaldctl");
  add("Upgrade", "websocket");
  add("Connection", "Upgrade");
  add("Sec-WebSocket-Version", "13");
  const std::string key = Base64(RandomBytes(16));
  add("Sec-WebSocket-Key", key);
  for (const auto& [name, value] : CurlHandle::RequestHeaders(connection_)) add(name, value);
  if (!connection_.username.empty())
    add("Authorization", "Basic " + Base64(connection_.username + ":" + connection_.password));
  request += header + "\r\n\r\n";
  RETURN_IF_ERROR(Send(request));

  const int64_t end_ms = NowMs() + kHandshakeMs;
  const auto receive = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const bool more, Receive(static_cast<int>(std::max<int64_t>(end_ms - NowMs(), 0))));
    return more ? absl::OkStatus() : DeadlineExceeded("{} gave no answer", connection_.address);
  };
  size_t head_end = 0;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) RETURN_IF_ERROR(receive());
  const std::string head = buffer_.substr(0, head_end);
  buffer_.erase(0, head_end + 4);
  const long status = head.size() > 12 ? std::strtol(head.c_str() + 9, nullptr, 10) : 0;
  if (status == 101) {
    if (HeaderValue(head, "sec-websocket-accept") == AcceptOf(key)) return absl::OkStatus();
    return FailedPrecondition("{} answered another question: its Sec-WebSocket-Accept is not of this request",
                              connection_.address);
  }
  const size_t length =
      std::min<size_t>(std::strtoul(HeaderValue(head, "content-length").c_str(), nullptr, 10), 1 << 20);
  while (buffer_.size() < length) RETURN_IF_ERROR(receive());
  if (status >= 200 && status < 300)
    return FailedPrecondition("{} does not know WebSockets, which a tail needs", connection_.address);
  return AnswerError(status, buffer_.substr(0, length), path);
}

absl::Status WebSocket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t sent = 0;
    const CURLcode code = curl_easy_send(handle_->curl, bytes.data(), bytes.size(), &sent);
    if (code == CURLE_AGAIN) {
      curl_socket_t fd = 0;
      curl_easy_getinfo(handle_->curl, CURLINFO_ACTIVESOCKET, &fd);
      pollfd wait{fd, POLLOUT, 0};
      if (::poll(&wait, 1, kHandshakeMs) <= 0) return Lost("nothing can be sent");
      continue;
    }
    if (code != CURLE_OK) return Lost(curl_easy_strerror(code));
    bytes.remove_prefix(sent);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> WebSocket::Receive(int timeout_ms) {
  char bytes[16384];
  for (bool waited = false;; waited = true) {
    size_t received = 0;
    const CURLcode code = curl_easy_recv(handle_->curl, bytes, sizeof(bytes), &received);
    if (code == CURLE_OK && received > 0) {
      buffer_.append(bytes, received);
      return true;
    }
    if (code == CURLE_OK) return Lost("the server ended it");
    if (code != CURLE_AGAIN) return Lost(curl_easy_strerror(code));
    if (waited) return false;
    curl_socket_t fd = 0;
    curl_easy_getinfo(handle_->curl, CURLINFO_ACTIVESOCKET, &fd);
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
  }
}

absl::Status WebSocket::SendFrame(uint8_t opcode, std::string_view payload) {
  const std::string mask = RandomBytes(4);
  payload = payload.substr(0, 125);  // only answers to pings and closes, which have no more
  std::string frame{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
  frame += mask;
  for (size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  return Send(frame);
}

absl::StatusOr<std::optional<std::string>> WebSocket::Next(int timeout_ms) {
  const int64_t end_ms = NowMs() + timeout_ms;
  while (true) {
    // A frame: two bytes, the length's further ones, no mask from a server, the payload.
    uint64_t length = 0;
    size_t head = 2;
    if (buffer_.size() >= 2) {
      length = static_cast<uint8_t>(buffer_[1]) & 0x7F;
      const size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
      head += extra;
      if (extra > 0 && buffer_.size() >= head) {
        length = 0;
        for (size_t i = 2; i < head; ++i) length = length << 8 | static_cast<uint8_t>(buffer_[i]);
      }
    }
    if (length > kMaxMessage) return Lost("a frame that is too large");
    if (buffer_.size() < head || buffer_.size() < head + length) {
      ASSIGN_OR_RETURN(const bool more, Receive(static_cast<int>(std::max<int64_t>(end_ms - NowMs(), 0))));
      if (!more) return std::nullopt;
      continue;
    }
    const bool last = (static_cast<uint8_t>(buffer_[0]) & 0x80) != 0;
    const uint8_t opcode = static_cast<uint8_t>(buffer_[0]) & 0x0F;
    const std::string payload = buffer_.substr(head, length);
    buffer_.erase(0, head + length);
    if (opcode == kClose) {
      const std::string_view reason = payload.size() > 2 ? std::string_view(payload).substr(2) : "";
      return absl::AbortedError(reason.empty() ? std::string("the server closed the tail")
                                               : std::string(reason));
    }
    if (opcode == kPing) {
      RETURN_IF_ERROR(SendFrame(0x0A, payload));
      continue;
    }
    if (opcode != kText && opcode != kContinuation) continue;
    message_ += payload;
    if (message_.size() > kMaxMessage) return Lost("a message that is too large");
    if (last) return std::exchange(message_, {});
  }
}

}  // namespace skald::cli
