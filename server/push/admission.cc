#include "server/push/admission.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/config.h"
#include "base/error.h"
#include "server/push/metadata_name.h"
#include "server/push/rows_builder.h"
#include "text/rfc3339.h"
#include "text/sanitize.h"

namespace skald::server {
namespace {

constexpr std::string_view kDetectedLevel = "detected_level";
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
std::string SizeText(uint64_t bytes) { return FormatConfigBytes(bytes); }

// What is the same for every entry of a push.
struct EntryRules {
  const Limits* limits;
  int64_t oldest_ns;  // kMinTimeNs: any
  int64_t newest_ns;  // kMaxTimeNs: any

  EntryRules(const Limits* l, int64_t now_ns) : limits(l), oldest_ns(kMinTimeNs), newest_ns(kMaxTimeNs) {
    if (l->reject_old_samples && l->reject_old_samples_max_age_ns > 0)
      oldest_ns = now_ns - l->reject_old_samples_max_age_ns;
    if (l->creation_grace_period_ns > 0) newest_ns = now_ns + l->creation_grace_period_ns;
  }

  bool TooLong(size_t line_bytes) const {
    return limits->max_line_size > 0 && line_bytes > limits->max_line_size && !limits->max_line_size_truncate;
  }

  // The first rule that the entry breaks, in Loki's order; nullptr for none.
  const char* Broken(int64_t time_ns, size_t line_bytes, uint64_t metadata_bytes,
                     uint64_t metadata_count) const {
    if (time_ns < oldest_ns || time_ns == kNoTimeNs) return "greater_than_max_sample_age";
    if (time_ns > newest_ns) return "too_far_in_future";
    if (TooLong(line_bytes)) return "line_too_long";
    if (metadata_count > 0) {
      if (!limits->allow_structured_metadata) return "disallowed_structured_metadata";
      if (limits->max_structured_metadata_size > 0 && metadata_bytes > limits->max_structured_metadata_size) {
        return "structured_metadata_too_large";
      }
      if (limits->max_structured_metadata_entries_count > 0 &&
          metadata_count > static_cast<uint64_t>(limits->max_structured_metadata_entries_count)) {
        return "structured_metadata_too_many";
      }
    }
    return nullptr;
  }

  std::string Message(std::string_view reason, std::string_view stream, int64_t time_ns, size_t line_bytes,
                      uint64_t metadata_bytes, uint64_t metadata_count) const {
    if (reason == "greater_than_max_sample_age") {
      if (oldest_ns == kMinTimeNs) return fmt::format("entry for stream '{}' has no timestamp", stream);
      return fmt::format(
          "entry for stream '{}' has timestamp too old: {}, oldest acceptable timestamp is: {}", stream,
          time_ns == kNoTimeNs ? "0001-01-01T00:00:00Z" : FormatRfc3339(time_ns), FormatRfc3339(oldest_ns));
    }
    if (reason == "too_far_in_future") {
      return fmt::format("entry for stream '{}' has timestamp too new: {}", stream, FormatRfc3339(time_ns));
    }
    if (reason == "line_too_long") {
      return fmt::format(
          "max entry size '{}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
          limits->max_line_size, stream, line_bytes);
    }
    if (reason == "disallowed_structured_metadata") {
      return fmt::format(
          "stream '{}' includes structured metadata, but this feature is disallowed. Please see "
          "`limits_config.allow_structured_metadata` or contact your Loki administrator to enable it",
          stream);
    }
    if (reason == "structured_metadata_too_large") {
      return fmt::format(
          "stream '{}' has structured metadata too large: '{}' bytes, limit: '{}' bytes. Please see "
          "`limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it",
          stream, metadata_bytes, limits->max_structured_metadata_size);
    }
    return fmt::format(
        "stream '{}' has too many structured metadata labels: '{}', limit: '{}'. Please see "
        "`limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to "
        "increase it",
        stream, metadata_count, limits->max_structured_metadata_entries_count);
  }
};

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

// Collects the result of one push.
class Admission::Batch {
 public:
  // limits outlive it.
  Batch(Admission* admission, const Limits* limits, const std::string& tenant)
      : admission_(admission), tenant_(tenant), rules_(limits, admission->clock_->NowNs()) {}

  const EntryRules& rules() const { return rules_; }

