#include "server/push/admission.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/config.h"
#include "base/error.h"
#include "proto/push/metadata_name.h"
#include "server/push/admission_batch.h"
#include "server/push/rows_builder.h"
#include "text/go_time.h"
#include "text/sanitize.h"

namespace skald::server {
namespace {

// One Rows takes no more than this; a larger stream becomes several.
constexpr size_t kMaxTextBytes = size_t{32} << 20;
constexpr size_t kMaxColumns = 512;
// Buckets of streams that are kept before all of them start anew.
constexpr size_t kMaxStreamBuckets = 200'000;

LevelDetector::Options DetectorOptions(const Limits& limits) {
  LevelDetector::Options options;
  options.fields = limits.log_level_fields;
  options.json_depth = static_cast<int>(limits.log_level_from_json_max_depth);
  return options;
}

// Binary units written as B, KB, MB, GB: the largest that divides exactly.
std::string SizeText(uint64_t bytes) {
  return bytes < 1024 || bytes % 1024 != 0 ? fmt::format("{}B", bytes) : FormatConfigBytes(bytes);
}

// Rows of a stream that is too fast: a line of text for each of the first, then how many there are.
std::string StreamRateText(const Limits& limits, std::string_view tenant, std::string_view stream,
                           const Rows& rows) {
  constexpr size_t kListed = 10;
  const std::vector<RowMetadata> metadata = MetadataOfRows(rows);
  std::string out;
  for (size_t i = 0; i < std::min(rows.size(), kListed); ++i) {
    GoTime time;
    constexpr int64_t kSecond = 1'000'000'000;
    const int64_t fraction = (rows.time_ns[i] % kSecond + kSecond) % kSecond;
    time.seconds = (rows.time_ns[i] - fraction) / kSecond;
    time.nanosecond = static_cast<int32_t>(fraction);
    const uint64_t bytes = rows.line(i).size() + (metadata.empty() ? 0 : metadata[i].bytes);
    out += fmt::format(
        "entry with timestamp {} ignored, reason: 'Per stream rate limit exceeded (limit: {}/sec) while "
        "attempting to ingest for stream '{}' totaling {}, consider splitting a stream via additional labels "
        "or contact your Loki administrator to see if the limit can be increased',\n",
        GoTimeText(time), SizeText(limits.per_stream_rate_limit), stream, SizeText(bytes));
  }
  out += fmt::format("user '{}', total ignored: {} out of {} for stream: {}", tenant, rows.size(),
                     rows.size(), stream);
  return out;
}

}  // namespace

void ErrorGroup::Add(std::string_view message) {
  for (auto& [text, count] : groups_) {
    if (text == message) {
      ++count;
      return;
    }
  }
  if (groups_.size() < kMaxDistinct) {
    groups_.emplace_back(message, 1);
  } else {
    ++further_;
  }
}

std::string ErrorGroup::Text() const {
  if (groups_.size() == 1 && groups_[0].second == 1) return groups_[0].first;
  std::string out;
  for (const auto& [text, count] : groups_) {
    if (!out.empty()) out += "; ";
    out += fmt::format("{} errors like: {}", count, text);
  }
  if (further_ > 0) out += fmt::format("; {} further errors", further_);
  return out;
}

Admission::Rules::Rules(std::shared_ptr<const Limits> of)
    : limits(std::move(of)),
      detector(DetectorOptions(*limits)),
      generic_fields(limits->discover_generic_fields),
      cache(limits.get(), &detector) {}

Admission::Admission(const TenantLimits* limits, const Store* store, const Clock* clock, Metrics* metrics)
    : limits_(limits),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      base_(std::make_shared<Rules>(limits->base())) {}

std::shared_ptr<Admission::Rules> Admission::RulesOf(const std::string& tenant) {
  std::shared_ptr<const Limits> limits = limits_->Of(tenant);
  if (limits == base_->limits) return base_;
  const std::lock_guard lock(mu_);
  std::shared_ptr<Rules>& own = own_[tenant];
  if (own == nullptr || own->limits != limits) own = std::make_shared<Rules>(std::move(limits));
  return own;
}

void Admission::CountReceived(const std::string& tenant, const DecodedPush& push) {
  uint64_t lines = 0;
  uint64_t bytes = 0;
  uint64_t metadata_bytes = 0;
  const auto of_pairs = [&push](uint32_t begin, uint32_t end) {
    uint64_t sum = 0;
    for (uint32_t m = begin; m < end; ++m)
      sum += push.metadata[m].first.size() + push.metadata[m].second.size();
    return sum;
  };
  for (const PushStream& stream : push.streams) {
    lines += stream.entry_end - stream.entry_begin;
    metadata_bytes +=
        of_pairs(stream.metadata_begin, stream.metadata_end) * (stream.entry_end - stream.entry_begin);
    for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) {
      bytes += push.entries[e].line.size();
      metadata_bytes += of_pairs(push.entries[e].metadata_begin, push.entries[e].metadata_end);
    }
  }
  CountReceived(tenant, lines, bytes, metadata_bytes);
}

