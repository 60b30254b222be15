#include "server/api/query_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json_writer.h"
#include "server/http/params.h"
#include "text/go_float.h"

namespace skald::server {
namespace {

// Seconds with up to three decimals, none where whole.
void AppendSeconds(std::string* out, int64_t t_ms) {
  const bool negative = t_ms < 0;
  const uint64_t ms = negative ? 0 - static_cast<uint64_t>(t_ms) : static_cast<uint64_t>(t_ms);
  if (negative) out->push_back('-');
  fmt::format_to(std::back_inserter(*out), "{}", ms / 1000);
  if (uint64_t fraction = ms % 1000; fraction != 0) {
    std::string digits = fmt::format("{:03}", fraction);
    while (digits.back() == '0') digits.pop_back();
    *out += '.';
    *out += digits;
  }
}

// [seconds,"value"]
void AppendSample(std::string* out, int64_t t_ms, double value) {
  out->push_back('[');
  AppendSeconds(out, t_ms);
  *out += ",\"";
  AppendSampleValue(out, value);
  *out += "\"]";
}

void WriteLabels(JsonWriter* w, const Labels& labels, JsonEscape escape) {
  w->BeginObject();
  for (const auto& [name, value] : labels) w->Key(name).String(value, escape);
  w->EndObject();
}

void WriteCategory(JsonWriter* w, std::string_view key, const CategorizedLabels& labels,
                   LabelCategory category) {
  bool open = false;
  for (const CategorizedLabel& label : labels) {
    if (label.category != category) continue;
    if (!open) w->Key(key).BeginObject();
    open = true;
    w->Key(label.name).String(label.value);
  }
  if (open) w->EndObject();
}

void WriteStreams(JsonWriter* w, std::string* out, const Streams& streams, bool categorize) {
  const std::vector<Streams::Group> groups =
      categorize ? streams.GroupByStreamLabels() : streams.GroupByAllLabels();
  // The third element is the same for all entries of one label set.
  std::vector<std::string> third(categorize ? streams.label_sets().size() : 0);
  for (size_t i = 0; i < third.size(); ++i) {
    JsonWriter of_set(&third[i]);
    of_set.BeginObject();
    WriteLabelCategories(&of_set, streams.label_sets()[i]);
    of_set.EndObject();
  }
  w->BeginArray();
  for (const Streams::Group& group : groups) {
    w->BeginObject().Key("stream");
    WriteLabels(w, group.labels, JsonEscape::kPlain);
    w->Key("values");
    // By hand: this is the bulk of an answer.
    *out += '[';
    bool comma = false;
    for (const uint32_t index : group.entries) {
      const Streams::Entry& entry = streams.entries()[index];
      *out += comma ? ",[\"" : "[\"";
      comma = true;
      fmt::format_to(std::back_inserter(*out), "{}", entry.time_ns);
      *out += "\",";
      AppendJsonString(out, entry.line, JsonEscape::kHtml);
      if (categorize) {
        *out += ',';
        *out += third[entry.label_set];
      }
      *out += ']';
    }
    *out += ']';
    w->EndObject();
  }
  w->EndArray();
}

void WriteWarnings(JsonWriter* w, const std::vector<std::string>& warnings) {
  if (warnings.empty()) return;
  w->Key("warnings").BeginArray();
  for (const std::string& warning : warnings) w->String(warning);
  w->EndArray();
}

// What came from segments, and (`heads`) what was in memory only. Duplicates, lines that passed and metadata
// are not told apart by where they were: they stand with the segments.
void WriteStore(JsonWriter* w, const QueryStats& stats, bool heads) {
  QueryStats v;
  if (heads) {
    v.read.head_bytes = stats.read.head_bytes;
    v.read.head_rows = stats.read.head_rows;
  } else {
    v = stats;
    v.read.head_bytes = v.read.head_rows = 0;
  }
  w->BeginObject();
  w->Key("totalChunksRef").UInt(v.blocks_total);
  w->Key("totalChunksDownloaded").UInt(v.read.blocks - v.read.head_blocks);
  w->Key("chunksDownloadTime").Int(0);
  w->Key("queryReferencedStructuredMetadata").Bool(v.metadata_bytes > 0);
  w->Key("queryUsedV2Engine").Bool(false);
  w->Key("chunk").BeginObject();
  w->Key("headChunkBytes").UInt(v.read.head_bytes);
  w->Key("headChunkLines").UInt(v.read.head_rows);
  w->Key("decompressedBytes").UInt(v.read.decoded_bytes);
  w->Key("decompressedLines").UInt(v.read.decoded_rows);
  w->Key("compressedBytes").UInt(v.read.stored_bytes);
  w->Key("totalDuplicates").UInt(v.duplicate_lines);
  w->Key("postFilterLines").UInt(v.post_filter_lines);
  w->Key("headChunkStructuredMetadataBytes").Int(0);
  w->Key("decompressedStructuredMetadataBytes").UInt(v.metadata_bytes);
  w->EndObject();
  w->Key("chunkRefsFetchTime").Int(v.select_ns);
  w->Key("congestionControlLatency").Int(0);
  w->Key("pipelineWrapperFilteredLines").Int(0);
  w->Key("dataobj").BeginObject();
  for (const char* key : {"prePredicateDecompressedRows", "prePredicateDecompressedBytes",
                          "prePredicateDecompressedStructuredMetadataBytes", "postPredicateRows",
                          "postPredicateDecompressedBytes", "postPredicateStructuredMetadataBytes",
                          "postFilterRows", "pagesScanned", "pagesDownloaded", "pagesDownloadedBytes",
                          "pageBatches", "totalRowsAvailable", "totalPageDownloadTime"}) {
    w->Key(key).Int(0);
  }
  w->EndObject().EndObject();
}

void WriteStats(JsonWriter* w, const QueryStats& stats, const QueryTiming& timing) {
  const double seconds = static_cast<double>(timing.exec_ns) / 1e9;
  const auto per_second = [seconds](uint64_t n) {
    return seconds > 0 ? static_cast<uint64_t>(static_cast<double>(n) / seconds) : uint64_t{0};
  };
  w->BeginObject();
  w->Key("summary").BeginObject();
  w->Key("bytesProcessedPerSecond").UInt(per_second(stats.bytes_processed));
  w->Key("linesProcessedPerSecond").UInt(per_second(stats.lines_processed));
  w->Key("totalBytesProcessed").UInt(stats.bytes_processed);
  w->Key("totalLinesProcessed").UInt(stats.lines_processed);
  w->Key("execTime").Double(seconds);
  w->Key("queueTime").Double(static_cast<double>(timing.queue_ns) / 1e9);
  w->Key("subqueries").Int(0);
  w->Key("totalEntriesReturned").UInt(stats.entries_returned);
  w->Key("splits").Int(0);
  w->Key("shards").Int(0);
  w->Key("totalPostFilterLines").UInt(stats.post_filter_lines);
  w->Key("totalStructuredMetadataBytesProcessed").UInt(stats.metadata_bytes);
  w->EndObject();
  w->Key("querier").BeginObject().Key("store");
  WriteStore(w, stats, false);
  w->Key("querierExecTime").Double(seconds).EndObject();
  w->Key("ingester").BeginObject();
  w->Key("totalReached")
      .Int(stats.read.head_blocks > 0 ? 1 : 0)
      .Key("totalChunksMatched")
      .UInt(stats.read.head_blocks)
      .Key("totalBatches")
      .Int(0)
      .Key("totalLinesSent")
      .Int(0);
  w->Key("store");
  WriteStore(w, stats, true);
  w->EndObject();
  w->Key("cache").BeginObject();
  for (const char* cache : {"chunk", "index", "result", "statsResult", "volumeResult", "seriesResult",
                            "labelResult", "instantMetricResult"}) {
    w->Key(cache).BeginObject();
    if (std::string_view(cache) == "result") {
      w->Key("entriesFound").UInt(stats.kept_steps_found);
      w->Key("entriesRequested").UInt(stats.kept_steps_asked);
      w->Key("entriesStored").UInt(stats.kept_steps_stored);
      w->Key("bytesReceived").Int(0);
      w->Key("bytesSent").Int(0);
      w->Key("requests").UInt(stats.kept_requests);
      w->Key("downloadTime").Int(0);
      w->Key("queryLengthServed").Int(stats.kept_length_ns);
      w->EndObject();
      continue;
    }
    for (const char* key : {"entriesFound", "entriesRequested", "entriesStored", "bytesReceived", "bytesSent",
                            "requests", "downloadTime", "queryLengthServed"}) {
      w->Key(key).Int(0);
    }
    w->EndObject();
  }
  w->EndObject();
  w->Key("index").BeginObject();
  w->Key("totalChunks").UInt(stats.blocks_total);
  w->Key("postFilterChunks").UInt(stats.blocks_decoded + stats.blocks_from_header);
  w->Key("shardsDuration")
      .Int(0)
      .Key("usedBloomFilters")
      .Bool(false)
      .Key("totalStreams")
      .UInt(stats.streams_matched);
  w->Key("chunkRefsLookupTime")
      .Double(static_cast<double>(stats.select_ns) / 1e9)
      .Key("bloomFilterTime")
      .Int(0);
  w->EndObject().EndObject();
}

struct ResultWriter {
  JsonWriter* w;
  std::string* out;

