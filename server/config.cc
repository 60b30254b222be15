#include "server/config.h"

#include <functional>
#include <limits>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/status_macros.h"
#include "server/http/http_server.h"
#include "server/tenant/retention.h"

namespace skald::server {
namespace {

constexpr int64_t kMany = std::numeric_limits<int64_t>::max();

// Puts another host or port into a host:port text.
void SetHost(std::string* listen, const std::string& host) {
  const size_t colon = listen->rfind(':');
  const bool v6 = host.find(':') != std::string::npos && host.front() != '[';
  *listen = (v6 ? "[" + host + "]" : host) + listen->substr(colon);
}

absl::Status SetPort(std::string* listen, const ConfigValue& v) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(":" + v.text);
  if (!parsed.ok()) return v.Wrong("a port from 0 to 65535");
  listen->replace(listen->rfind(':'), std::string::npos, ":" + v.text);
  return absl::OkStatus();
}

// Another Loki setting with nothing to do here.
struct Unneeded {
  const char* path;
  const char* advice;
};

constexpr Unneeded kUnneeded[] = {
    {"schema_config", "not needed: there is one storage format, and it upgrades itself"},
    {"storage_config", "not needed: all data lies below the data directory (--data-dir)"},
    {"chunk_store_config", "not needed: the store has no caches to set up"},
    {"table_manager", "not needed: there are no tables"},
    {"ingester", "not needed: see head_memory and head_max_age under storage, and wal.sync"},
    {"ingester_client", "not needed: one process does everything"},
    {"ingester_rf1", "not needed: one process does everything"},
    {"distributor", "not needed: see push.max_bytes and limits_config"},
    {"querier.max_concurrent", "not needed: see query.concurrency and query.memory"},
    {"querier.engine", "not needed: there is one engine"},
    {"querier.extra_query_delay", "not needed: lines can be asked for as soon as they are acknowledged"},
    {"query_range",
     "not needed: queries are split by limits_config.split_queries_by_interval; for kept results see "
     "query.results_memory"},
    {"query_scheduler", "not needed: see query.concurrency and query.queue"},
    {"frontend.max_outstanding_per_tenant", "replaced by query.queue"},
    {"frontend.log_queries_longer_than", "not needed: see loki_request_duration_seconds at /metrics"},
    {"frontend.encoding", "not needed: one process does everything"},
    {"frontend.address", "not needed: one process does everything"},
    {"frontend.downstream_url", "not needed: one process does everything"},
    {"frontend.scheduler_address", "not needed: one process does everything"},
    {"frontend.tail_proxy_url", "not needed: one process does everything"},
    {"frontend_worker", "not needed: one process does everything"},
    {"compactor.working_directory", "not needed: all data lies below the data directory (--data-dir)"},
    {"compactor.apply_retention_interval", "not needed: retention is applied with each compaction"},
    {"compactor.retention_delete_delay", "not needed: files go when no query reads them any more"},
    {"compactor.retention_delete_worker_count", "not needed: one thread does it"},
    {"compactor.retention_table_timeout", "not needed"},
    {"compactor.delete_request_store", "not needed: requests are kept in the data directory"},
    {"compactor.delete_request_store_key_prefix", "not needed: requests are kept in the data directory"},
    {"compactor.delete_request_store_db_type", "not needed: requests are kept in the data directory"},
    {"compactor.delete_batch_size", "not needed"},
    {"compactor.delete_max_interval", "not needed"},
    {"compactor.max_compaction_parallelism", "not needed: one thread does it"},
    {"compactor.upload_parallelism", "not needed"},
    {"compactor.run_once", "see POST /compact"},
    {"compactor.tables_to_compact", "not needed: there are no tables"},
    {"compactor.skip_latest_n_tables", "not needed: there are no tables"},
    {"compactor.compactor_ring", "not needed: there is no ring"},
    {"compactor.deletion_mode", "replaced by limits_config.deletion_mode"},
    {"compactor.shared_store", "not needed: all data lies below the data directory (--data-dir)"},
    {"index_gateway", "not needed: one process does everything"},
    {"memberlist", "not needed: there is no cluster to join"},
    {"bloom_build", "not needed: blocks carry their own filters"},
    {"bloom_compactor", "not needed: blocks carry their own filters"},
    {"bloom_gateway", "not needed: blocks carry their own filters"},
    {"analytics", "not needed: nothing is reported to anybody"},
    {"tracing", "not needed: nothing is traced"},
    {"profiling", "not needed"},
    {"limits", "not needed"},
    {"memcached", "not needed: there are no external caches"},
    {"pattern_ingester", "not needed: patterns are always counted"},
    {"ui", "not needed"},
    {"operational_config", "not needed"},
    {"ballast_bytes", "not needed: there is no garbage collector"},
    {"ingest_limits", "not needed: one process does everything"},
    {"ingest_limits_frontend", "not needed: one process does everything"},
    {"ingest_limits_frontend_client", "not needed: one process does everything"},
    {"common.replication_factor", "not needed: one process does everything"},
    {"common.ring", "not needed: there is no ring"},
    {"common.storage", "not needed: all data lies below the data directory (--data-dir)"},
    {"common.instance_addr", "not needed: there is no ring"},
    {"common.instance_interface_names", "not needed: there is no ring"},
    {"common.compactor_address", "not needed: one process does everything"},
    {"common.compactor_grpc_address", "not needed: one process does everything"},
    {"common.persist_tokens", "not needed: there is no ring"},
    {"server.http_server_read_timeout", "not needed: a connection may be slow as long as it moves"},
    {"server.http_server_write_timeout", "not needed: a connection may be slow as long as it moves"},
    {"server.http_server_idle_timeout", "not needed: idle connections are closed after two minutes"},
    {"server.http_listen_network", "not needed: the address says it"},
    {"server.grpc_listen_network", "not needed: the address says it"},
    {"server.grpc_server_max_recv_msg_size", "not needed: batches may have 64 MB"},
    {"server.grpc_server_max_send_msg_size", "not needed: answers are small"},
    {"server.grpc_server_max_concurrent_streams", "not needed: there is no limit"},
    {"server.log_format", "not needed: the log is logfmt"},
    {"server.register_instrumentation", "not needed: /metrics is always there"},
    {"limits_config.ingestion_rate_strategy", "not needed: one process sees all pushes"},
    {"limits_config.max_streams_per_user", "replaced by limits_config.max_global_streams_per_user"},
    {"limits_config.unordered_writes", "not needed: lines of any age and order are taken"},
    {"limits_config.shard_streams", "not needed: a stream of any rate is taken as one"},
    {"limits_config.max_chunks_per_query", "not needed: see query.memory"},
    {"limits_config.max_query_parallelism", "not needed: a query uses all cores"},
    {"limits_config.tsdb_max_query_parallelism", "not needed: a query uses all cores"},
    {"limits_config.tsdb_max_bytes_per_shard", "not needed: a query uses all cores"},
    {"limits_config.cardinality_limit", "not needed: the index has no such limit"},
    {"limits_config.max_cache_freshness_per_query",
     "not needed: kept results are those of lines that are there, however late they come"},
    {"limits_config.split_metadata_queries_by_interval", "not needed: label queries are not split"},
    {"limits_config.split_instant_metric_queries_by_interval", "not needed: instant queries are not split"},
    {"limits_config.max_querier_bytes_read", "not needed: see query.memory"},
    {"limits_config.simulated_push_latency", "not needed"},
    {"limits_config.enable_multi_variant_queries",
     "not available: variants() is refused, as Loki does by default"},
    {"limits_config.use_owned_stream_count", "not needed: one process has all streams"},
    {"limits_config.tsdb_sharding_strategy", "not needed: a query uses all cores"},
    {"limits_config.tsdb_precompute_chunks", "not needed: a query uses all cores"},
    {"limits_config.max_metadata_cache_freshness", "not needed: there is no result cache"},
    {"limits_config.max_stats_cache_freshness", "not needed: there is no result cache"},
    {"limits_config.max_queriers_per_tenant", "not needed: see query.concurrency"},
    {"limits_config.max_query_capacity",
     "not needed: a tenant has three quarters of query.concurrency at most"},
    {"limits_config.query_ready_index_num_days", "not needed: the index is always there"},
    {"limits_config.split_recent_metadata_queries_by_interval", "not needed: label queries are not split"},
    {"limits_config.recent_metadata_query_window", "not needed: label queries are not split"},
    {"limits_config.engine_results_cache_time_bucket_interval", "not needed: there is no result cache"},
    {"limits_config.split_ingester_queries_by_interval", "not needed: one process does everything"},
    {"limits_config.min_sharding_lookback", "not needed: a query uses all cores"},
    {"limits_config.per_tenant_override_config", "replaced by runtime_config.file"},
    {"limits_config.per_tenant_override_period", "replaced by runtime_config.period"},
    {"limits_config.allow_deletes", "replaced by limits_config.deletion_mode"},
    {"limits_config.policy_override_limits",
     "not available: limits are of a tenant, see runtime_config.file"},
    {"limits_config.ingestion_partitions_tenant_shard_size", "not needed: one process does everything"},
    {"limits_config.pattern_ingester_tokenizable_json_fields_default",
     "not needed: patterns are of whole lines"},
    {"limits_config.pattern_ingester_tokenizable_json_fields_append",
     "not needed: patterns are of whole lines"},
    {"limits_config.pattern_ingester_tokenizable_json_fields_delete",
     "not needed: patterns are of whole lines"},
    {"limits_config.metric_aggregation_enabled", "not needed: volumes are counted from block headers"},
    {"limits_config.pattern_persistence_enabled",
     "not needed: patterns are kept with the blocks they are of"},
    {"limits_config.pattern_persistence_granularity", "not needed: patterns are counted in steps of 10 s"},
    {"limits_config.pattern_rate_threshold", "not needed: all patterns are kept"},
    {"limits_config.max_scan_task_parallelism", "not needed: a query uses all cores"},
    {"limits_config.index_gateway_shard_size", "not needed: one process does everything"},
    {"limits_config.index_gateway_max_capacity", "not needed: one process does everything"},
    {"limits_config.bloom_gateway_enable_filtering", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_build_max_builders", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_build_task_max_retries", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_build_builder_response_timeout", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_creation_enabled", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_planning_strategy", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_split_series_keyspace_by", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_task_target_series_chunk_size", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_block_encoding", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_prefetch_blocks", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_max_block_size", "not needed: blocks carry their own filters"},
    {"limits_config.bloom_max_bloom_size", "not needed: blocks carry their own filters"},
    {"limits_config.enforce_metric_name", "not needed: log streams have no metric name"},
};

bool IsLimit(std::string_view path) { return path.starts_with("limits_config."); }

// What is no option of ours, other spellings, and the examples.
void RegisterTheRest(Config* config);

}  // namespace

