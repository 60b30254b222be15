// index/stats, index/volume, index/volume_range, index/shards: how much there is, answered from block
// headers.
#include <algorithm>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "server/api/query_handlers.h"
#include "server/api/query_json.h"
#include "server/api/volume.h"
#include "text/human_bytes.h"

namespace skald::server {
namespace {

struct IndexQuestion {
  Bounds bounds;
  int64_t step_ns = 0;  // not of IndexKind::kVolume
  bool visible = true;  // false: all of it is older than max_query_lookback
};

enum class IndexKind { kStats, kVolume, kVolumeRange };

// What counts as the length of the question, in bounds of that length. Volumes know whole seconds, and a
// range is asked for bucket by bucket.
Bounds Measured(IndexKind kind, const Bounds& bounds, int64_t step_ns) {
  if (kind == IndexKind::kStats) return bounds;
  int64_t length_ns = bounds.end_ns - bounds.start_ns;
  if (kind == IndexKind::kVolumeRange) length_ns = std::min(length_ns, step_ns - kNsPerMs);
  Bounds out = bounds;
  out.end_ns = out.start_ns + length_ns / kNsPerSecond * kNsPerSecond;
  return out;
}

absl::StatusOr<IndexQuestion> ParseIndexQuestion(const QueryService& service, const Limits& limits,
                                                 const Params& params, IndexKind kind) {
  const int64_t now_ns = service.clock->NowNs();
  IndexQuestion out;
  ASSIGN_OR_RETURN(out.bounds, ParseBounds(params, now_ns));
  if (out.bounds.end_ns < out.bounds.start_ns) return EndBeforeStartError();
  RETURN_IF_ERROR(ParseDirection(params).status());
  if (kind != IndexKind::kVolume) {
    ASSIGN_OR_RETURN(out.step_ns, ParseStep(params, out.bounds));
  }
  RETURN_IF_ERROR(CheckQueryLength(limits, Measured(kind, out.bounds, out.step_ns)));
  out.visible = ClampToLookback(limits, now_ns, &out.bounds);
  return out;
}

void WriteIndexStats(JsonWriter* w, const IndexStats& stats) {
  w->BeginObject().Key("streams").UInt(stats.streams).Key("chunks").UInt(stats.chunks);
  w->Key("bytes").UInt(stats.bytes).Key("entries").UInt(stats.entries).EndObject();
}

absl::StatusOr<IndexStats> StatsOfQuestion(const QueryService& service, const std::string& tenant,
                                           const Params& params) {
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  RETURN_IF_ERROR(ParseLimit(params).status());
  ASSIGN_OR_RETURN(const std::vector<Matcher> matchers, logql::ParseMatchers(params.Get("query")));
  ASSIGN_OR_RETURN(const IndexQuestion question,
                   ParseIndexQuestion(service, *limits, params, IndexKind::kStats));
  if (!question.visible) return IndexStats();
  const TimeRange range = InclusiveRange(question.bounds);
  ASSIGN_OR_RETURN(const Selection selection, service.source->Select(tenant, matchers, range));
  return StatsOf(selection, range);
}

absl::StatusOr<std::string> Stats(const QueryService& service, const std::string& tenant,
                                  const Params& params) {
  ASSIGN_OR_RETURN(const IndexStats stats, StatsOfQuestion(service, tenant, params));
  std::string out;
  JsonWriter w(&out);
  WriteIndexStats(&w, stats);
  return out + "\n";
}

// One shard over everything: a query here uses all cores by itself.
absl::StatusOr<std::string> Shards(const QueryService& service, const std::string& tenant,
                                   const Params& params) {
  const absl::StatusOr<uint64_t> target = ParseHumanBytes(params.Get("targetBytesPerShard"));
  if (!target.ok() || *target == 0) return InvalidArgument("targetBytesPerShard must be a positive value");
  const int64_t begin_ns = MonotonicNs();
  ASSIGN_OR_RETURN(const IndexStats stats, StatsOfQuestion(service, tenant, params));
  QueryStats run;
  run.streams_matched = stats.streams;
  run.blocks_total = stats.chunks;
  run.exec_ns = MonotonicNs() - begin_ns;
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("shards").BeginArray().BeginObject().Key("bounds").BeginObject();
  w.Key("min").UInt(0).Key("max").UInt(UINT64_MAX).EndObject().Key("stats");
  WriteIndexStats(&w, stats);
  w.EndObject().EndArray().Key("statistics").Raw(StatsJson(run, {run.exec_ns, 0})).Key("chunkGroups").Null();
  w.EndObject();
  return out + "\n";
}

absl::StatusOr<std::string> Volume(const QueryService& service, const std::string& tenant,
                                   const Params& params, bool ranged, int64_t waited_ns) {
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  VolumeQuestion question;
  ASSIGN_OR_RETURN(const int64_t limit, ParseIntParam(params, "limit", 0));
  const auto counted = static_cast<int32_t>(limit);  // wraps around, as in Loki
  if (limit < 0 || counted < 0) return InvalidArgument("limit must be a positive value");
  if (counted > 0) question.limit = static_cast<uint32_t>(counted);
  std::string_view targets = params.Get("targetLabels");
  while (!targets.empty()) {
    const size_t comma = std::min(targets.find(','), targets.size());
    if (comma > 0) question.target_labels.emplace_back(targets.substr(0, comma));
    targets.remove_prefix(std::min(comma + 1, targets.size()));
  }
  const std::string_view aggregate = params.Get("aggregateBy");
  if (!aggregate.empty() && aggregate != "series" && aggregate != "labels") {
    return InvalidArgument("invalid aggregation option");
  }
  question.by_label_name = aggregate == "labels";
  question.all = params.Get("query") == "{}";
  if (!question.all) {
    ASSIGN_OR_RETURN(question.matchers, logql::ParseMatchers(params.Get("query")));
  }
  ASSIGN_OR_RETURN(
      const IndexQuestion index,
      ParseIndexQuestion(service, *limits, params, ranged ? IndexKind::kVolumeRange : IndexKind::kVolume));
  question.step_ns = index.step_ns;
  question.range = InclusiveRange(index.bounds);
  question.end_ms = index.bounds.end_ns / kNsPerMs;
  question.max_series = static_cast<uint64_t>(limits->volume_max_series);
  const int64_t begin_ns = MonotonicNs();
  QueryStats run;
  std::vector<Series> series;
  if (index.visible) {
    ASSIGN_OR_RETURN(const std::vector<Matcher> matchers, VolumeMatchers(question));
    ASSIGN_OR_RETURN(const Selection selection, service.source->Select(tenant, matchers, question.range));
    run.select_ns = MonotonicNs() - begin_ns;
    run.streams_matched = selection.streams.size();
    run.blocks_total = selection.blocks.size();
    run.blocks_from_header = selection.blocks.size();
    ASSIGN_OR_RETURN(series, VolumeOf(selection, question));
  }
  run.entries_returned = series.size();
  run.exec_ns = MonotonicNs() - begin_ns;
  return VolumeJson(series, run, {run.exec_ns, waited_ns});
}

}  // namespace

void AddIndexRoutes(const QueryService* service, Router* router) {
  const auto add = [&](const std::string& path, QueryWork work) {
    router->Add({"GET", "POST"}, path, QueryRoute(service, service->lookups, std::move(work)));
  };
  add("/loki/api/v1/index/stats",
      [service](const HttpRequest&, const std::string& tenant, const Params& params, int64_t) {
        return JsonAnswer(Stats(*service, tenant, params));
      });
  add("/loki/api/v1/index/shards",
      [service](const HttpRequest&, const std::string& tenant, const Params& params, int64_t) {
        return JsonAnswer(Shards(*service, tenant, params));
      });
  for (const bool ranged : {false, true}) {
    add(ranged ? "/loki/api/v1/index/volume_range" : "/loki/api/v1/index/volume",
        [service, ranged](const HttpRequest&, const std::string& tenant, const Params& params,
                          int64_t waited_ns) {
          if (!service->limits->Of(tenant)->volume_enabled) return TextResponse(404, "not found");
          return JsonAnswer(Volume(*service, tenant, params, ranged, waited_ns));
        });
  }
}

}  // namespace skald::server