  void Refuse(std::string_view stream, std::string_view reason, std::string_view message, uint64_t lines,
              uint64_t bytes) {
    // A stream's refusals come together, so a look at the last few is enough.
    const size_t n = result_.refusals.size();
    for (size_t i = n; i > 0 && i + 8 > n; --i) {
      PushRefusal& refusal = result_.refusals[i - 1];
      if (refusal.reason == reason && refusal.stream == stream) {
        refusal.lines += lines;
        refusal.bytes += bytes;
        return;
      }
    }
    result_.refusals.push_back(
        {std::string(stream), std::string(reason), std::string(message), lines, bytes});
  }

  void RefuseEntry(const ResolvedStream& stream, const char* reason, int64_t time_ns, size_t line_bytes,
                   uint64_t metadata_bytes, uint64_t metadata_count) {
    const std::string message =
        rules_.Message(reason, stream.text, time_ns, line_bytes, metadata_bytes, metadata_count);
    errors_.Add(message);
    Refuse(stream.text, reason, message, 1, line_bytes + metadata_bytes);
  }

  void RefuseStream(const ResolvedStream& stream, uint64_t lines, uint64_t bytes) {
    errors_.Add(stream.reject_message);
    Refuse(stream.text, stream.reject_reason, stream.reject_message, lines, bytes);
    CountDiscarded("invalid_labels", lines, bytes);  // Loki counts such streams under both names
  }

  // A whole push that is not taken.
  AdmissionResult Fail(int status, std::string message) {
    result_.streams.clear();
    result_.failed = true;
    result_.answer = {status, std::move(message)};
    return Finish();
  }

  // Offers a stream's admitted rows; `bytes` are those of lines and metadata.
  void Offer(const std::shared_ptr<const ResolvedStream>& stream, std::shared_ptr<const Rows> rows,
             std::string encoded, uint64_t bytes) {
    candidates_.push_back({stream, std::move(rows), std::move(encoded), bytes});
  }

  // The limits over the whole push, then the streams.
  AdmissionResult Close() {
    uint64_t lines = 0;
    uint64_t bytes = 0;
    for (const Candidate& c : candidates_) {
      lines += c.rows->size();
      bytes += c.bytes;
    }
    if (lines > 0) {
      if (auto refused = admission_->CheckTenantRate(*rules_.limits, tenant_, lines, bytes)) {
        Refuse("", refused->reason, refused->message, lines, bytes);
        return Fail(429, refused->message);
      }
    }
    std::string storage_error;
    uint64_t new_streams = 0;
    for (Candidate& c : candidates_) {
      if (auto refused = admission_->CheckStream(*rules_.limits, tenant_, *c.stream, c.bytes,
                                                 candidates_.size(), &new_streams)) {
        Refuse(c.stream->text, refused->reason, refused->message, c.rows->size(), c.bytes);
        storage_error = std::move(refused->message);
        continue;
      }
      result_.lines += c.rows->size();
      result_.bytes += c.bytes;
      result_.streams.push_back({c.stream->labels, std::move(c.rows), std::move(c.encoded)});
    }
    if (!storage_error.empty()) {
      result_.answer = {429, std::move(storage_error)};
    } else if (!errors_.empty()) {
      result_.answer = {400, errors_.Text()};
    }
    return Finish();
  }

 private:
  struct Candidate {
    std::shared_ptr<const ResolvedStream> stream;
    std::shared_ptr<const Rows> rows;
    std::string encoded;
    uint64_t bytes;
  };

  AdmissionResult Finish() {
    for (const PushRefusal& refusal : result_.refusals)
      CountDiscarded(refusal.reason, refusal.lines, refusal.bytes);
    return std::move(result_);
  }

  void CountDiscarded(const std::string& reason, uint64_t lines, uint64_t bytes) {
    const MetricLabels labels = {{"reason", reason}, {"tenant", tenant_}};
    admission_->metrics_->Counter("loki_discarded_samples_total", "Lines that were refused.", labels)
        .Add(static_cast<double>(lines));
    admission_->metrics_->Counter("loki_discarded_bytes_total", "Bytes of lines that were refused.", labels)
        .Add(static_cast<double>(bytes));
  }

