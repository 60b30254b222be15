#include "server/push/entry_rules.h"

#include <fmt/format.h>

#include "base/types.h"
#include "proto/push/push_decode.h"
#include "text/rfc3339.h"

namespace skald::server {

EntryRules::EntryRules(const Limits* limits, int64_t now_ns)
    : limits_(limits), now_ns_(now_ns), oldest_ns_(kMinTimeNs), newest_ns_(kMaxTimeNs) {
  if (limits->reject_old_samples && limits->reject_old_samples_max_age_ns > 0)
    oldest_ns_ = now_ns - limits->reject_old_samples_max_age_ns;
  if (limits->creation_grace_period_ns > 0) newest_ns_ = now_ns + limits->creation_grace_period_ns;
}

const char* EntryRules::Broken(int64_t time_ns, size_t line_bytes, uint64_t metadata_bytes,
                               uint64_t metadata_count) const {
  if (time_ns < oldest_ns_ || time_ns == kNoTimeNs) return "greater_than_max_sample_age";
  if (time_ns > newest_ns_) return "too_far_in_future";
  if (TooLong(line_bytes)) return "line_too_long";
  if (metadata_count > 0) {
    if (!limits_->allow_structured_metadata) return "disallowed_structured_metadata";
    if (limits_->max_structured_metadata_size > 0 && metadata_bytes > limits_->max_structured_metadata_size) {
      return "structured_metadata_too_large";
    }
    if (limits_->max_structured_metadata_entries_count > 0 &&
        metadata_count > static_cast<uint64_t>(limits_->max_structured_metadata_entries_count)) {
      return "structured_metadata_too_many";
    }
  }
  return nullptr;
}

std::string EntryRules::Message(std::string_view reason, std::string_view stream, int64_t time_ns,
                                size_t line_bytes, uint64_t metadata_bytes, uint64_t metadata_count) const {
  if (reason == "greater_than_max_sample_age") {
    if (oldest_ns_ == kMinTimeNs) return fmt::format("entry for stream '{}' has no timestamp", stream);
    return fmt::format("entry for stream '{}' has timestamp too old: {}, oldest acceptable timestamp is: {}",
                       stream, time_ns == kNoTimeNs ? "0001-01-01T00:00:00Z" : FormatRfc3339(time_ns),
                       FormatRfc3339(oldest_ns_));
  }
  if (reason == "too_far_in_future") {
    return fmt::format("entry for stream '{}' has timestamp too new: {}", stream, FormatRfc3339(time_ns));
  }
  if (reason == "line_too_long") {
    return fmt::format(
        "max entry size '{}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
        limits_->max_line_size, stream, line_bytes);
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
        stream, metadata_bytes, limits_->max_structured_metadata_size);
  }
  return fmt::format(
      "stream '{}' has too many structured metadata labels: '{}', limit: '{}'. Please see "
      "`limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to "
      "increase it",
      stream, metadata_count, limits_->max_structured_metadata_entries_count);
}

}  // namespace skald::server
