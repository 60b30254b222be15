#include "rules/testing/http_sink.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>

#include "base/status_macros.h"

namespace skald::rules {

HttpSink::HttpSink() {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SKALD_CHECK(::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  SKALD_CHECK(::listen(listen_fd_, 16) == 0);
  socklen_t size = sizeof(address);
  ::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

HttpSink::~HttpSink() {
  stopping_ = true;
  thread_.join();
  ::close(listen_fd_);
}

std::string HttpSink::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

void HttpSink::Answer(int status, std::string extra) {
  const std::lock_guard lock(mu_);
  status_ = status;
  extra_ = std::move(extra);
}

std::vector<HttpSink::Request> HttpSink::requests() const {
  const std::lock_guard lock(mu_);
  return requests_;
}

std::vector<HttpSink::Request> HttpSink::WaitFor(size_t n) const {
  for (int i = 0; i < 2000; ++i) {
    if (std::vector<Request> got = requests(); got.size() >= n) return got;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return requests();
}

void HttpSink::Run() {
  while (!stopping_) {
    pollfd wait = {listen_fd_, POLLIN, 0};
    if (::poll(&wait, 1, 20) <= 0) continue;
    const int fd = ::accept(listen_fd_, nullptr, nullptr);
    if (fd < 0) continue;
    Serve(fd);
    ::close(fd);
  }
}

void HttpSink::Serve(int fd) {
  std::string in;
  size_t head = std::string::npos;
  char buffer[4096];
  while ((head = in.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n <= 0) return;
    in.append(buffer, static_cast<size_t>(n));
  }
  Request request;
  size_t line = in.find("\r\n");
  const size_t space = in.find(' ');
  request.path = in.substr(space + 1, in.find(' ', space + 1) - space - 1);
  while (line < head) {
    const size_t begin = line + 2;
    line = in.find("\r\n", begin);
    const std::string text = in.substr(begin, line - begin);
    const size_t colon = text.find(':');
    std::string name = text.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = text.substr(std::min(text.size(), colon + 2));
  }
  const size_t length =
      request.headers.count("content-length") > 0 ? std::stoul(request.headers["content-length"]) : 0;
  request.body = in.substr(head + 4);
  while (request.body.size() < length) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n <= 0) return;
    request.body.append(buffer, static_cast<size_t>(n));
  }
  std::string answer;
  {
    const std::lock_guard lock(mu_);
    requests_.push_back(std::move(request));
    answer =
        fmt::format("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: 0\r\n{}\r\n", status_, extra_);
  }
  [[maybe_unused]] const ssize_t written = ::write(fd, answer.data(), answer.size());
}

}  // namespace skald::rules