  void operator()(const Streams&) const {}  // written by the caller, who knows about categories
  void operator()(const Matrix& matrix) const {
    w->Key("resultType").String("matrix").Key("result").BeginArray();
    for (const Series& series : matrix.series) {
      w->BeginObject().Key("metric");
      WriteLabels(w, series.labels, JsonEscape::kHtml);
      w->Key("values");
      *out += '[';
      bool comma = false;
      for (const Point& point : series.points) {
        if (comma) *out += ',';
        comma = true;
        AppendSample(out, point.t_ms, point.value);
      }
      *out += ']';
      w->EndObject();
    }
    w->EndArray();
  }
  void operator()(const Vector& vector) const {
    w->Key("resultType").String("vector").Key("result").BeginArray();
    for (const VectorSample& sample : vector.samples) {
      w->BeginObject().Key("metric");
      WriteLabels(w, sample.labels, JsonEscape::kHtml);
      w->Key("value");
      AppendSample(out, vector.t_ms, sample.value);
      w->EndObject();
    }
    w->EndArray();
  }
  void operator()(const Scalar& scalar) const {
    w->Key("resultType").String("scalar").Key("result");
    w->Raw(fmt::format("[{},\"{}\"]", scalar.printed_time(), FormatSampleValue(scalar.value)));
  }
};

}  // namespace

void WriteLabelCategories(JsonWriter* w, const CategorizedLabels& labels) {
  WriteCategory(w, "structuredMetadata", labels, LabelCategory::kMetadata);
  WriteCategory(w, "parsed", labels, LabelCategory::kParsed);
}

std::string StatsJson(const QueryStats& stats, const QueryTiming& timing) {
  std::string out;
  JsonWriter w(&out);
  WriteStats(&w, stats, timing);
  return out;
}

size_t ResultJsonBytes(const QueryResult& result) {
  constexpr size_t kStatsBytes = 4096;
  constexpr size_t kSampleBytes = 40;  // a time, a number, and what is around them
  size_t bytes = kStatsBytes;
  const auto add_labels = [&bytes](const Labels& labels) {
    for (const auto& [name, value] : labels) bytes += name.size() + value.size() + 6;
  };
  if (const auto* streams = std::get_if<Streams>(&result.data)) {
    for (const Streams::Entry& entry : streams->entries())
      bytes += entry.line.size() + entry.line.size() / 8 + kSampleBytes;
    for (const CategorizedLabels& labels : streams->label_sets()) {
      for (const CategorizedLabel& label : labels) bytes += label.name.size() + label.value.size() + 6;
    }
  } else if (const auto* matrix = std::get_if<Matrix>(&result.data)) {
    for (const Series& series : matrix->series) {
      add_labels(series.labels);
      bytes += kSampleBytes * (1 + series.points.size());
    }
  } else if (const auto* vector = std::get_if<Vector>(&result.data)) {
    for (const VectorSample& sample : vector->samples) {
      add_labels(sample.labels);
      bytes += 2 * kSampleBytes;
    }
  }
  return bytes;
}

std::string QueryResultJson(const QueryResult& result, const std::vector<std::string>& encoding_flags,
                            const QueryTiming& timing) {
  std::string out;
  out.reserve(ResultJsonBytes(result));
  JsonWriter w(&out);
  const std::string stats = StatsJson(result.stats, timing);
  w.BeginObject().Key("status").String("success");
  if (const auto* streams = std::get_if<Streams>(&result.data)) {
    WriteWarnings(&w, result.warnings);
    w.Key("data").BeginObject().Key("resultType").String("streams");
    if (!encoding_flags.empty()) {
      w.Key("encodingFlags").BeginArray();
      for (const std::string& flag : encoding_flags) w.String(flag);
      w.EndArray();
    }
    const bool categorize =
        std::find(encoding_flags.begin(), encoding_flags.end(), kCategorizeLabels) != encoding_flags.end();
    w.Key("result");
    WriteStreams(&w, &out, *streams, categorize);
    w.Key("stats").Raw(stats).EndObject().EndObject();
    out += '\n';
    return out;
  }
  w.Key("data").BeginObject();
  std::visit(ResultWriter{&w, &out}, result.data);
  w.Key("stats").Raw(stats).EndObject();
  WriteWarnings(&w, result.warnings);
  w.EndObject();
  return out;
}

std::string VolumeJson(const std::vector<Series>& series, const QueryStats& stats,
                       const QueryTiming& timing) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("status").String("success").Key("data").BeginObject();
  const bool many =
      std::any_of(series.begin(), series.end(), [](const Series& s) { return s.points.size() > 1; });
  if (many) {
    Matrix matrix;
    matrix.series = series;
    ResultWriter{&w, &out}(matrix);
  } else {
    w.Key("resultType").String("vector").Key("result").BeginArray();
    for (const Series& s : series) {
      w.BeginObject().Key("metric");
      WriteLabels(&w, s.labels, JsonEscape::kHtml);
      w.Key("value");
      AppendSample(&out, s.points[0].t_ms, s.points[0].value);
      w.EndObject();
    }
    w.EndArray();
  }
  w.Key("stats").Raw(StatsJson(stats, timing)).EndObject().EndObject();
  return out;
}

std::string StringListJson(const std::vector<std::string>& values) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("status").String("success");
  if (!values.empty()) {
    w.Key("data").BeginArray();
    for (const std::string& value : values) w.String(value);
    w.EndArray();
  }
  w.EndObject();
  out += '\n';
  return out;
}

std::string LegacyListJson(const std::vector<std::string>& values) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  if (!values.empty()) {
    w.Key("values").BeginArray();
    for (const std::string& value : values) w.String(value);
    w.EndArray();
  }
  w.EndObject();
  out += '\n';
  return out;
}

std::string SeriesJson(const std::vector<Labels>& series) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("status").String("success").Key("data").BeginArray();
  for (const Labels& labels : series) WriteLabels(&w, labels, JsonEscape::kPlain);
  w.EndArray().EndObject();
  out += '\n';
  return out;
}

}  // namespace skald::server
