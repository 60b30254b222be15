#include "bench/load_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace skald::bench {
namespace {

constexpr int kNodes = 10;
constexpr int kStreamsPerNode = 20;
constexpr int kSystems = 10;

constexpr std::array<int, 15> kRareStatuses = {201, 204, 301, 304, 400, 401, 403, 404,
                                               404, 404, 429, 500, 500, 502, 503};
constexpr uint64_t kStatusChoices = 80 + kRareStatuses.size();

template <size_t N>
std::string_view Pick(const std::array<std::string_view, N>& from, uint64_t n) {
  return from[n % N];
}

int Status(uint64_t choice) { return choice < 80 ? 200 : kRareStatuses[choice - 80]; }

}  // namespace

LoadGenerator::LoadGenerator(LoadOptions options) : options_(options), random_(options.seed) {
  expected_bodies_ = std::max<uint64_t>(10, options_.line_bytes / options_.body_line_bytes);
  step_ns_ = options_.span_ns / static_cast<int64_t>(expected_bodies_ + 1);
  constexpr std::array<std::string_view, 5> kFormats = {"json", "json", "logfmt", "access", "system"};
  for (int node = 0; node < kNodes; ++node) {
    for (int s = 0; s < kStreamsPerNode; ++s) {
      const std::string_view format = kFormats[static_cast<size_t>(s) % kFormats.size()];
      Source source;
      source.node = node;
      source.flavour = (s / 5 + node) % kSystems;
      source.labels = fmt::format(
          R"({{app="{0}-{1}", cluster="c1", format="{0}", namespace="{2}", node="node-{3}", pod="{0}-{1}-{3}"}})",
          format, s, s % 2 == 0 ? "prod" : "staging", node);
      source.make = format == "json"     ? &LoadGenerator::JsonLine
                    : format == "logfmt" ? &LoadGenerator::LogfmtLine
                    : format == "access" ? &LoadGenerator::AccessLine
                                         : &LoadGenerator::SystemLine;
      sources_.push_back(std::move(source));
    }
  }
}

bool LoadGenerator::Next(LoadBody* body) {
  if (made_bytes_ >= options_.line_bytes) return false;
  *body = LoadBody();
  const int node = static_cast<int>(bodies_ % kNodes);
  const int64_t begin_ns = options_.start_ns + static_cast<int64_t>(bodies_) * step_ns_;
  std::vector<const Source*> mine;
  for (const Source& source : sources_) {
    if (source.node != node) continue;
    mine.push_back(&source);
    body->streams.push_back({source.labels, {}, {}});
  }
  while (body->line_bytes < options_.body_line_bytes) {
    for (size_t i = 0; i < mine.size(); ++i) {
      for (uint64_t n = 1 + Below(11); n > 0; --n) {
        body->streams[i].lines.push_back((this->*mine[i]->make)(mine[i]->flavour));
        body->line_bytes += body->streams[i].lines.back().size();
      }
    }
  }
  if (bodies_ == expected_bodies_ / 2) {
    body->streams[0].lines.push_back(
        fmt::format(R"({{"level":"error","msg":"the one","request_id":"{}"}})", kNeedle));
    body->line_bytes += body->streams[0].lines.back().size();
  }
  for (size_t i = 0; i < body->streams.size(); ++i) {
    LoadStream& stream = body->streams[i];
    const int64_t gap_ns = step_ns_ / static_cast<int64_t>(stream.lines.size() + 1);
    for (size_t k = 0; k < stream.lines.size(); ++k) {
      // Streams of one node do not tick at the same nanosecond.
      stream.times_ns.push_back(begin_ns + static_cast<int64_t>(k) * gap_ns +
                                static_cast<int64_t>((i * 7919 + k) % 997));
    }
    body->lines += stream.lines.size();
  }
  made_bytes_ += body->line_bytes;
  ++bodies_;
  return true;
}

double LoadGenerator::Exponential(double mean) {
  const double uniform = static_cast<double>(Bits(53)) / 9007199254740992.0;  // [0, 1)
  return -std::log1p(-uniform) * mean;
}

std::string LoadGenerator::Path(uint64_t n) {
  switch (Below(6)) {
    case 0:
      return fmt::format("/api/v1/users/{}", n % 9000);
    case 1:
      return fmt::format("/api/v1/orders/{}/items", n % 9000);
    case 2:
      return "/login";
    case 3:
      return "/healthz";
    case 4:
      return fmt::format("/static/app.{}.js", n % 9000);
    default:
      return fmt::format("/search?q={}", n % 9000);
  }
}

std::string LoadGenerator::JsonLine(int) {
  constexpr std::array<std::string_view, 6> kMessages = {
      "request completed",      "cache miss", "connection reset by peer",
      "retrying upstream call", "",           "user session refreshed"};
  constexpr std::array<std::string_view, 4> kMethods = {"GET", "GET", "POST", "PUT"};
  constexpr std::array<std::string_view, 5> kCountries = {"NL", "DE", "US", "IN", "BR"};
  const int status = Status(Below(kStatusChoices));
  const uint64_t n = Bits(20);
  const std::string_view fixed = Pick(kMessages, Below(6));
  const std::string message =
      fixed.empty() ? fmt::format("timeout after {}ms waiting for upstream", n % 5000) : std::string(fixed);
  const std::string_view method = Pick(kMethods, Below(4));
  const std::string path = Path(n);
  const double duration_ms = Exponential(40);
  const uint64_t request_id = random_();
  return fmt::format(
      R"({{"level":"{}","ts":{},"msg":"{}","method":"{}","path":"{}","status":{},"duration_ms":{:.2f},"bytes":{},)"
      R"("request_id":"req-{:016x}","user":{{"id":{},"country":"{}"}},"host":"10.{}.{}.{}"}})",
      status >= 500   ? "error"
      : status >= 400 ? "warn"
                      : "info",
      n, message, method, path, status, duration_ms, n, request_id, n % 10007, Pick(kCountries, Below(5)),
      n & 3, n >> 4 & 255, n >> 12 & 255);
}

