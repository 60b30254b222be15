// What a push costs before the store: snappy, decoding, admission. Bytes are those of the lines.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <snappy.h>

#include "proto/logproto.pb.h"
#include "proto/push/push_decode.h"
#include "server/push/admission.h"

namespace skald::server {
namespace {

constexpr int64_t kT0 = 1'793'534'400;

// About 1 MiB of lines of 20 streams; kind: 0 = plain text, 1 = JSON, 2 = logfmt.
logproto::PushRequest Load(int kind, bool metadata, int64_t* line_bytes) {
  logproto::PushRequest request;
  *line_bytes = 0;
  int64_t n = 0;
  for (int s = 0; s < 20; ++s) {
    auto* stream = request.add_streams();
    stream->set_labels(fmt::format(
        "{{app=\"app-{}\", container=\"main\", namespace=\"prod\", pod=\"app-{}-7d9f\"}}", s % 5, s));
    for (int i = 0; i < 300; ++i, ++n) {
      auto* entry = stream->add_entries();
      entry->mutable_timestamp()->set_seconds(kT0 + i);
      entry->mutable_timestamp()->set_nanos(static_cast<int32_t>(n));
      std::string line;
      if (kind == 1) {
        line = fmt::format(
            R"({{"ts":"2026-11-01T12:00:{:02}Z","level":"info","msg":"request done","method":"GET","path":"/api/v1/items/{}","status":200,"duration_ms":{}.5,"user":"u{}"}})",
            i % 60, n * 7919 % 100000, n % 313, n % 997);
      } else if (kind == 2) {
        line = fmt::format(
            "ts=2026-11-01T12:00:{:02}Z level=info msg=\"payment done\" order={} amount={}.50 duration={}ms "
            "region=eu-west-1 attempts=1",
            i % 60, n * 7919 % 100000, n % 313, n % 997);
      } else {
        line = fmt::format(
            "10.0.{}.{} - - [01/Nov/2026:12:00:{:02} +0000] \"GET /static/img/{}.png HTTP/1.1\" 200 {} \"-\" "
            "\"Mozilla/5.0 (X11; Linux x86_64)\"",
            n % 250, n % 200, i % 60, n * 7919 % 100000, n % 9000);
      }
      *line_bytes += static_cast<int64_t>(line.size());
      entry->set_line(line);
      if (metadata) {
        auto* pair = entry->add_structuredmetadata();
        pair->set_name("trace_id");
        pair->set_value(fmt::format("{:032x}", static_cast<uint64_t>(n) * 0x9E3779B97F4A7C15u));
        pair = entry->add_structuredmetadata();
        pair->set_name("node");
        pair->set_value("node-1");
      }
    }
  }
  return request;
}

void Run(benchmark::State& state, bool metadata, bool levels) {
  int64_t line_bytes = 0;
  const std::string bytes = Load(static_cast<int>(state.range(0)), metadata, &line_bytes).SerializeAsString();
  std::string body;
  snappy::Compress(bytes.data(), bytes.size(), &body);
  Limits limits;
  limits.discover_log_levels = levels;
  Metrics metrics;
  const TenantLimits tenants(limits);
  Admission admission(&tenants, nullptr, &Clock::System(), &metrics);
  const PushFormat format{"application/x-protobuf", "", false, 256 << 20};
  for (auto _ : state) {
    PushDecodeResult decoded = DecodePush(format, body);
    AdmissionResult admitted = admission.Admit("fake", decoded.push);
    benchmark::DoNotOptimize(admitted);
    if (admitted.lines != 6000) state.SkipWithError("lines are missing");
  }
  state.SetBytesProcessed(state.iterations() * line_bytes);
}

void BM_Push(benchmark::State& state) { Run(state, false, true); }
void BM_PushWithoutLevels(benchmark::State& state) { Run(state, false, false); }
void BM_PushWithMetadata(benchmark::State& state) { Run(state, true, true); }
BENCHMARK(BM_Push)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(BM_PushWithoutLevels)->Arg(0);
BENCHMARK(BM_PushWithMetadata)->Arg(0);

}  // namespace
}  // namespace skald::server
