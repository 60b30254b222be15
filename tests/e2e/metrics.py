#!/usr/bin/python3
"""What the server and the agent tell Prometheus: promtool finds nothing to say about it, and the numbers that Loki and Promtail have too are
there under their names, with the labels that dashboards made for those ask for. skaldctl runs for the time of a command and tells nothing."""
import os
import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Server, check, equal, main, running, wait_until  # noqa: E402

# Names and labels that public dashboards and alerts for Loki and Promtail select by or group by.
SERVER_NAMES = {
    "loki_build_info": {"version"},
    "loki_request_duration_seconds_bucket": {"method", "route", "status_code", "le"},
    "loki_request_duration_seconds_count": {"method", "route", "status_code"},
    "loki_request_duration_seconds_sum": {"method", "route", "status_code"},
    "loki_distributor_bytes_received_total": {"tenant"},
    "loki_distributor_lines_received_total": {"tenant"},
    "loki_distributor_structured_metadata_bytes_received_total": {"tenant"},
    "loki_discarded_samples_total": {"reason", "tenant"},
    "loki_discarded_bytes_total": {"reason", "tenant"},
    "loki_ingester_memory_streams": set(),
    "loki_ingester_memory_chunks": set(),
    "loki_ingester_streams_created_total": {"tenant"},
    "loki_ingester_flush_queue_length": set(),
    "loki_ingester_chunks_flushed_total": {"reason"},
    "loki_ingester_chunk_entries_count": set(),
    "loki_ingester_chunk_size_bytes_bucket": {"le"},
    "loki_ingester_chunk_utilization_bucket": {"le"},
    "loki_ingester_chunk_age_seconds_sum": set(),
    "loki_chunk_store_index_entries_per_chunk_sum": set(),
    "loki_index_request_duration_seconds_bucket": {"operation", "status_code", "le"},
    "loki_boltdb_shipper_request_duration_seconds_bucket": {"operation", "status_code", "le"},
    "loki_boltdb_shipper_compact_tables_operation_duration_seconds": set(),
    "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds": set(),
    "loki_compactor_apply_retention_operation_total": {"status"},
    "loki_compactor_apply_retention_operation_duration_seconds": set(),
    "loki_compactor_apply_retention_last_successful_run_timestamp_seconds": set(),
    "loki_compactor_delete_requests_received_total": {"user"},
    "loki_compactor_load_pending_requests_attempts_total": {"status"},
    "loki_boltdb_shipper_compact_tables_operation_total": {"status"},
    "loki_boltdb_shipper_compactor_running": set(),
    "loki_compactor_deleted_lines": set(),
    "loki_compactor_pending_delete_requests_count": set(),
    "loki_compactor_oldest_pending_delete_request_age_seconds": set(),
    "loki_prometheus_rule_group_rules": {"rule_group"},
    "loki_prometheus_rule_evaluations_total": {"rule_group"},
    "loki_prometheus_rule_group_last_duration_seconds": {"rule_group"},
}
AGENT_NAMES = {
    "promtail_build_info": {"version"},
    "promtail_read_bytes_total": set(),
    "promtail_read_lines_total": set(),
    "promtail_file_bytes_total": set(),
    "promtail_files_active_total": set(),
    "promtail_targets_active_total": set(),
    "promtail_sent_bytes_total": {"host"},
    "promtail_sent_entries_total": {"host"},
    "promtail_encoded_bytes_total": {"host"},
    "promtail_batch_retries_total": {"host"},
    "promtail_dropped_entries_total": {"reason"},
    "promtail_custom_seen_total": {"app"},
    "promtail_request_duration_seconds_bucket": {"host", "status_code", "le"},
}
# Loki's names of routes, which its dashboards choose by.
ROUTES = {"loki_api_v1_push", "loki_api_v1_query_range", "loki_api_v1_query", "loki_api_v1_labels", "loki_api_v1_label_name_values", "loki_api_v1_series",
          "loki_api_v1_index_stats", "loki_api_v1_delete", "otlp_v1_logs", "ready", "/logproto.Pusher/Push"}
