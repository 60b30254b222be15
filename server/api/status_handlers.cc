#include "server/api/status_handlers.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "server/api/openapi.h"
#include "server/config.h"
#include "server/http/params.h"

namespace skald::server {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

HttpResponse Plain(std::string body, std::string_view type = "text/plain; charset=utf-8") {
  HttpResponse response;
  response.content_type = type;
  response.body = std::move(body);
  return response;
}

HttpResponse BuildInfo() {
  std::string body;
  JsonWriter(&body)
      .BeginObject()
      .Key("version")
      .String(kVersion)
      .Key("revision")
      .String("")
      .Key("branch")
      .String("")
      .Key("buildUser")
      .String("")
      .Key("buildDate")
      .String("")
      .Key("goVersion")
      .String("")
      .EndObject();
  return Plain(std::move(body) + "\n", "application/json");
}

HttpResponse LogLevelAnswer(const HttpRequest& request) {
  std::string body;
  JsonWriter w(&body);
  HttpResponse response;
  if (request.method == "GET") {
    w.BeginObject()
        .Key("message")
        .String(fmt::format("Current log level is {}", LevelName(GetLogLevel())))
        .EndObject();
  } else {
    const absl::StatusOr<Params> params = Params::Of(request);
    const std::string wanted(params.ok() ? params->Get("log_level") : "");
    bool known = false;
    for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
      if (LevelName(level) != wanted) continue;
      SetLogLevel(level);
      known = true;
    }
    w.BeginObject();
    if (known) {
      w.Key("status").String("success").Key("message").String(fmt::format("Log level set to {}", wanted));
    } else {
      response.status = 400;
      w.Key("status").String("failed").Key("message").String(
          fmt::format("unrecognized log level \"{}\"", wanted));
    }
    w.EndObject();
  }
  response.content_type = "application/json; charset=utf-8";
  response.body = std::move(body) + "\n";
  return response;
}

Route Simple(std::function<HttpResponse(const HttpRequest&)> answer) {
  Route route;
  route.handle = [answer = std::move(answer)](const HttpRequestPtr& request, const ResponderPtr& responder) {
    responder->Send(answer(*request));
  };
  return route;
}

}  // namespace

void AddStatusRoutes(const StatusService* service, Router* router) {
  router->Add({"GET"}, "/ready", Simple([service](const HttpRequest&) {
                if (*service->stopping) return TextResponse(503, "Application is stopping\n");
                return TextResponse(200, "ready\n");
              }));
  Route metrics = Simple([service](const HttpRequest&) {
    return Plain(service->metrics->Text(), "text/plain; version=0.0.4; charset=utf-8");
  });
  metrics.gzip = true;
  router->Add({"GET"}, "/metrics", std::move(metrics));
  router->Add({"GET"}, "/config", Simple([service](const HttpRequest& request) {
                const absl::StatusOr<Params> params = Params::Of(request);
                const bool defaults = params.ok() && params->Get("mode") == "defaults";
                return Plain(defaults ? service->default_config_yaml : service->config_yaml);
              }));
  router->Add(
      {"GET"}, "/services", Simple([service](const HttpRequest&) {
        const std::string_view state = *service->stopping ? "Stopping" : "Running";
        std::string out;
        for (const char* part : {"server", "store", "distributor", "ingester", "querier", "query-frontend"}) {
          out += fmt::format("{} => {}\n", part, state);
        }
        return Plain(std::move(out));
      }));
  router->Add({"GET", "POST"}, "/log_level", Simple(LogLevelAnswer));
  router->Add({"GET"}, "/loki/api/v1/status/buildinfo",
              Simple([](const HttpRequest&) { return BuildInfo(); }));
  router->Add({"GET"}, "/loki/api/v1/cache/generation_numbers",
              Simple([](const HttpRequest&) { return Plain("\"\"\n"); }));
  router->Add({"GET"}, "/skald/api/v1/openapi.json",
              Simple([](const HttpRequest&) { return JsonResponse(std::string(kOpenApi)); }));
  Route flush;
  flush.handle = [service](const HttpRequestPtr&, const ResponderPtr& responder) {
    service->run([service, responder] {
      const absl::Status status = service->store->Flush();
      responder->Send(status.ok() ? EmptyResponse(204)
                                  : TextResponse(500, std::string(MessageOf(status)) + "\n"));
    });
  };
  router->Add({"GET", "POST"}, "/flush", flush);
  Route compact;
  compact.handle = [service](const HttpRequestPtr&, const ResponderPtr& responder) {
    service->run([service, responder] {
      const absl::Status status = service->store->Compact();
      responder->Send(status.ok() ? EmptyResponse(204)
                                  : TextResponse(500, std::string(MessageOf(status)) + "\n"));
    });
  };
  router->Add({"POST"}, "/compact", compact);
}

