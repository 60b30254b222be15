// The server's settings: where they come from and what they are by default. docs/limits.md tells about
// limits_config.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/config.h"
#include "server/page/page_config.h"
#include "server/rules/rules_config.h"
#include "server/tenant/limits.h"

namespace skald::server {

inline constexpr std::string_view kVersion = "0.1.0";

struct ServerConfig {
  std::string data_dir = "./data";
  std::string wal_sync = "always";
  int64_t wal_sync_interval_ns = 100'000'000;
  uint64_t head_memory = uint64_t{96} << 20;
  int64_t head_max_age_ns = int64_t{1800} * 1'000'000'000;
  double min_free_disk_percent = 10;  // the oldest lines go when less is free; 0 = never for that
  uint64_t max_disk = 0;              // ... and when segments have more bytes; 0 = any number
  int64_t compaction_interval_ns = int64_t{60} * 1'000'000'000;
  int64_t compaction_quiet_ns = int64_t{600} * 1'000'000'000;
  bool retention_enabled = false;  // whether limits_config.retention_period and retention_stream hold
  int64_t delete_cancel_period_ns = int64_t{24 * 3600} * 1'000'000'000;

  std::string http_listen = "127.0.0.1:3100";
  std::string grpc_listen = "127.0.0.1:9095";
  int64_t max_connections = 4096;
  int64_t shutdown_timeout_ns = int64_t{30} * 1'000'000'000;

  bool auth_enabled = false;
  std::string log_level = "info";
  std::string target = "all";

  uint64_t push_max_bytes = uint64_t{100} << 20;               // of a request as sent
  uint64_t push_max_decompressed_bytes = uint64_t{256} << 20;  // after decompression
  uint64_t push_memory = uint64_t{512} << 20;                  // of all pushes under way
  int64_t push_threads = 0;                                    // 0 = one per core

  // All of the below, lines in memory and caches together; 0 = half of the machine's or the container's.
  uint64_t memory_limit = 0;
  uint64_t query_memory = uint64_t{1} << 30;  // of all queries under way
  uint64_t query_memory_per_query = uint64_t{512} << 20;
  uint64_t query_results_memory = uint64_t{64} << 20;  // of kept results; 0 = none are kept
  uint64_t query_answer_memory = uint64_t{512} << 20;  // of answers that their clients have not taken yet
  int64_t query_concurrency = 0;  // queries that run at one time; 0 = two per core, at least 4
  int64_t query_queue = 1024;     // that may wait per tenant; beyond it 429
  // Questions for labels and series whose range ends longer ago than this leave out streams that are in
  // memory alone and were not yet silent for half an hour at the range's end, as Loki does; 0 = never.
  int64_t query_ingesters_within_ns = int64_t{3 * 3600} * 1'000'000'000;

  // Limits of single tenants, see tenant_limits.h; "" = none.
  std::string overrides_file;
  int64_t overrides_period_ns = int64_t{10} * 1'000'000'000;

  bool compress_responses = false;  // answers to questions as gzip, where the client takes it
  bool multi_tenant_queries = false;
  int64_t tail_max_duration_ns = int64_t{3600} * 1'000'000'000;

  RulesConfig rules;
  PageConfig page;
  Limits limits;
};

// Registers the keys of limits_config on `config`, which then writes into *out.
void RegisterLimitOptions(Config* config, Limits* out);

// Registers every option of the server on `config`, which then writes into *out.
void RegisterServerOptions(Config* config, ServerConfig* out);

// What no single option can see: addresses of the right form, limits that fit together. InvalidArgument names
// the option.
absl::Status ValidateServerConfig(const ServerConfig& config);

}  // namespace skald::server
