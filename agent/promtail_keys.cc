#include "agent/promtail_keys.h"

namespace skald::agent {
namespace {

struct Row {
  const char* path;
  const char* advice;
};
constexpr char kOnlyPage[] = "the page is small: it needs no more than server.http_listen_address and _port";
constexpr char kNoGrpc[] = "the agent has no gRPC port";
constexpr char kPositions[] = "positions are saved with each acknowledgement, in positions.directory";
constexpr char kWatch[] = "files are watched by inotify: there is nothing to poll";
constexpr char kWal[] =
    "not needed: the log files are the buffer, and positions move when the server has the lines";

constexpr Row kRows[] = {
    {"global", kWatch},
    {"server.disable", "set server.http_listen to \"\" to have no page"},
    {"server.enable_runtime_reload", "reloading is always on: SIGHUP or POST /-/reload"},
    {"server.external_url", "links of the page are relative"},
    {"server.health_check_target", "/ready tells of the agent's own state, whether there are targets or not"},
    {"server.profiling_enabled", "use perf"},
    {"server.reload", "reloading is always on: SIGHUP or POST /-/reload"},
    {"server.http_path_prefix", kOnlyPage},
    {"server.http_listen_network", kOnlyPage},
    {"server.http_listen_conn_limit", kOnlyPage},
    {"server.http_server_read_timeout", kOnlyPage},
    {"server.http_server_read_header_timeout", kOnlyPage},
    {"server.http_server_write_timeout", kOnlyPage},
    {"server.http_server_idle_timeout", kOnlyPage},
    {"server.http_tls_config", "put the page behind a proxy, or on 127.0.0.1"},
    {"server.grpc_tls_config", kNoGrpc},
    {"server.tls_cipher_suites", kOnlyPage},
    {"server.tls_min_version", kOnlyPage},
    {"server.register_instrumentation", kOnlyPage},
    {"server.graceful_shutdown_timeout", "set stop_wait"},
    {"server.log_format", "the log is logfmt"},
    {"server.log_source_ips_enabled", kOnlyPage},
    {"server.log_source_ips_full", kOnlyPage},
    {"server.log_source_ips_header", kOnlyPage},
    {"server.log_source_ips_regex", kOnlyPage},
    {"server.log_request_headers", kOnlyPage},
    {"server.log_request_at_info_level_enabled", kOnlyPage},
    {"server.log_request_exclude_headers_list", kOnlyPage},
    {"server.grpc_listen_port", kNoGrpc},
    {"server.grpc_listen_address", kNoGrpc},
    {"server.grpc_listen_network", kNoGrpc},
    {"server.grpc_listen_conn_limit", kNoGrpc},
    {"server.grpc_server_max_recv_msg_size", kNoGrpc},
    {"server.grpc_server_max_send_msg_size", kNoGrpc},
    {"server.grpc_server_max_concurrent_streams", kNoGrpc},
    {"server.grpc_server_max_connection_idle", kNoGrpc},
    {"server.grpc_server_max_connection_age", kNoGrpc},
    {"server.grpc_server_max_connection_age_grace", kNoGrpc},
    {"server.grpc_server_keepalive_time", kNoGrpc},
    {"server.grpc_server_keepalive_timeout", kNoGrpc},
    {"server.grpc_server_min_time_between_pings", kNoGrpc},
    {"server.grpc_server_ping_without_stream_allowed", kNoGrpc},
    {"positions.sync_period", kPositions},
    {"positions.ignore_invalid_yaml", "a damaged positions file is taken as far as it is whole"},
    {"target_config.stdin", "use --stdin"},
    {"options", "Promtail has no use for it either"},
    {"tracing", "there is no tracing"},
    {"wal", kWal},
};

}  // namespace

void RegisterPromtailKeys(Config* config) {
  for (const Row& row : kRows) config->Unused(row.path, row.advice);
}

}  // namespace skald::agent