std::string LoadGenerator::LogfmtLine(int) {
  constexpr std::array<std::string_view, 6> kLevels = {"info", "info", "info", "debug", "warn", "error"};
  constexpr std::array<std::string_view, 4> kFiles = {"main", "http", "db", "queue"};
  constexpr std::array<std::string_view, 4> kMessages = {"payment accepted", "payment declined",
                                                         "order stored", "stock low"};
  const uint64_t n = Bits(24);
  const std::string_view level = Pick(kLevels, Below(6));
  const std::string_view file = Pick(kFiles, Below(4));
  const std::string_view message = Pick(kMessages, Below(4));
  return fmt::format(
      R"(level={} caller={}.go:{} msg="{}" duration={:.3f}ms size={}KB order={:08x} attempts={})", level,
      file, n % 900, message, Exponential(12), n % 700, n * 2654435761 & 0xffffffff, n % 4);
}

std::string LoadGenerator::AccessLine(int) {
  constexpr std::array<std::string_view, 3> kMethods = {"GET", "GET", "POST"};
  constexpr std::array<std::string_view, 4> kAgents = {"Mozilla/5.0 (X11; Linux x86_64)", "curl/8.4.0",
                                                       "kube-probe/1.29", "Go-http-client/2.0"};
  const uint64_t n = Bits(24);
  const std::string_view method = Pick(kMethods, Below(3));
  const std::string path = Path(n);
  const int status = Status(Below(kStatusChoices));
  const std::string_view agent = Pick(kAgents, Below(4));
  return fmt::format(
      R"({}.{}.{}.{} - - [01/Nov/2026:12:{:02}:{:02} +0000] "{} {} HTTP/1.1" {} {} "-" "{}" {:.3f})", n & 127,
      n >> 7 & 255, n >> 11 & 255, n >> 16 & 255, n % 60, n % 59, method, path, status, n % 60000, agent,
      Exponential(0.25));
}

std::string LoadGenerator::SystemLine(int flavour) {
  const uint64_t n = Bits(32);
  const uint64_t m = Bits(32);
  const std::string when = fmt::format("Nov  1 12:{:02}:{:02}", n % 60, m % 60);
  switch ((static_cast<uint64_t>(flavour) + (n % 16 == 0 ? 1 : 0)) % kSystems) {
    case 0:
      return n % 3 == 0 ? fmt::format(
                              "{} host{} sshd[{}]: Failed password for invalid user {} from {}.{}.{}.{} port "
                              "{} ssh2",
                              when, n % 40, n % 32000, n % 2 == 0 ? "admin" : "oracle", n & 255, m & 255,
                              n >> 8 & 255, m >> 8 & 255, m % 64000)
                        : fmt::format(
                              "{} host{} sshd[{}]: pam_unix(sshd:session): session opened for user deploy by "
                              "(uid={})",
                              when, n % 40, n % 32000, m % 4);
    case 1:
      return fmt::format("{} host{} kernel: [{}.{:06}] eth{}: link becomes ready, speed {} Mbps, full duplex",
                         when, n % 40, m % 900000, n % 1000000, n % 4, n % 2 == 0 ? 1000 : 10000);
    case 2:
      return fmt::format("{} host{} systemd[1]: Started Session {} of user root.", when, n % 40, m % 100000);
    case 3:
      return fmt::format(
          "261101 12{:02}{:02} {} INFO storage.DataNode$Receiver: received block blk_{} of size {} from "
          "/10.{}.{}.{}",
          n % 60, m % 60, n % 4000, static_cast<int64_t>(n) * 4099 - static_cast<int64_t>(m), m % 67108864,
          n & 255, m & 255, n >> 8 & 255);
    case 4:
      return fmt::format(
          "2026-11-01 12:{:02}:{:02},{:03} - WARN  [SendWorker:{}:Connection@{}] - interrupted while waiting "
          "for a message",
          n % 60, m % 60, n % 1000, n * 7, 500 + m % 500);
    case 5:
      return fmt::format(
          "2026-11-01 12:{:02}:{:02}.{:03} UTC [{}] LOG:  duration: {}.{:03} ms  statement: SELECT id, total "
          "FROM orders WHERE customer = {}",
          n % 60, m % 60, n % 1000, m % 30000, n % 400, m % 1000, n % 100000);
    case 6:
      return fmt::format(
          "2026/11/01 12:{:02}:{:02} [error] {}#0: *{} upstream timed out (110: connection timed out) while "
          "reading response header, client: 10.{}.{}.{}",
          n % 60, m % 60, n % 90, m % 1000000, n & 255, m & 255, n >> 8 & 255);
    case 7:
      return fmt::format("{} host{} CRON[{}]: (root) CMD (run-parts --report /etc/cron.hourly)", when, n % 40,
                         m % 32000);
    case 8:
      return fmt::format(
          "[{}.{:03}s][info][gc] GC({}) Pause Young (Normal) (Allocation) {}M->{}M({}M) {}.{:03}ms",
          m % 90000, n % 1000, m % 9000, 200 + n % 800, 50 + m % 150, 1024, n % 40, m % 1000);
    default:
      return fmt::format(
          "I1101 12:{:02}:{:02}.{:06} {} scheduler.go:{}] \"Pod bound to node\" pod=\"prod/web-{:x}\" "
          "node=\"node-{}\" evaluated={}",
          n % 60, m % 60, n % 1000000, m % 30000, n % 900, m & 0xfffff, n % 10, m % 200);
  }
}

}  // namespace skald::bench