void RegisterServerOptions(Config* config, ServerConfig* out) {
  config->Group("Data");
  config->Text({.flag = "data-dir",
                .yaml = "data_dir",
                .help = "Directory of everything the server keeps; made if missing. Loki's "
                        "common.path_prefix is taken too.",
                .example = "/var/lib/skald"},
               &out->data_dir);
  config->Yaml("common.path_prefix", [out](const ConfigValue& v) {
    out->data_dir = v.text;
    return absl::OkStatus();
  });
  config->Choice({.flag = "wal-sync",
                  .yaml = "wal.sync",
                  .help = "When a push is answered: once it is on disk (always), within wal.sync_interval of "
                          "that (interval), or when "
                          "the operating system has it (off)."},
                 &out->wal_sync, {"always", "interval", "off"});
  config->Duration({.flag = "", .yaml = "wal.sync_interval", .help = "For wal.sync: interval."},
                   &out->wal_sync_interval_ns);
  config->Bytes({.flag = "head-memory",
                 .yaml = "storage.head_memory",
                 .help = "Memory for lines that are not in segments yet; more makes fewer, larger segments.",
                 .example = "256MB"},
                &out->head_memory);
  config->Duration({.flag = "",
                    .yaml = "storage.head_max_age",
                    .help = "Lines go to a segment after this long at the latest."},
                   &out->head_max_age_ns);

  config->Double({.flag = "",
                  .yaml = "storage.min_free_disk_percent",
                  .help = "The oldest lines are removed when less of the disk is free; 0 = never for that."},
                 &out->min_free_disk_percent, 0, 90);
  config->Bytes({.flag = "max-disk",
                 .yaml = "storage.max_disk",
                 .help = "The oldest lines are removed when stored ones take more; 0 = any number.",
                 .example = "100GB"},
                &out->max_disk);
  config->Duration({.flag = "",
                    .yaml = "compactor.compaction_interval",
                    .help = "How often there is a look for segments to merge and lines to remove."},
                   &out->compaction_interval_ns);
  config->Duration({.flag = "",
                    .yaml = "compactor.compact_after",
                    .help = "Segments of a day that is over are merged when none came for so long."},
                   &out->compaction_quiet_ns);
  config->Bool({.flag = "",
                .yaml = "compactor.retention_enabled",
                .help = "Lines end after limits_config.retention_period and retention_stream."},
               &out->retention_enabled);
  config->Duration(
      {.flag = "",
       .yaml = "compactor.delete_request_cancel_period",
       .help = "Lines of a delete request are hidden at once and removed from the disk after this "
               "long; until then it can be cancelled."},
      &out->delete_cancel_period_ns);

  config->Group("Listening");
  config->Text(
      {.flag = "http-listen",
       .yaml = "server.http_listen",
       .help =
           "Address of the HTTP API. In YAML also server.http_listen_address and server.http_listen_port.",
       .example = "0.0.0.0:3100"},
      &out->http_listen);
  config->Text({.flag = "grpc-listen",
                .yaml = "server.grpc_listen",
                .help = "Address for agents. In YAML also server.grpc_listen_address and "
                        "server.grpc_listen_port. Empty: no gRPC.",
                .example = "0.0.0.0:9095"},
               &out->grpc_listen);
  const auto address = [config](const std::string& key, std::string* listen) {
    config->Yaml("server." + key + "_address", [listen](const ConfigValue& v) {
      SetHost(listen, v.text);
      return absl::OkStatus();
    });
    config->Yaml("server." + key + "_port", [listen](const ConfigValue& v) { return SetPort(listen, v); });
  };
  address("http_listen", &out->http_listen);
  address("grpc_listen", &out->grpc_listen);
  config->Int(
      {.flag = "", .yaml = "server.max_connections", .help = "Open HTTP connections; more are refused."},
      &out->max_connections, 1, 1'000'000);
  config->Duration({.flag = "",
                    .yaml = "server.graceful_shutdown_timeout",
                    .help = "How long requests under way may take to finish after SIGTERM."},
                   &out->shutdown_timeout_ns);

  config->Group("General");
  config->Bool({.flag = "auth-enabled",
                .yaml = "auth_enabled",
                .help = "Tenants by the header X-Scope-OrgID, which is then required. Otherwise all data "
                        "belongs to one tenant."},
               &out->auth_enabled);
  config->Choice(
      {.flag = "log-level", .yaml = "server.log_level", .help = "What the server says about itself."},
      &out->log_level, {"debug", "info", "warn", "error"});
  config->Choice({.flag = "target", .yaml = "target", .help = "Parts to run."}, &out->target, {"all"});

  config->Group("Pushes and queries");
  config->Bytes({.flag = "", .yaml = "push.max_bytes", .help = "A push as sent may have this many bytes."},
                &out->push_max_bytes);
  config->Bytes({.flag = "",
                 .yaml = "push.max_decompressed_bytes",
                 .help = "A push after decompression; nothing is inflated beyond it."},
                &out->push_max_decompressed_bytes);
  config->Bytes({.flag = "push-memory",
                 .yaml = "push.memory",
                 .help = "Memory of all pushes under way; beyond it senders are told to try again."},
                &out->push_memory);
  config->Int({.flag = "", .yaml = "push.threads", .help = "Threads that decode pushes; 0 = one per core."},
              &out->push_threads, 0, 1024);
  config->Bytes(
      {.flag = "memory-limit",
       .yaml = "memory.limit",
       .help = "Memory of lines, pushes, queries and caches together; 0 = half of the machine's or the "
               "container's.",
       .example = "2GB"},
      &out->memory_limit);
  config->Bytes(
      {.flag = "query-memory",
       .yaml = "query.memory",
       .help = "Memory of all queries under way; a query beyond it ends with an error, the server stays.",
       .example = "4GB"},
      &out->query_memory);
  config->Bytes({.flag = "", .yaml = "query.memory_per_query", .help = "Memory of one query."},
                &out->query_memory_per_query);
  config->Bytes({.flag = "",
                 .yaml = "query.results_memory",
                 .help = "Memory of metric queries' results that are kept for the next time; 0 = none are."},
                &out->query_results_memory);
  config->Bytes({.flag = "",
                 .yaml = "query.answer_memory",
                 .help = "Memory of answers that their clients have not read yet; further ones are 503."},
                &out->query_answer_memory);
  config->Int(
      {.flag = "query-concurrency",
       .yaml = "query.concurrency",
       .help = "Queries that run at one time; others wait, tenants in turn. 0 = two per core, at least 4."},
      &out->query_concurrency, 0, 4096);
  config->Int({.flag = "",
               .yaml = "query.queue",
               .help = "Queries of a tenant that may wait; more are answered 429."},
              &out->query_queue, 1, 1'000'000);
  config->Duration(
      {.flag = "",
       .yaml = "querier.query_ingesters_within",
       .help =
           "Labels and series of a range that ends longer ago than this come from stored segments and from "
           "streams silent for 30 minutes at its end, not from others still in memory (as Loki has it); "
           "0 = from all."},
      &out->query_ingesters_within_ns);

  config->Bool({.flag = "",
                .yaml = "frontend.compress_responses",
                .help = "Answer questions with gzip where the client takes it and the answer is large."},
               &out->compress_responses);
  config->Bool({.flag = "",
                .yaml = "querier.multi_tenant_queries_enabled",
                .help = "Let X-Scope-OrgID name several tenants, as in a|b, for questions."},
               &out->multi_tenant_queries);
  config->Duration(
      {.flag = "", .yaml = "querier.tail_max_duration", .help = "A live tail ends after this long."},
      &out->tail_max_duration_ns);
  config->Text(
      {.flag = "overrides",
       .yaml = "runtime_config.file",
       .help = "YAML file with limits of single tenants (overrides: {tenant: {limit: value}}), read again "
               "while the server runs.",
       .example = "/etc/skald/overrides.yaml"},
      &out->overrides_file);
  config->Duration(
      {.flag = "", .yaml = "runtime_config.period", .help = "How often the overrides file is looked at."},
      &out->overrides_period_ns);

  RegisterRulesOptions(config, &out->rules);
  RegisterPageOptions(config, &out->page);

  config->Group("Limits (YAML; 0 = no limit)");
  RegisterLimitOptions(config, &out->limits);
  RegisterTheRest(config);
}

