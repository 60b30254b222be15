// What a tenant may do. Names are those of Loki's limits_config; where Loki's default only gets in the way,
// ours is roomier: docs/limits.md lists both. A set of them is never changed once it is in force.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/matcher.h"
#include "proto/push/otlp_config.h"
#include "server/push/generic_fields.h"
#include "server/tenant/ingestion_policy.h"
#include "text/level.h"

namespace skald::server {

// How long lines of the streams that a selector accepts are kept; of several, the one with the highest
// priority holds, of equals the shortest.
struct StreamRetention {
  std::vector<Matcher> selector;
  int64_t priority = 0;
  int64_t period_ns = 0;
};

struct Limits {
  // Writing. 0 = no limit, unless said otherwise.
  double ingestion_rate_mb = 0;        // MiB a second
  double ingestion_burst_size_mb = 0;  // 0 = the same as the rate; a push above it never passes
  int64_t max_label_name_length = 1024;
  int64_t max_label_value_length = 2048;
  int64_t max_label_names_per_series = 15;  // service_name that the server added does not count
  bool reject_old_samples = false;
  int64_t reject_old_samples_max_age_ns = int64_t{7} * 86'400'000'000'000;
  int64_t creation_grace_period_ns =
      int64_t{600} * 1'000'000'000;  // how far in the future a line may be; 0 = any
  uint64_t max_line_size = 256 << 10;
  bool max_line_size_truncate = false;
  std::string max_line_size_truncate_identifier;
  bool increment_duplicate_timestamp = false;
  bool discover_log_levels = true;
  std::vector<std::string> discover_service_name = DefaultServiceNameLabels();
  std::vector<std::string> log_level_fields = LevelDetector::Options().fields;
  int64_t log_level_from_json_max_depth = 2;
  bool allow_structured_metadata = true;
  uint64_t max_structured_metadata_size = 64 << 10;
  int64_t max_structured_metadata_entries_count = 128;
  int64_t max_global_streams_per_user = 100'000;
  uint64_t per_stream_rate_limit = 0;        // bytes a second
  uint64_t per_stream_rate_limit_burst = 0;  // 0 = five times the rate
  GenericFieldHints discover_generic_fields;
  IngestionRules ingestion;  // enforced labels, blocked ingestion, policies
  OtlpConfig otlp;
  std::string deletion_mode = "filter-and-delete";  // or filter-only, disabled
  int64_t retention_period_ns = 0;                  // 0 = for ever; see retention_enabled in config.h
  std::vector<StreamRetention> retention_stream;

  // Asking.
  int64_t max_query_series = 5000;
  int64_t max_query_length_ns = int64_t{721} * 3'600'000'000'000;
  int64_t max_query_lookback_ns = 0;
  int64_t max_query_range_ns = 0;
  int64_t max_entries_limit_per_query = 5000;
  int64_t max_streams_matchers_per_query = 1000;
  uint64_t max_query_bytes_read = 0;  // line bytes in the selectors' blocks
  int64_t query_timeout_ns = int64_t{60} * 1'000'000'000;
  int64_t split_queries_by_interval_ns = int64_t{3600} * 1'000'000'000;
  std::vector<std::string> required_labels;
  int64_t minimum_labels_number = 0;
  int64_t volume_max_series = 1000;
  int64_t max_concurrent_tail_requests = 10;
  bool volume_enabled = true;
  bool enable_logql_extensions = false;         // docs/logql-extensions.md
  std::vector<std::string> shard_aggregations;  // approx_topk, or it is refused; others mean nothing here
};

}  // namespace skald::server