RULE = """groups:
  - name: g
    interval: 1s
    rules: [{record: 'x:y', expr: 'sum(count_over_time({app="a"}[1m]))'}]
"""
OTLP = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "%d", "body": {"stringValue": "a line"}}]}]}]}'


def samples(text):
    """[(name, {label: value}, number)]"""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"([\w:]+)(?:\{(.*)\})? (\S+)", line)
        if match:
            found.append((match[1], dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")), float(match[3])))
    return found


def absent(text, wanted):
    """Names that have no sample with their labels."""
    there = samples(text)
    return {name for name, labels in wanted.items() if not any(n == name and labels <= set(found) for n, found, _ in there)}


def promtool_is_content(who, text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    check(done.returncode == 0 and not done.stdout.strip() and not done.stderr.strip(), f"promtool about {who}:\n{done.stdout}{done.stderr}")


def names_are_those_that_are_known(directory):
    logs = os.path.join(directory, "logs")
    rules = os.path.join(directory, "rules", "fake")
    os.makedirs(logs)
    os.makedirs(rules)
    with open(os.path.join(rules, "r.yaml"), "w", encoding="ascii") as file:
        file.write(RULE)
    with open(os.path.join(logs, "a.log"), "w", encoding="ascii") as file:
        file.write("one line\nanother line\nDEBUG: not this one\n")
    server = Server(directory, config="limits_config: {max_line_size: 1000}\n", flags=[f"--rules-dir={directory}/rules"])
    agent = Agent(directory, f"""server: {{address: "127.0.0.1:{server.grpc_port}"}}
scrape_configs:
  - job_name: a
    static_configs: [{{labels: {{app: a, __path__: "{logs}/*.log"}}}}]
    pipeline_stages:
      - metrics: {{seen_total: {{type: Counter, description: lines seen, config: {{match_all: true, action: inc}}}}}}
      - drop: {{expression: "^DEBUG"}}
""")

    def agent_text():
        """"" while the agent does not answer yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    with running(server), running(agent):
        now = time.time_ns()
        server.push_ok([({"app": "a"}, [(now, "pushed", {"trace_id": "1"})])])
        equal(server.push_json([({"app": "a"}, [(now, "x" * 2000)])]).status, 400, "a line that is too long")
        for path in ("query_range?query={app=%22a%22}", "query?query=sum(count_over_time({app=%22a%22}[1m]))", "labels", "label/app/values",
                     "series?match[]={app=%22a%22}", "index/stats?query={app=%22a%22}"):
            equal(server.get("/loki/api/v1/" + path).status, 200, path)
        equal(server.request("POST", "/otlp/v1/logs", body=OTLP % now, headers={"Content-Type": "application/json"}).status // 100, 2, "OTLP")
        equal(server.request("POST", "/flush").status // 100, 2, "heads to segments")
        equal(server.request("POST", "/compact").status // 100, 2, "a round of maintenance")
        deleted = server.request("POST", "/loki/api/v1/delete", {"query": '{app="a"} |= "pushed"', "start": now // NS - 60})
        equal(deleted.status, 204, f"a delete request: {deleted.text}")
        wait_until("the agent's lines are delivered", lambda: any(
            (name, value) == ("promtail_sent_entries_total", 2) for name, _, value in samples(agent_text())))
        wait_until("the server has all names", lambda: not absent(server.get("/metrics").text, SERVER_NAMES), timeout=60)
        text = server.get("/metrics").text
        equal(ROUTES - {labels.get("route") for name, labels, _ in samples(text) if name == "loki_request_duration_seconds_count"}, set(), "routes")
        pending = [value for name, _, value in samples(text) if name == "loki_compactor_pending_delete_requests_count"]
        equal(pending, [1], "delete requests that wait")
        equal(absent(agent_text(), AGENT_NAMES), set(), "names that the agent does not have")
        promtool_is_content("the server", text)
        promtool_is_content("the agent", agent_text())
        print(f"{len(SERVER_NAMES)} names of Loki's, {len(AGENT_NAMES)} of Promtail's, {len(ROUTES)} routes", flush=True)


if __name__ == "__main__":
    main(names_are_those_that_are_known)