  Admission* const admission_;
  const std::string& tenant_;
  const EntryRules rules_;
  AdmissionResult result_;
  ErrorGroup errors_;
  std::vector<Candidate> candidates_;
};

Admission::Rules::Rules(std::shared_ptr<const Limits> of)
    : limits(std::move(of)), detector(DetectorOptions(*limits)), cache(limits.get(), &detector) {}

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
                                                         const ResolvedStream& stream, uint64_t bytes,
                                                         uint64_t streams_in_push, uint64_t* new_streams) {
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
      return Refused{"per_stream_rate_limit",
                     fmt::format("Per stream rate limit exceeded (limit: {}/sec) while attempting to ingest "
                                 "for stream '{}' totaling "
                                 "{}, consider splitting a stream via additional labels or contact your Loki "
                                 "administrator to see if "
                                 "the limit can be increased",
                                 SizeText(limits.per_stream_rate_limit), stream.text, SizeText(bytes))};
    }
  }
  return std::nullopt;
}

AdmissionResult Admission::Admit(const std::string& tenant, const DecodedPush& push) {
  const std::shared_ptr<Rules> own = RulesOf(tenant);
  const Limits& limits = *own->limits;
  Batch batch(this, &limits, tenant);
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
  for (size_t s = 0; s < push.streams.size(); ++s) {
    const PushStream& stream = push.streams[s];
    const ResolvedStream& identity = *resolved[s];
    if (stream.entry_begin == stream.entry_end) continue;
    if (!identity.reject_reason.empty()) {
      uint64_t bytes = 0;
      for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) bytes += push.entries[e].line.size();
      batch.RefuseStream(identity, stream.entry_end - stream.entry_begin, bytes);
      continue;
    }
    kept.clear();
    bool sorted = true;
    uint64_t text_bytes = 0;
    int64_t last_sent = 0;
    uint64_t shared_bytes = 0;
    for (uint32_t m = stream.metadata_begin; m < stream.metadata_end; ++m)
      shared_bytes += push.metadata[m].first.size() + push.metadata[m].second.size();
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
    }
    flush();
  }
  return batch.Close();
}

// An agent's rows as they are judged: bytes of metadata and number of pairs of each row, detected_level not
// counted.
namespace {

struct RowMetadata {
  uint64_t bytes = 0;
  uint64_t count = 0;
};

std::vector<RowMetadata> MetadataOfRows(const Rows& rows) {
  std::vector<RowMetadata> out;
  for (const MetadataColumn& column : rows.metadata) {
    if (column.name == kDetectedLevel) continue;
    out.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (column.index[i] == 0) continue;
      out[i].bytes += column.name.size() + column.value(column.index[i] - 1).size();
      ++out[i].count;
    }
  }
  return out;
}

std::optional<std::string_view> MetadataValue(const Rows& rows, size_t row, std::string_view name) {
  const MetadataColumn* column = rows.FindMetadata(name);
  if (column == nullptr || column->index[row] == 0) return std::nullopt;
  return column->value(column->index[row] - 1);
}

// Gives each row its detected_level. True if rows had to be changed for that.
bool AddLevels(const LevelDetector& detector, const std::optional<std::string>& of_stream, Rows* rows) {
  const MetadataColumn* const given = rows->FindMetadata(kDetectedLevel);
  if (given != nullptr) {
    bool complete = std::find(given->index.begin(), given->index.end(), 0u) == given->index.end();
    for (size_t k = 0; complete && k < given->value_count(); ++k)
      complete = NormalizeLevel(given->value(k)) == given->value(k);
    if (complete) return false;
  }
  const bool bare = rows->metadata.empty();
  RowsBuilder levels;  // rows without text: only its column is wanted
  for (size_t i = 0; i < rows->size(); ++i) {
    levels.Add(0, {});
    const auto lookup = [rows, i](std::string_view name) { return MetadataValue(*rows, i, name); };
    std::string_view level;
    if (const auto own = lookup(kDetectedLevel)) {
      level = NormalizeLevel(*own);
    } else if (of_stream.has_value()) {
      level = *of_stream;
    } else {
      level = bare ? detector.OfLine(rows->line(i)) : detector.OfMetadataOrLine(lookup, rows->line(i));
    }
    if (!level.empty()) levels.Set(kDetectedLevel, level);
  }
  Rows made = levels.Take();
  std::erase_if(rows->metadata, [](const MetadataColumn& c) { return c.name == kDetectedLevel; });
  if (made.metadata.empty()) return true;
  const auto place =
      std::lower_bound(rows->metadata.begin(), rows->metadata.end(), kDetectedLevel,
                       [](const MetadataColumn& c, std::string_view name) { return c.name < name; });
  rows->metadata.insert(place, std::move(made.metadata[0]));
  return true;
}

}  // namespace