void RegisterLimitOptions(Config* config, Limits* out) {
  Limits& l = *out;
  const auto spec = [](const char* key, const char* help) {
    return OptionSpec{.flag = "", .yaml = std::string("limits_config.") + key, .help = help};
  };
  config->Double(spec("ingestion_rate_mb", "MiB a second a tenant may push."), &l.ingestion_rate_mb, 0, 1e9);
  config->Double(spec("ingestion_burst_size_mb", "MiB at once; 0 = the rate."), &l.ingestion_burst_size_mb, 0,
                 1e9);
  config->Int(spec("max_label_name_length", "Bytes of a label name."), &l.max_label_name_length, 0, kMany);
  config->Int(spec("max_label_value_length", "Bytes of a label value."), &l.max_label_value_length, 0, kMany);
  config->Int(spec("max_label_names_per_series", "Labels of a stream, service_name not counted."),
              &l.max_label_names_per_series, 0, kMany);
  config->Bool(spec("reject_old_samples", "Refuse lines older than reject_old_samples_max_age."),
               &l.reject_old_samples);
  config->Duration(spec("reject_old_samples_max_age", "For reject_old_samples."),
                   &l.reject_old_samples_max_age_ns);
  config->Duration(spec("creation_grace_period", "How far in the future a line may be."),
                   &l.creation_grace_period_ns);
  config->Bytes(spec("max_line_size", "Bytes of a line."), &l.max_line_size);
  config->Bool(spec("max_line_size_truncate", "Cut longer lines instead of refusing them."),
               &l.max_line_size_truncate);
  config->Text(spec("max_line_size_truncate_identifier", "Ends a line that was cut."),
               &l.max_line_size_truncate_identifier);
  config->Bool(
      spec("increment_duplicate_timestamp", "Lines of equal time in one push are moved apart by 1 ns."),
      &l.increment_duplicate_timestamp);
  config->Bool(spec("discover_log_levels", "Add detected_level to each line."), &l.discover_log_levels);
  config->List(spec("discover_service_name", "Labels that may give service_name, the first wins; [] = off."),
               &l.discover_service_name);
  config->List(spec("log_level_fields", "Labels and fields that hold a level, the first wins."),
               &l.log_level_fields);
  config->Int(spec("log_level_from_json_max_depth", "Levels of nesting searched for it; 0 = all."),
              &l.log_level_from_json_max_depth, 0, 1000);
  config->Bool(spec("allow_structured_metadata", "Take structured metadata."), &l.allow_structured_metadata);
  config->Bytes(spec("max_structured_metadata_size", "Bytes of a line's metadata."),
                &l.max_structured_metadata_size);
  config->Int(spec("max_structured_metadata_entries_count", "Pairs of a line's metadata."),
              &l.max_structured_metadata_entries_count, 0, kMany);
  config->Int(spec("max_global_streams_per_user", "Streams of a tenant with lines in memory."),
              &l.max_global_streams_per_user, 0, kMany);
  config->Bytes(spec("per_stream_rate_limit", "Bytes a second of one stream."), &l.per_stream_rate_limit);
  config->Bytes(spec("per_stream_rate_limit_burst", "Bytes at once of one stream; 0 = five times the rate."),
                &l.per_stream_rate_limit_burst);
  const auto section = [config](const char* key, std::function<absl::Status(const YAML::Node&)> read) {
    config->Section(std::string("limits_config.") + key, [read = std::move(read)](const YAML::Node& node,
                                                                                  const ConfigPlace& place) {
      const absl::Status status = read(node);
      return status.ok() ? status : InvalidArgument("{}: {}", place.source, MessageOf(status));
    });
  };
  config->List(spec("enforced_labels", "Streams without one of these are refused."),
               &l.ingestion.enforced_labels);
  config->Int(spec("block_ingestion_status_code",
                   "Answer to a push that is blocked; 200 = 204 is answered all the same."),
              &l.ingestion.block_status, 200, 599);
  section("block_ingestion_until", [&l](const YAML::Node& node) {
    ASSIGN_OR_RETURN(l.ingestion.block_until, ParseBlockUntil(node.IsNull() ? "" : node.Scalar()));
    return absl::OkStatus();
  });
  section("policy_stream_mapping",
          [&l](const YAML::Node& node) { return ReadPolicySelectors(node, &l.ingestion); });
  section("policy_enforced_labels",
          [&l](const YAML::Node& node) { return ReadPolicyEnforcedLabels(node, &l.ingestion); });
  section("block_ingestion_policy_until",
          [&l](const YAML::Node& node) { return ReadPolicyBlockUntil(node, &l.ingestion); });
  section("discover_generic_fields",
          [&l](const YAML::Node& node) { return ReadGenericFields(node, &l.discover_generic_fields); });
  section("otlp_config", [&l](const YAML::Node& node) { return ReadOtlpConfig(node, &l.otlp); });
  config->Duration(
      spec("retention_period", "Lines are removed after this long, if compactor.retention_enabled."),
      &l.retention_period_ns);
  section("retention_stream",
          [&l](const YAML::Node& node) { return ReadRetentionStreams(node, &l.retention_stream); });
  config->Choice(spec("deletion_mode", "Whether delete requests are taken."), &l.deletion_mode,
                 {"disabled", "filter-only", "filter-and-delete"});
  config->Int(spec("max_query_series", "Series of an answer."), &l.max_query_series, 0,
              std::numeric_limits<uint32_t>::max());
  config->Duration(spec("max_query_length", "Time range of a query."), &l.max_query_length_ns);
  config->Duration(spec("max_query_lookback", "Queries see nothing older than this."),
                   &l.max_query_lookback_ns);
  config->Duration(spec("max_query_range", "The range in square brackets."), &l.max_query_range_ns);
  config->Int(spec("max_entries_limit_per_query", "The parameter limit of a log query."),
              &l.max_entries_limit_per_query, 0, std::numeric_limits<uint32_t>::max());
  config->Int(spec("max_streams_matchers_per_query", "Matchers of a query."),
              &l.max_streams_matchers_per_query, 0, std::numeric_limits<uint32_t>::max());
  config->Bytes(spec("max_query_bytes_read", "Bytes of lines a query's selectors may have in its range."),
                &l.max_query_bytes_read);
  config->Duration(spec("query_timeout", "Time a query may take."), &l.query_timeout_ns);
  config->Duration(spec("split_queries_by_interval",
                        "Range queries are evaluated in pieces of this span, on multiples of their step."),
                   &l.split_queries_by_interval_ns);
  config->List(spec("required_labels", "Labels each selector must name."), &l.required_labels);
  config->Int(spec("minimum_labels_number", "Matchers each selector must have."), &l.minimum_labels_number, 0,
              1000);
  config->Bool(spec("volume_enabled", "Answer volume queries."), &l.volume_enabled);
  config->Bool(spec("enable_logql_extensions",
                    "Take what Skald adds to LogQL: context, distinct, count_distinct_over_time."),
               &l.enable_logql_extensions);
  config->List(spec("shard_aggregations", "approx_topk in it allows that function."), &l.shard_aggregations);
  config->Int(spec("volume_max_series", "Series of a volume answer."), &l.volume_max_series, 0, kMany);
  config->Int(spec("max_concurrent_tail_requests", "Live tails of a tenant at one time."),
              &l.max_concurrent_tail_requests, 0, kMany);
  for (const Unneeded& key : kUnneeded) {
    if (IsLimit(key.path)) config->Unused(key.path, key.advice);
  }
}