void Admission::CountReceived(const std::string& tenant, uint64_t lines, uint64_t bytes,
                              uint64_t metadata_bytes) {
  const MetricLabels labels = {{"tenant", tenant}};
  metrics_
      ->Counter("loki_distributor_lines_received_total", "Lines received, before they are judged.", labels)
      .Add(static_cast<double>(lines));
  metrics_
      ->Counter("loki_distributor_bytes_received_total", "Bytes of lines and structured metadata received.",
                labels)
      .Add(static_cast<double>(bytes + metadata_bytes));
  metrics_
      ->Counter("loki_distributor_structured_metadata_bytes_received_total",
                "Bytes of structured metadata received.", labels)
      .Add(static_cast<double>(metadata_bytes));
}

std::optional<Admission::Refused> Admission::CheckTenantRate(const Limits& limits, const std::string& tenant,
                                                             uint64_t lines, uint64_t bytes) {
  if (limits.ingestion_rate_mb <= 0) return std::nullopt;
  const double rate = limits.ingestion_rate_mb * 1048576;
  const double burst = limits.ingestion_burst_size_mb > 0 ? limits.ingestion_burst_size_mb * 1048576 : rate;
  {
    const std::lock_guard lock(mu_);
    auto it = tenant_rates_.find(tenant);
    if (it == tenant_rates_.end()) it = tenant_rates_.emplace(tenant, TokenBucket(rate, burst)).first;
    it->second.Change(rate, burst);
    if (it->second.Take(static_cast<double>(bytes), MonotonicNs())) return std::nullopt;
  }
  return Refused{"rate_limited", fmt::format("ingestion rate limit exceeded for user {} (limit: {} "
                                             "bytes/sec) while attempting to ingest '{}' lines "
                                             "totaling '{}' bytes, reduce log volume or contact your Loki "
                                             "administrator to see if the limit can be "
                                             "increased",
                                             tenant, static_cast<int64_t>(rate), lines, bytes)};
}

std::optional<Admission::Refused> Admission::CheckStream(const Limits& limits, const std::string& tenant,
                                                         const ResolvedStream& stream, const Rows& rows,
                                                         uint64_t bytes, uint64_t streams_in_push,
                                                         uint64_t* new_streams) {
  if (store_ != nullptr && limits.max_global_streams_per_user > 0) {
    const auto max = static_cast<uint64_t>(limits.max_global_streams_per_user);
    // Far from the limit nobody is looked up; near it the pushes of one moment may pass it by a few.
    const uint64_t active = store_->ActiveStreams(tenant);
    const bool known = active + streams_in_push <= max || store_->HasActiveStream(tenant, stream.labels);
    if (!known && active + *new_streams >= max) {
      return Refused{"stream_limit", fmt::format("maximum active stream limit exceeded when trying to create "
                                                 "stream {}, reduce the number of active "
                                                 "streams (reduce labels or reduce label values), or contact "
                                                 "your Loki administrator to see if the "
                                                 "limit can be increased, user: '{}'",
                                                 stream.text, tenant)};
    }
    if (!known) ++*new_streams;
  }
  if (limits.per_stream_rate_limit > 0) {
    const auto rate = static_cast<double>(limits.per_stream_rate_limit);
    const double burst = limits.per_stream_rate_limit_burst > 0
                             ? static_cast<double>(limits.per_stream_rate_limit_burst)
                             : rate * 5;
    const std::lock_guard lock(mu_);
    if (stream_rates_.size() > kMaxStreamBuckets) stream_rates_.clear();
    const std::string key = tenant + '\0' + stream.text;
    auto it = stream_rates_.find(key);
    if (it == stream_rates_.end()) it = stream_rates_.emplace(key, TokenBucket(rate, burst)).first;
    it->second.Change(rate, burst);
    if (!it->second.Take(static_cast<double>(bytes), MonotonicNs())) {
      return Refused{"per_stream_rate_limit", StreamRateText(limits, tenant, stream.text, rows)};
    }
  }
  return std::nullopt;
}

