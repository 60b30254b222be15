#include "query/exec/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/status_macros.h"
#include "query/exec/plan/plan_printer.h"
#include "text/units.h"

namespace skald::exec {
namespace {

constexpr std::string_view kLevelLabel = "detected_level";

bool LevelsSuffice(const ReadPlan& read, const Slice& slice, const Labels& stream) {
  if (read.headers != HeaderUse::kCountsOrLevels) return false;
  uint64_t rows = 0;
  for (const LevelCount& level : slice.levels) rows += level.rows;
  const std::vector<std::string>& wanted = read.pipeline.grouping.labels;
  return rows == slice.rows() && std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
           return name == kLevelLabel || !stream.Get(name).empty();
         });
}

enum class SliceFate { kSkipped, kHeader, kDecoded };

SliceFate FateOf(const ReadPlan& read, const Slice& slice, const Labels& stream, const WindowGrid* grid) {
  if (grid == nullptr) return SliceFate::kDecoded;
  const WindowGrid::Bucket bucket = grid->Find(slice.min_ns);
  if (!bucket.Contains(slice.max_ns)) return SliceFate::kDecoded;
  if (!bucket.in_window) return SliceFate::kSkipped;
  if (read.headers == HeaderUse::kNone || slice.overlaps || slice.HasErrors()) return SliceFate::kDecoded;
  const bool counts = !read.pipeline.MetadataMatters(stream) || LevelsSuffice(read, slice, stream);
  return counts ? SliceFate::kHeader : SliceFate::kDecoded;
}

std::string Millis(int64_t ns) { return fmt::format("{:.2f} ms", static_cast<double>(ns) / 1e6); }

std::string Bytes(int64_t bytes) {
  return FormatHumanBytes(static_cast<uint64_t>(std::max<int64_t>(bytes, 0)));
}

// A step's own part of its costs: without the steps right below it.
std::vector<StepCost> OwnCosts(const std::vector<PlanStep>& steps, const QueryTrace& trace) {
  std::vector<StepCost> own(steps.size());
  std::vector<size_t> parents;  // of the step at hand, by depth
  for (size_t i = 0; i < steps.size(); ++i) {
    parents.resize(steps[i].depth);
    if (const auto it = trace.steps.find(steps[i].node); it != trace.steps.end()) {
      own[i] = it->second;
      if (!parents.empty()) {
        own[parents.back()].wall_ns -= it->second.wall_ns;
        own[parents.back()].memory_bytes -= it->second.memory_bytes;
      }
    }
    parents.push_back(i);
  }
  return own;
}

// {"blocks": ..., ...} of a read that was run.
std::vector<std::pair<std::string_view, int64_t>> Counters(const QueryStats& s, bool parses) {
  const auto n = [](uint64_t value) { return static_cast<int64_t>(value); };
  return {
      {"streams", n(s.streams_matched)},
      {"blocks", n(s.blocks_total)},
      {"blocks_skipped_time", n(s.blocks_skipped_time)},
      {"blocks_skipped_header", n(s.blocks_from_header)},
      {"blocks_skipped_filter", n(s.blocks_skipped_filter)},
      {"blocks_decoded", n(s.blocks_decoded)},
      {"blocks_without_match", n(s.blocks_without_match)},
      {"blocks_damaged", n(s.damaged_blocks)},
      {"bytes_stored", n(s.read.stored_bytes)},
      {"bytes_decoded", n(s.read.decoded_bytes + s.read.head_bytes)},
      {"lines_decoded", n(s.read.decoded_rows + s.read.head_rows)},
      {"lines_from_header", n(s.lines_from_header)},
      {"lines_looked_at", n(s.lines_processed)},
      {"lines_after_filters", n(s.lines_after_leading_filters)},
      {"lines_parsed", parses ? n(s.lines_after_leading_filters - s.lines_from_header) : 0},
      {"lines_kept", n(s.post_filter_lines)},
      {"lines_repeated", n(s.duplicate_lines)},
      {"select_ns", s.select_ns},
      {"decode_ns", s.decode_ns},
      {"filter_ns", s.filter_ns},
      {"stage_ns", s.stage_ns},
  };
}

std::vector<std::pair<std::string_view, int64_t>> Counters(const ReadEstimate& e) {
  const auto n = [](uint64_t value) { return static_cast<int64_t>(value); };
  return {
      {"streams", n(e.streams)},
      {"blocks", n(e.blocks)},
      {"blocks_skipped_time", n(e.blocks_skipped_time)},
      {"blocks_skipped_header", n(e.blocks_from_header)},
      {"blocks_to_decode", n(e.blocks_to_decode)},
      {"bytes_to_decode", n(e.bytes_to_decode)},
      {"lines", n(e.lines)},
      {"select_ns", e.select_ns},
  };
}

void WriteCounters(const std::vector<std::pair<std::string_view, int64_t>>& counters, JsonWriter* w) {
  w->BeginObject();
  for (const auto& [name, value] : counters) w->Key(name).Int(value);
  w->EndObject();
}

void AppendFact(std::string* out, std::string_view name, std::string_view value) {
  *out += fmt::format("  {:<14}{}\n", name, value);
}

void AppendEstimate(std::string* out, const ReadEstimate& e, bool is_log) {
  AppendFact(
      out, "estimate",
      fmt::format("{} streams, {} blocks: {} outside of windows, {} by header, {}{} to decode ({}, {} lines)",
                  e.streams, e.blocks, e.blocks_skipped_time, e.blocks_from_header, is_log ? "at most " : "",
                  e.blocks_to_decode, FormatHumanBytes(e.bytes_to_decode), e.lines));
}

