#include "bench/replay.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "bench/load_directory.h"

namespace skald::bench {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

constexpr int kAttempts = 50;

// One connection's part of the bodies.
class Lane {
 public:
  Lane(const ReplayOptions& options, std::vector<uint64_t> bodies)
      : options_(options), bodies_(std::move(bodies)) {}

  absl::Status Run() {
    beast::error_code error;
    tcp::resolver resolver(context_);
    const auto endpoints = resolver.resolve(options_.host, options_.port, error);
    if (error) return Unavailable("{}:{}: {}", options_.host, options_.port, error.message());
    stream_.connect(endpoints, error);
    if (error) return Unavailable("{}:{}: {}", options_.host, options_.port, error.message());
    stream_.socket().set_option(tcp::no_delay(true), error);
    for (const uint64_t body : bodies_) RETURN_IF_ERROR(Send(BodyPath(options_.directory, body)));
    stream_.socket().shutdown(tcp::socket::shutdown_both, error);
    return absl::OkStatus();
  }

  uint64_t retries = 0;
  std::vector<int64_t> took_ns;

 private:
  absl::Status Send(const std::string& path) {
    http::request<http::string_body> request(http::verb::post, options_.target, 11);
    request.set(http::field::host, options_.host);
    request.set(http::field::content_type, "application/x-protobuf");
    ASSIGN_OR_RETURN(request.body(), ReadWholeFile(path));
    request.prepare_payload();
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const int64_t began = MonotonicNs();
      beast::error_code error;
      http::write(stream_, request, error);
      if (error) return Unavailable("{}: {}", path, error.message());
      http::response<http::string_body> response;
      http::read(stream_, buffer_, response, error);
      if (error) return Unavailable("{}: {}", path, error.message());
      took_ns.push_back(MonotonicNs() - began);
      const unsigned status = response.result_int();
      if (status < 300) return absl::OkStatus();
      if (status != 429 && status < 500) return InvalidArgument("{}: {} {}", path, status, response.body());
      ++retries;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return Unavailable("{}: refused {} times", path, kAttempts);
  }

  const ReplayOptions& options_;
  std::vector<uint64_t> bodies_;
  boost::asio::io_context context_;
  beast::tcp_stream stream_{context_};
  beast::flat_buffer buffer_;
};

}  // namespace

absl::StatusOr<ReplayResult> Replay(const ReplayOptions& options) {
  ASSIGN_OR_RETURN(const LoadSummary load, ReadLoadSummary(options.directory));
  if (options.connections < 1) return InvalidArgument("connections: {}", options.connections);
  const auto count = static_cast<uint64_t>(options.connections);
  std::vector<std::vector<uint64_t>> parts(count);
  for (uint64_t body = 0; body < load.bodies; ++body) parts[body % 10 % count].push_back(body);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (std::vector<uint64_t>& part : parts) lanes.push_back(std::make_unique<Lane>(options, std::move(part)));

  const int64_t began = MonotonicNs();
  std::vector<absl::Status> ends(lanes.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < lanes.size(); ++i) {
    threads.emplace_back([&, i] { ends[i] = lanes[i]->Run(); });
  }
  for (std::thread& thread : threads) thread.join();
  ReplayResult result;
  result.seconds = static_cast<double>(MonotonicNs() - began) / kNsPerSecond;
  result.bodies = load.bodies;
  std::vector<int64_t> took;
  for (size_t i = 0; i < lanes.size(); ++i) {
    RETURN_IF_ERROR(ends[i]);
    result.retries += lanes[i]->retries;
    took.insert(took.end(), lanes[i]->took_ns.begin(), lanes[i]->took_ns.end());
  }
  if (!took.empty()) {
    std::sort(took.begin(), took.end());
    result.median_ms = static_cast<double>(took[took.size() / 2]) / kNsPerMs;
    result.worst_ms = static_cast<double>(took.back()) / kNsPerMs;
  }
  return result;
}

}  // namespace skald::bench