void AddStoreMetrics(const void* owner, const Store* store, Metrics* metrics) {
  struct Number {
    const char* name;
    const char* help;
    MetricKind kind;
    uint64_t StoreStats::*value;
  };
  constexpr MetricKind kGauge = MetricKind::kGauge;
  constexpr MetricKind kCounter = MetricKind::kCounter;
  static constexpr Number kNumbers[] = {
      {"skald_store_active_streams", "Streams with lines in memory.", kGauge, &StoreStats::streams},
      {"skald_store_head_bytes", "Memory of lines that are not in segments yet.", kGauge,
       &StoreStats::head_bytes},
      {"skald_store_head_rows", "Lines that are not in segments yet.", kGauge, &StoreStats::head_rows},
      {"skald_store_segments", "Segment files.", kGauge, &StoreStats::segments},
      {"skald_store_segment_bytes", "Bytes of segment files.", kGauge, &StoreStats::segment_bytes},
      {"skald_wal_bytes", "Bytes of the write-ahead log.", kGauge, &StoreStats::wal_bytes},
      {"skald_wal_files", "Files of the write-ahead log.", kGauge, &StoreStats::wal_files},
      {"skald_store_appended_rows_total", "Lines taken in.", kCounter, &StoreStats::appended_rows},
      {"skald_store_duplicate_rows_total", "Lines dropped as exact repetitions.", kCounter,
       &StoreStats::duplicate_rows},
      {"skald_store_duplicate_batches_total", "Batches recognised as sent again.", kCounter,
       &StoreStats::duplicate_batches},
      {"skald_wal_syncs_total", "Times the log was made durable.", kCounter, &StoreStats::wal_syncs},
      {"skald_wal_replayed_rows", "Lines replayed at the start.", kGauge, &StoreStats::replayed_rows},
      {"skald_wal_torn_bytes", "Bytes cut off the log at the start.", kGauge, &StoreStats::torn_wal_bytes},
      {"skald_store_damaged_blocks_total", "Blocks that failed their checksum.", kCounter,
       &StoreStats::damaged_blocks},
      {"skald_store_flush_failures_total", "Flushes that failed and are tried again.", kCounter,
       &StoreStats::flush_failures},
      {"skald_compactions_total", "Times that segments were written in the place of others.", kCounter,
       &StoreStats::compactions},
      {"skald_compaction_read_bytes_total", "Bytes of the segments that were replaced.", kCounter,
       &StoreStats::compaction_read_bytes},
      {"skald_compaction_written_bytes_total", "Bytes of those in their place.", kCounter,
       &StoreStats::compaction_written_bytes},
      {"skald_compaction_failures_total", "Rounds of compaction that failed and are tried again.", kCounter,
       &StoreStats::compaction_failures},
      {"skald_retired_lines_total", "Lines that retention removed.", kCounter, &StoreStats::retired_rows},
      {"skald_purged_lines_total", "Lines that delete requests removed.", kCounter, &StoreStats::purged_rows},
  };
  for (const Number& number : kNumbers) {
    metrics->Callback(owner, number.kind, number.name, number.help, [store, value = number.value] {
      return std::vector<Metrics::Sample>{{{}, static_cast<double>(store->Stats().*value)}};
    });
  }
}

void AddResultMetrics(const void* owner, const exec::ResultCache* results, Metrics* metrics) {
  const auto add = [&](MetricKind kind, const char* name, const char* help, auto value) {
    metrics->Callback(owner, kind, name, help, [results, value] {
      return std::vector<Metrics::Sample>{{{}, static_cast<double>(results->Stats().*value)}};
    });
  };
  using Stats = exec::ResultCacheStats;
  add(MetricKind::kCounter, "skald_query_results_hits_total",
      "Evaluation times of metric range queries that were answered by kept results.", &Stats::found_steps);
  add(MetricKind::kCounter, "skald_query_results_misses_total",
      "Evaluation times of metric range queries that lines were read for.", &Stats::read_steps);
  add(MetricKind::kCounter, "skald_query_results_dropped_total",
      "Kept evaluation times that late lines, deletes or retention took away.", &Stats::dropped_steps);
  add(MetricKind::kCounter, "skald_query_results_evicted_total",
      "Chunks of 64 evaluation times let go for want of memory.", &Stats::evicted_chunks);
  add(MetricKind::kGauge, "skald_query_results_bytes", "Memory of kept results.", &Stats::bytes);
}

}  // namespace skald::server
