#include "agent/discovery/docker_api.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/types.h"

namespace skald::agent {
namespace {

namespace http = boost::beast::http;
using boost::asio::local::stream_protocol;

constexpr uint64_t kMaxBody = uint64_t{64} << 20;

}  // namespace

void DockerCalls::Stop() {
  const std::lock_guard<std::mutex> lock(mu_);
  stopping_ = true;
  for (DockerCall* call : open_) ::shutdown(call->socket_.native_handle(), SHUT_RDWR);
}

bool DockerCalls::stopping() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return stopping_;
}

bool DockerCalls::Wait(int64_t ns) const {
  const int64_t end = MonotonicNs() + ns;
  while (!stopping()) {
    const int64_t left = end - MonotonicNs();
    if (left <= 0) return true;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min<int64_t>(left, 50 * kNsPerMs)));
  }
  return false;
}

DockerCall::~DockerCall() {
  const std::lock_guard<std::mutex> lock(calls_->mu_);
  calls_->open_.erase(this);
}

bool DockerCall::Send(const std::string& target, int64_t timeout_ns) {
  boost::system::error_code error;
  socket_.open(stream_protocol(), error);
  if (error) return false;
  const timeval timeout{static_cast<time_t>(timeout_ns / kNsPerSecond),
                        static_cast<suseconds_t>(timeout_ns % kNsPerSecond / 1000)};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  {
    const std::lock_guard<std::mutex> lock(calls_->mu_);
    if (calls_->stopping_) return false;
    calls_->open_.insert(this);
  }
  socket_.connect(stream_protocol::endpoint(calls_->socket_), error);
  if (error) return false;
  http::request<http::empty_body> request{http::verb::get, target, 11};
  request.set(http::field::host, "docker");
  request.set(http::field::user_agent, "skald-agent");
  http::write(socket_, request, error);
  return !error;
}

int DockerCall::ReadAll(std::string* body) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxBody);
  boost::system::error_code error;
  http::read(socket_, buffer_, parser, error);
  if (error) return 0;
  *body = std::move(parser.get().body());
  return static_cast<int>(parser.get().result_int());
}

bool DockerCall::ReadHeader() {
  boost::system::error_code error;
  stream_.body_limit(boost::none);
  http::read_header(socket_, buffer_, stream_, error);
  return !error && stream_.get().result_int() == 200;
}

bool DockerCall::ReadSome() {
  char bytes[4096];
  stream_.get().body().data = bytes;
  stream_.get().body().size = sizeof(bytes);
  boost::system::error_code error;
  http::read_some(socket_, buffer_, stream_, error);
  if (error == http::error::need_buffer) error = {};
  return !error && !stream_.is_done();
}

}  // namespace skald::agent
