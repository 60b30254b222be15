#include "server/api/volume.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::server {
namespace {

// The part of [min, max] (both inclusive) that lies in [begin, end).
double Share(int64_t min_ns, int64_t max_ns, int64_t begin_ns, int64_t end_ns) {
  if (min_ns >= begin_ns && max_ns < end_ns) return 1;
  if (max_ns < begin_ns || min_ns >= end_ns) return 0;
  const double inside =
      static_cast<double>(std::min(max_ns, end_ns - 1)) - static_cast<double>(std::max(min_ns, begin_ns)) + 1;
  return inside / (static_cast<double>(max_ns) - static_cast<double>(min_ns) + 1);
}

int64_t FloorTo(int64_t t, int64_t step) { return t - ((t % step) + step) % step; }

class Volumes {
 public:
  explicit Volumes(const VolumeQuestion& question) : question_(question) {
    if (!question.target_labels.empty()) {
      names_ = question.target_labels;
    } else {
      for (const Matcher& m : question.matchers) names_.push_back(m.name());
    }
  }

  absl::Status AddStream(const Labels& labels) {
    std::vector<uint32_t> keys;
    if (question_.by_label_name) {
      for (const auto& [name, value] : labels) {
        if (question_.target_labels.empty() || IsNamed(name)) keys.push_back(KeyOf(Labels{{name, ""}}));
      }
    } else if (question_.all && question_.target_labels.empty()) {
      keys.push_back(KeyOf(labels));
    } else {
      std::vector<Labels::Pair> pairs;
      for (const auto& pair : labels) {
        if (IsNamed(pair.first)) pairs.push_back(pair);
      }
      keys.push_back(KeyOf(Labels(std::move(pairs))));
    }
    if (question_.max_series > 0 && keys_.size() > question_.max_series) {
      return Internal(
          "rpc error: code = Unknown desc = the query hit the max number of series limit (limit: {} series)",
          question_.max_series);
    }
    keys_of_stream_.push_back(std::move(keys));
    return absl::OkStatus();
  }

  void AddSlice(const Slice& slice) {
    const TimeRange range = question_.range;
    const int64_t from_ns = std::max(slice.min_ns, range.begin_ns);
    const int64_t until_ns = std::min(slice.max_ns, range.end_ns - 1);
    if (from_ns > until_ns) return;
    const int64_t step = question_.step_ns;
    if (step <= 0) return Add(slice, 0, Share(slice.min_ns, slice.max_ns, range.begin_ns, range.end_ns));
    for (int64_t bucket = FloorTo(from_ns, step);; bucket += step) {
      int64_t bucket_end = 0;
      if (__builtin_add_overflow(bucket, step, &bucket_end)) bucket_end = kMaxTimeNs;
      Add(slice, bucket,
          Share(slice.min_ns, slice.max_ns, std::max(bucket, range.begin_ns),
                std::min(bucket_end, range.end_ns)));
      if (bucket_end > until_ns) return;
    }
  }

  std::vector<Series> Take() {
    std::vector<std::string> texts;
    for (const Labels& key : keys_) texts.push_back(key.ToString());
    std::vector<Series> series(keys_.size());
    for (auto& [bucket, sums] : buckets_) {
      std::vector<std::pair<uint32_t, uint64_t>> ranked;
      for (const auto& [key, bytes] : sums)
        ranked.emplace_back(key, static_cast<uint64_t>(std::llround(bytes)));
      std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : texts[a.first] < texts[b.first];
      });
      if (ranked.size() > question_.limit) ranked.resize(question_.limit);
      const int64_t t_ms = question_.step_ns <= 0
                               ? question_.end_ms
                               : std::min((bucket + question_.step_ns) / kNsPerMs - 1, question_.end_ms);
      for (const auto& [key, bytes] : ranked)
        series[key].points.push_back({t_ms, static_cast<double>(bytes)});
    }
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < series.size(); ++i) {
      if (!series[i].points.empty()) order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      const double x = series[a].points[0].value;
      const double y = series[b].points[0].value;
      return x != y ? x > y : texts[a] < texts[b];
    });
    std::vector<Series> out;
    for (const uint32_t i : order) {
      series[i].labels = keys_[i];
      out.push_back(std::move(series[i]));
    }
    return out;
  }

 private:
  bool IsNamed(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }

  uint32_t KeyOf(const Labels& key) {
    const auto [it, added] = ids_.try_emplace(key.ToString(), static_cast<uint32_t>(keys_.size()));
    if (added) keys_.push_back(key);
    return it->second;
  }

  void Add(const Slice& slice, int64_t bucket, double share) {
    auto& sums = buckets_[bucket];
    for (const uint32_t key : keys_of_stream_[slice.stream]) {
      sums[key] += share * static_cast<double>(slice.line_bytes);
    }
  }

  const VolumeQuestion& question_;
  std::vector<std::string> names_;
  std::vector<std::vector<uint32_t>> keys_of_stream_;
  std::vector<Labels> keys_;
  absl::flat_hash_map<std::string, uint32_t> ids_;  // by label text
  std::map<int64_t, absl::flat_hash_map<uint32_t, double>> buckets_;
};

}  // namespace

IndexStats StatsOf(const Selection& selection, TimeRange range) {
  IndexStats stats;
  std::vector<bool> seen(selection.streams.size(), false);
  double bytes = 0;
  double entries = 0;
  for (const auto& block : selection.blocks) {
    for (const Slice& slice : block->slices()) {
      const double share = Share(slice.min_ns, slice.max_ns, range.begin_ns, range.end_ns);
      if (share <= 0) continue;
      if (!seen[slice.stream]) ++stats.streams;
      seen[slice.stream] = true;
      ++stats.chunks;
      bytes += share * static_cast<double>(slice.line_bytes);
      entries += share * slice.rows();
    }
  }
  stats.bytes = static_cast<uint64_t>(std::llround(bytes));
  stats.entries = static_cast<uint64_t>(std::llround(entries));
  return stats;
}

absl::StatusOr<std::vector<Matcher>> VolumeMatchers(const VolumeQuestion& question) {
  std::vector<Matcher> out = question.matchers;
  for (const std::string& name : question.target_labels) {
    if (std::any_of(out.begin(), out.end(), [&](const Matcher& m) { return m.name() == name; })) continue;
    ASSIGN_OR_RETURN(Matcher required, Matcher::Make(MatchOp::kRegex, name, ".+"));
    out.push_back(std::move(required));
  }
  return out;
}

absl::StatusOr<std::vector<Series>> VolumeOf(const Selection& selection, const VolumeQuestion& question) {
  Volumes volumes(question);
  // Streams that are in the index for the day and have nothing in the range are no series of the answer.
  for (const StreamRef& stream : selection.streams) RETURN_IF_ERROR(volumes.AddStream(*stream.labels));
  for (const auto& block : selection.blocks) {
    for (const Slice& slice : block->slices()) volumes.AddSlice(slice);
  }
  return volumes.Take();
}

}  // namespace skald::server