namespace {

void RegisterTheRest(Config* config) {
  for (const Unneeded& key : kUnneeded) {
    if (!IsLimit(key.path)) config->Unused(key.path, key.advice);
  }
  config->Alias("config.file", "config");
  config->Alias("auth.enabled", "auth-enabled");
  config->Alias("log.level", "log-level");
  config->Epilogue(
      "Examples\n"
      "  skald                                            all defaults: data in ./data, HTTP on "
      "127.0.0.1:3100\n"
      "  skald --data-dir /var/lib/skald --http-listen 0.0.0.0:3100\n"
      "  skald --config /etc/skald/skald.yaml             a Loki configuration works too; what is not needed "
      "is named in the log\n"
      "  SKALD_AUTH_ENABLED=true skald                    several tenants\n"
      "  curl http://127.0.0.1:3100/config                shows what is in force\n"
      "  skald health                                     with the server's settings: 0 if it is ready, for "
      "containers\n"
      "  skald fsck DIRECTORY                             reads every byte of a data directory");
}

}  // namespace

absl::Status ValidateServerConfig(const ServerConfig& config) {
  const auto check = [](std::string_view flag, const std::string& text) -> absl::Status {
    const absl::StatusOr<HostPort> parsed = ParseHostPort(text);
    return parsed.ok() ? absl::OkStatus() : Annotate(parsed.status(), fmt::format("--{}", flag));
  };
  RETURN_IF_ERROR(check("http-listen", config.http_listen));
  if (!config.grpc_listen.empty()) RETURN_IF_ERROR(check("grpc-listen", config.grpc_listen));
  if (config.data_dir.empty()) return InvalidArgument("--data-dir: a directory is needed");
  const Limits& l = config.limits;
  if (l.max_line_size_truncate && l.max_line_size_truncate_identifier.size() > l.max_line_size) {
    return InvalidArgument(
        "limits_config.max_line_size_truncate_identifier is longer than max_line_size ({} bytes)",
        l.max_line_size);
  }
  if (config.query_memory_per_query > config.query_memory) {
    return InvalidArgument("query.memory_per_query ({}) is more than query.memory ({})",
                           FormatConfigBytes(config.query_memory_per_query),
                           FormatConfigBytes(config.query_memory));
  }
  RETURN_IF_ERROR(ValidatePageConfig(config.page));
  return absl::OkStatus();
}

}  // namespace skald::server