AdmissionResult Admission::Admit(const std::string& tenant, const DecodedPush& push,
                                 const PushOrigin& origin) {
  const std::shared_ptr<Rules> own = RulesOf(tenant);
  const Limits& limits = *own->limits;
  Batch batch(this, &limits, tenant, origin);
  const EntryRules& rules = batch.rules();
  std::vector<std::shared_ptr<const ResolvedStream>> resolved;
  resolved.reserve(push.streams.size());
  for (const PushStream& stream : push.streams) {
    auto found = own->cache.Resolve(stream.labels, !push.service_name_settled);
    if (!found.ok()) return batch.Fail(400, std::string(MessageOf(found.status())));
    resolved.push_back(*std::move(found));
  }
  if (push.streams.empty())
    return batch.Fail(422, "error at least one valid stream is required for ingestion");
  CountReceived(tenant, push);

  const bool add_level = limits.discover_log_levels && limits.allow_structured_metadata;
  struct Kept {
    int64_t time_ns;
    uint32_t entry;
  };
  std::vector<Kept> kept;
  std::unordered_map<std::string_view, std::string>
      names;  // as sent -> normal; its values stay where they are
  std::deque<std::string> changed_values;
  std::vector<std::pair<std::string_view, std::string_view>> pairs;  // of one entry, names normal
  std::vector<std::pair<std::string_view, std::string_view>> renamed;
  std::string cut;
  std::string scratch;
  GenericFieldFinder generic(&own->generic_fields);
  for (size_t s = 0; s < push.streams.size(); ++s) {
    const PushStream& stream = push.streams[s];
    const ResolvedStream& identity = *resolved[s];
    if (stream.entry_begin == stream.entry_end) continue;
    const auto pairs_bytes = [&push](uint32_t begin, uint32_t end) {
      uint64_t sum = 0;
      for (uint32_t m = begin; m < end; ++m)
        sum += push.metadata[m].first.size() + push.metadata[m].second.size();
      return sum;
    };
    const uint64_t shared_bytes = pairs_bytes(stream.metadata_begin, stream.metadata_end);
    uint64_t sent_bytes = 0;
    for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) {
      const PushEntry& entry = push.entries[e];
      sent_bytes += entry.line.size() + shared_bytes + pairs_bytes(entry.metadata_begin, entry.metadata_end);
    }
    if (!batch.Passes(identity, stream.entry_end - stream.entry_begin, sent_bytes)) continue;
    kept.clear();
    bool sorted = true;
    uint64_t text_bytes = 0;
    int64_t last_sent = 0;
    const uint64_t shared_count = stream.metadata_end - stream.metadata_begin;
    for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) {
      const PushEntry& entry = push.entries[e];
      uint64_t metadata_bytes = shared_bytes;
      const uint64_t metadata_count = shared_count + entry.metadata_end - entry.metadata_begin;
      for (uint32_t m = entry.metadata_begin; m < entry.metadata_end; ++m) {
        if (push.metadata[m].first == kDetectedLevel) continue;
        metadata_bytes += push.metadata[m].first.size() + push.metadata[m].second.size();
      }
      if (const char* reason =
              rules.Broken(entry.time_ns, entry.line.size(), metadata_bytes, metadata_count)) {
        batch.RefuseEntry(identity, reason, entry.time_ns, entry.line.size(), metadata_bytes, metadata_count);
        continue;
      }
      int64_t time_ns = entry.time_ns;
      if (limits.increment_duplicate_timestamp && !kept.empty() && last_sent == entry.time_ns &&
          push.entries[kept.back().entry].line != entry.line) {
        time_ns = kept.back().time_ns + 1;
      }
      last_sent = entry.time_ns;
      if (!kept.empty() && time_ns < kept.back().time_ns) sorted = false;
      kept.push_back({time_ns, e});
      text_bytes += entry.line.size();
    }
    if (kept.empty()) continue;
    if (!sorted) {
      std::stable_sort(kept.begin(), kept.end(),
                       [](const Kept& a, const Kept& b) { return a.time_ns < b.time_ns; });
    }

    RowsBuilder builder;
    builder.Reserve(kept.size(), std::min(text_bytes, kMaxTextBytes));
    uint64_t bytes = 0;
    const auto flush = [&] {
      if (builder.rows() == 0) return;
      batch.Offer(resolved[s], std::make_shared<const Rows>(builder.Take()), "", bytes);
      bytes = 0;
    };
    const auto metadata_lookup = [&pairs](std::string_view name) -> std::optional<std::string_view> {
      for (const auto& pair : pairs) {
        if (pair.first == name) return pair.second;
      }
      return std::nullopt;
    };
    for (const Kept& row : kept) {
      const PushEntry& entry = push.entries[row.entry];
      std::string_view line = entry.line;
      if (limits.max_line_size_truncate && limits.max_line_size > 0 && line.size() > limits.max_line_size) {
        const std::string& mark = limits.max_line_size_truncate_identifier;
        cut.assign(line.substr(0, limits.max_line_size - mark.size()));
        cut += mark;
        line = cut;
      }
      if (builder.text_bytes() + line.size() > kMaxTextBytes || builder.columns() > kMaxColumns) flush();
      builder.Add(row.time_ns, line);
      bytes += line.size();
      pairs.clear();
      renamed.clear();
      for (const auto& [first, last] : {std::pair(entry.metadata_begin, entry.metadata_end),
                                        std::pair(stream.metadata_begin, stream.metadata_end)}) {
        for (uint32_t m = first; m < last; ++m) {
          std::string_view name = push.metadata[m].first;
          if (!IsNormalMetadataName(name)) {
            auto known = names.find(name);
            if (known == names.end()) {
              auto normal = NormalizeMetadataName(name);
              if (!normal.ok()) return batch.Fail(500, std::string(MessageOf(normal.status())));
              known = names.emplace(name, *std::move(normal)).first;
            }
            name = known->second;
          }
          std::string_view value = WithoutInvalidRunes(push.metadata[m].second, &scratch);
          // A value that had to be changed lives in the scratch only until the next one.
          if (value.data() != push.metadata[m].second.data()) value = changed_values.emplace_back(value);
          bytes += name.size() + value.size();
          if (value.empty()) continue;  // no metadata, as in Loki
          pairs.emplace_back(name, value);
          // Of one name the last pair is kept, but one that was renamed beats those that had the name as
          // sent.
          if (name.data() != push.metadata[m].first.data()) {
            renamed.emplace_back(name, value);
          } else {
            builder.Set(name, value);
          }
        }
      }
      for (const auto& [name, value] : renamed) builder.Set(name, value);
      if (add_level) {
        std::string_view level;
        const std::optional<std::string_view> given =
            pairs.empty() ? std::nullopt : metadata_lookup(kDetectedLevel);
        if (given.has_value()) {
          level = NormalizeLevel(*given);
        } else if (identity.level.has_value()) {
          level = *identity.level;
        } else if (pairs.empty()) {
          level = own->detector.OfLine(line);
        } else {
          level = own->detector.OfMetadataOrLine(metadata_lookup, line);
        }
        if (!level.empty()) builder.Set(kDetectedLevel, level);
      }
      if (!own->generic_fields.empty()) {
        generic.Find(identity.labels, metadata_lookup, line,
                     [&](std::string_view name, std::string_view value) {
                       builder.Set(name, changed_values.emplace_back(value));
                     });
      }
    }
    flush();
  }
  return batch.Close();
}

}  // namespace skald::server