AdmissionResult Admission::AdmitAgent(const std::string& tenant, std::vector<AgentStream> streams) {
  const std::shared_ptr<Rules> own = RulesOf(tenant);
  const Limits& limits = *own->limits;
  Batch batch(this, &limits, tenant);
  const EntryRules& rules = batch.rules();
  const bool add_level = limits.discover_log_levels && limits.allow_structured_metadata;
  uint64_t lines_received = 0;
  uint64_t bytes_received = 0;
  uint64_t metadata_received = 0;
  for (AgentStream& stream : streams) {
    if (stream.rows == nullptr || stream.rows->size() == 0) continue;
    Rows& rows = *stream.rows;
    const uint64_t all_bytes = rows.line_bytes(0, rows.size());
    lines_received += rows.size();
    bytes_received += all_bytes;
    auto resolved = own->cache.Resolve(stream.labels, true);
    if (!resolved.ok()) {
      // One bad stream must not hold up an agent's whole batch for ever.
      batch.Refuse(stream.labels, "invalid_labels", MessageOf(resolved.status()), rows.size(), all_bytes);
      continue;
    }
    const ResolvedStream& identity = **resolved;
    if (!identity.reject_reason.empty()) {
      batch.RefuseStream(identity, rows.size(), all_bytes);
      continue;
    }
    // What is to be dropped or cut, and which names change.
    const std::vector<RowMetadata> metadata = MetadataOfRows(rows);
    std::vector<bool> dropped;
    bool rebuild = false;
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t line_bytes = rows.line_end[i] - rows.line_begin(i);
      const RowMetadata of_row = metadata.empty() ? RowMetadata{} : metadata[i];
      if (limits.max_line_size_truncate && limits.max_line_size > 0 && line_bytes > limits.max_line_size)
        rebuild = true;
      const char* reason = rules.Broken(rows.time_ns[i], line_bytes, of_row.bytes, of_row.count);
      if (reason == nullptr) continue;
      batch.RefuseEntry(identity, reason, rows.time_ns[i], line_bytes, of_row.bytes, of_row.count);
      dropped.resize(rows.size());
      dropped[i] = true;
      rebuild = true;
    }
    std::vector<std::string> names;
    bool bad_name = false;
    for (const MetadataColumn& column : rows.metadata) {
      if (IsNormalMetadataName(column.name)) {
        names.push_back(column.name);
        continue;
      }
      auto normal = NormalizeMetadataName(column.name);
      if (!normal.ok()) {
        batch.Refuse(identity.text, "invalid_structured_metadata", MessageOf(normal.status()), rows.size(),
                     all_bytes);
        bad_name = true;
        break;
      }
      rebuild |= *normal != column.name;
      names.push_back(*std::move(normal));
    }
    if (bad_name) continue;

    std::shared_ptr<Rows> kept = stream.rows;
    if (rebuild) {
      RowsBuilder builder;
      std::string cut;
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!dropped.empty() && dropped[i]) continue;
        std::string_view line = rows.line(i);
        if (limits.max_line_size_truncate && limits.max_line_size > 0 && line.size() > limits.max_line_size) {
          cut.assign(line.substr(0, limits.max_line_size - limits.max_line_size_truncate_identifier.size()));
          cut += limits.max_line_size_truncate_identifier;
          line = cut;
        }
        builder.Add(rows.time_ns[i], line);
        for (size_t c = 0; c < rows.metadata.size(); ++c) {
          const MetadataColumn& column = rows.metadata[c];
          if (column.index[i] != 0) builder.Set(names[c], column.value(column.index[i] - 1));
        }
      }
      kept = std::make_shared<Rows>(builder.Take());
      stream.encoded.clear();
      if (kept->size() == 0) continue;
    }
    if (add_level && AddLevels(own->detector, identity.level, kept.get())) stream.encoded.clear();
    uint64_t metadata_bytes = 0;
    for (const RowMetadata& of_row : metadata) metadata_bytes += of_row.bytes;
    metadata_received += metadata_bytes;
    const uint64_t bytes = kept->line_bytes(0, kept->size()) + metadata_bytes;
    batch.Offer(*resolved, std::move(kept), std::move(stream.encoded), bytes);
  }
  CountReceived(tenant, lines_received, bytes_received, metadata_received);
  return batch.Close();
}

}  // namespace skald::server