void AppendTruth(std::string* out, const QueryStats& s, bool parses) {
  AppendFact(
      out, "truth",
      fmt::format("{} streams, {} blocks: {} skipped by time, {} by header, {} by filter, {} decoded ({})",
                  s.streams_matched, s.blocks_total, s.blocks_skipped_time, s.blocks_from_header,
                  s.blocks_skipped_filter, s.blocks_decoded,
                  FormatHumanBytes(s.read.decoded_bytes + s.read.head_bytes)));
  AppendFact(
      out, "",
      fmt::format("{} lines looked at, {} of them in headers; {} passed the filters, {} parsed, {} kept",
                  s.lines_processed, s.lines_from_header, s.lines_after_leading_filters,
                  parses ? s.lines_after_leading_filters - s.lines_from_header : 0, s.post_filter_lines));
  AppendFact(out, "",
             fmt::format("select {}; of all threads: decode {}, filter {}, stages {}", Millis(s.select_ns),
                         Millis(s.decode_ns), Millis(s.filter_ns), Millis(s.stage_ns)));
}

}  // namespace

absl::StatusOr<ReadEstimate> EstimateRead(const LogSource& source, const std::string& tenant,
                                          const ReadPlan& read, TimeRange range, const WindowGrid* grid) {
  const int64_t begin_ns = MonotonicNs();
  ASSIGN_OR_RETURN(const Selection selection, source.Select(tenant, read.selector.matchers, range));
  ReadEstimate out;
  out.select_ns = MonotonicNs() - begin_ns;
  out.streams = selection.streams.size();
  out.blocks = selection.blocks.size();
  for (const std::shared_ptr<const Block>& block : selection.blocks) {
    bool decoded = false;
    bool from_header = false;
    for (const Slice& slice : block->slices()) {
      const SliceFate fate = FateOf(read, slice, *selection.streams[slice.stream].labels, grid);
      from_header |= fate == SliceFate::kHeader;
      if (fate != SliceFate::kDecoded) continue;
      decoded = true;
      out.lines += slice.rows();
    }
    if (decoded) {
      ++out.blocks_to_decode;
      if (read.pipeline.columns.lines) out.bytes_to_decode += block->text_bytes();
    } else {
      ++(from_header ? out.blocks_from_header : out.blocks_skipped_time);
    }
  }
  return out;
}

std::string ExplainText(const Explanation& x) {
  std::string out;
  const std::vector<PlanStep> steps = StepsOf(x.plan);
  const std::vector<StepCost> own = OwnCosts(steps, x.trace);
  for (size_t i = 0; i < steps.size(); ++i) {
    std::string line = StepText(steps[i]);
    if (x.analyzed && own[i].wall_ns > 0) {
      line =
          fmt::format("{:<48} {:>10} {:>10} {:>8} {}", line, Millis(own[i].wall_ns),
                      Bytes(own[i].memory_bytes), own[i].results, x.plan.is_log_query ? "lines" : "series");
    }
    out += line + '\n';
  }
  for (size_t i = 0; i < x.plan.reads.size(); ++i) {
    const ReadPlan& read = x.plan.reads[i];
    AppendReadText(&out, i, read);
    if (i < x.estimates.size()) AppendEstimate(&out, x.estimates[i], x.plan.is_log_query);
    if (i < x.trace.reads.size()) AppendTruth(&out, x.trace.reads[i], HasParser(read.pipeline));
  }
  AppendNotesText(&out, x.plan);
  if (x.analyzed) {
    out +=
        fmt::format("total         {}, {} of memory, {} {}\n", Millis(x.total.exec_ns), Bytes(x.memory_bytes),
                    x.total.entries_returned, x.plan.is_log_query ? "lines" : "series");
  }
  return out;
}

void WriteExplainJson(const Explanation& x, JsonWriter* w) {
  w->BeginObject().Key("plan");
  WritePlanJson(x.plan, w);
  w->Key("estimate").BeginArray();
  for (const ReadEstimate& estimate : x.estimates) WriteCounters(Counters(estimate), w);
  w->EndArray().Key("analyzed").Bool(x.analyzed);
  if (x.analyzed) {
    const std::vector<PlanStep> steps = StepsOf(x.plan);
    const std::vector<StepCost> own = OwnCosts(steps, x.trace);
    w->Key("steps").BeginArray();
    for (size_t i = 0; i < steps.size(); ++i) {
      w->BeginObject().Key("name").String(steps[i].name).Key("depth").UInt(steps[i].depth);
      w->Key("wall_ns").Int(own[i].wall_ns).Key("memory_bytes").Int(own[i].memory_bytes);
      w->Key("results").UInt(own[i].results).EndObject();
    }
    w->EndArray().Key("reads").BeginArray();
    for (size_t i = 0; i < x.trace.reads.size(); ++i) {
      WriteCounters(Counters(x.trace.reads[i], HasParser(x.plan.reads[i].pipeline)), w);
    }
    w->EndArray().Key("total").BeginObject();
    w->Key("exec_ns").Int(x.total.exec_ns).Key("memory_bytes").Int(x.memory_bytes);
    w->Key("results").UInt(x.total.entries_returned).EndObject();
  }
  w->EndObject();
}

}  // namespace skald::exec
