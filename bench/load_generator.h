// A reproducible log load: what ten nodes of twenty containers write in six hours, cut into the requests
// their agents send.
//
// 40 % JSON, 20 % logfmt, 20 % access logs, 20 % lines of system software. The same options give the same
// bytes on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace skald::bench {

// In the load once, in the middle: what the needle query looks for.
inline constexpr std::string_view kNeedle = "req-7f3a9c51e0d84b26";

struct LoadOptions {
  uint64_t line_bytes = uint64_t{1024} << 20;  // of lines, without their newlines; the last body may go over
  uint64_t seed = 1;
  int64_t start_ns = 1'793'534'400'000'000'000;  // 2026-11-01T12:00:00Z
  int64_t span_ns = int64_t{6} * 3600 * 1'000'000'000;
  uint64_t body_line_bytes = 1 << 20;
};

struct LoadStream {
  std::string labels;  // {app="json-0", cluster="c1", ...}
  std::vector<int64_t> times_ns;
  std::vector<std::string> lines;
};

// One request: the lines of one node's streams over one slice of time.
struct LoadBody {
  std::vector<LoadStream> streams;
  uint64_t line_bytes = 0;
  uint64_t lines = 0;
};

// Not thread-safe.
class LoadGenerator {
 public:
  explicit LoadGenerator(LoadOptions options);

  // False when the load is complete; body is overwritten otherwise.
  bool Next(LoadBody* body);

  // Time of the last line's slice's end, after the last Next.
  int64_t end_ns() const { return options_.start_ns + static_cast<int64_t>(bodies_) * step_ns_; }
  uint64_t bodies() const { return bodies_; }

 private:
  struct Source {
    int node;
    std::string labels;
    std::string (LoadGenerator::*make)(int);
    int flavour;  // which system, of system lines
  };

  uint64_t Bits(int n) { return random_() >> (64 - n); }
  uint64_t Below(uint64_t n) { return random_() % n; }
  double Exponential(double mean);
  std::string Path(uint64_t n);

  std::string JsonLine(int flavour);
  std::string LogfmtLine(int flavour);
  std::string AccessLine(int flavour);
  std::string SystemLine(int flavour);

  LoadOptions options_;
  std::mt19937_64 random_;
  std::vector<Source> sources_;
  uint64_t expected_bodies_;
  int64_t step_ns_;
  uint64_t bodies_ = 0;
  uint64_t made_bytes_ = 0;
};

}  // namespace skald::bench
