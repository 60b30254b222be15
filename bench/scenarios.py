"""What bench/run measures beside the load and its queries: very many streams, the agent's way in, and the start after kill -9.

Each takes a fresh server in a directory of its own and answers rows of (name, what it came to as text, detail).
"""
import json
import os
import random
import shutil
import threading
import time

import harness
from harness import NS, T0, Agent, Server, check, wait_until

STREAMS = 100_000
LINES_PER_STREAM = 9
APPS = 500
NAMESPACES = 50
PER_PUSH = 1000
GONE, THERE = 40_000, 2_000  # streams of a day that come and go, that still write
AGENT_FILES = 20
CHUNK = 1 << 20


def fresh(parent, name, config):
    directory = os.path.join(parent, name)
    shutil.rmtree(directory, ignore_errors=True)
    return Server(directory, config)


def timed(ask, runs):
    """(median seconds, last answer)"""
    times = []
    for _ in range(runs):
        began = time.monotonic()
        answer = ask()
        times.append(time.monotonic() - began)
        check(answer.status == 200, f"{answer.status} {answer.text[:200]}")
    return sorted(times)[len(times) // 2], answer.json()


def push_of(first):
    streams = []
    for i in range(first, first + PER_PUSH):
        labels = {"app": f"app-{i % APPS}", "namespace": f"ns-{i % NAMESPACES}", "pod": f"pod-{i}"}
        streams.append((labels, [(T0 + n * 60 * NS + i, f"level=info line {n} of pod {i}: all is as it was before")
                                 for n in range(LINES_PER_STREAM)]))
    return harness.json_push(streams)


def many_streams(parent, config, runs):
    """100,000 streams of 9 lines: what they cost to take in and to hold, and what two questions about all of them take."""
    server = fresh(parent, "many-streams", config + "  max_global_streams_per_user: 0\n").start()
    try:
        idle = server.memory_peak()
        bodies = [push_of(first) for first in range(0, STREAMS, PER_PUSH)]
        cpu, began = server.cpu_seconds(), time.monotonic()
        for body in bodies:
            answer = server.push(body)
            check(answer.status == 204, f"push answered {answer.status}: {answer.text[:200]}")
        server.flush()
        cpu, seconds = server.cpu_seconds() - cpu, time.monotonic() - began
        filled = server.memory_peak()
        series, found = timed(lambda: server.get("/loki/api/v1/series", {"match[]": '{app="app-7"}', "start": T0, "end": T0 + 3600 * NS}), runs)
        check(len(found["data"]) == STREAMS // APPS, f"series answered {len(found['data'])}")
        query = {"query": 'sum by (namespace) (count_over_time({namespace=~".+"}[1h]))', "time": T0 + 1800 * NS}
        count, found = timed(lambda: server.get("/loki/api/v1/query", query, headers={"Cache-Control": "no-cache"}), runs)
        lines = sum(int(float(one["value"][1])) for one in found["data"]["result"])
        check(lines == STREAMS * LINES_PER_STREAM, f"count answered {lines}")
        disk = sum(os.lstat(os.path.join(folder, name)).st_blocks * 512 for folder, _, names in os.walk(server.data) for name in names)
        return [
            ("idle RSS, MiB", f"{idle / 2**20:.0f}", ""),
            ("100,000 streams, peak RSS, MiB", f"{filled / 2**20:.0f}",
             f"{server.memory_peak() / 2**20:.0f} after the queries; {cpu:.1f} CPU-s in {seconds:.1f} s (JSON), {disk / 1e6:.0f} MB on disk"),
            ("series of one app, ms", f"{series * 1000:.1f}", f"{STREAMS // APPS} of {STREAMS:,}"),
            ("count of all by namespace, ms", f"{count * 1000:.1f}", f"{lines:,} lines"),
        ]
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def streams_of_a_day(parent, config, runs):
    """40,000 streams of two lines come and go on one day, 2,000 write in its last hour: what questions about that hour cost."""
    day, hours, last = T0 - T0 % (86400 * NS), 20, 22
    server = fresh(parent, "streams-of-a-day", config + "  max_global_streams_per_user: 0\n").start()
    try:
        def push(streams):
            for at in range(0, len(streams), PER_PUSH):
                answer = server.push(harness.json_push(streams[at:at + PER_PUSH]))
                check(answer.status == 204, f"push answered {answer.status}: {answer.text[:200]}")

        for hour in range(hours):
            begin = day + hour * 3600 * NS
            push([({"app": f"job-{n % APPS}", "namespace": f"ns-{n % NAMESPACES}", "pod": f"job-{n}"},
                   [(begin + n % 3000 * NS, f"job {n} begins"), (begin + (n % 3000 + 5) * NS, f"job {n} ends well")])
                  for n in range(hour * GONE // hours, (hour + 1) * GONE // hours)])
            if hour % 4 == 3:
                server.flush()
        begin = day + last * 3600 * NS
        push([({"app": f"app-{n % APPS}", "namespace": f"ns-{n % NAMESPACES}", "pod": f"pod-{n}"},
               [(begin + (n % 30 + m * 36) * NS, f"request {m} of pod {n} took {n * m % 1000}ms") for m in range(100)])
              for n in range(THERE)])
        server.flush()
        hour = {"start": begin, "end": begin + 3600 * NS}

        def ask(query, **more):
            return timed(lambda: server.get("/loki/api/v1/query_range", {"query": query, **hour, **more}, headers={"Cache-Control": "no-cache"}),
                         runs)

        needle, found = ask('{namespace=~".+"} |= "no such thing"')
        check(found["data"]["result"] == [], "lines that are not there")
        count, found = ask('sum(count_over_time({namespace=~".+"}[1h]))', step=3600)
        series, listed = timed(lambda: server.get("/loki/api/v1/series", {"match[]": '{namespace="ns-1"}', **hour}), runs)
        lines = max(int(float(value)) for one in found["data"]["result"] for _, value in one["values"])
        check(lines >= THERE * 99, f"count answered {lines}")
        return [("absent needle, hour of a day with many streams, ms", f"{needle * 1000:.1f}", f"{THERE:,} of {GONE + THERE:,} streams have lines in it"),
                ("count of the hour's lines, ms", f"{count * 1000:.1f}", f"{lines:,} lines"),
                ("series of one namespace, ms", f"{series * 1000:.1f}", f"{len(listed['data'])}")]
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def agent_ingest(parent, config, load_path, load, r):
    """The load's lines as files that skald-agent reads and sends over gRPC: the server's CPU, flush included."""
    server = fresh(parent, "agent", config).start()
    logs = os.path.join(server.directory, "log")
    os.makedirs(logs)
    agent = Agent(server.directory, f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: load
    static_configs:
      - labels:
          job: load
          __path__: {logs}/*.log
""")
    try:
        lines = split(os.path.join(load_path, "raw.log"), logs)
        cpu, began = server.cpu_seconds(), time.monotonic()
        agent.start()
        wait_until("all lines acknowledged", lambda: (server.metric("skald_push_lines_total") or 0) >= lines, 900, 0.5)
        seconds = time.monotonic() - began
        agent_cpu, agent_rss = agent.cpu_seconds(), agent.memory_peak()
        server.flush()
        cpu = server.cpu_seconds() - cpu
        gib = load["raw_bytes"] / 2**30
        return [
            ("ingest from skald-agent, server CPU in R", f"{cpu / r:.1f}",
             f"{cpu / gib:.1f} s/GiB, {load['raw_bytes'] / 2**20 / seconds:.0f} MiB/s, {server.memory_peak() / 2**20:.0f} MiB"),
            ("the agent's own CPU in R", f"{agent_cpu / r:.1f}", f"{agent_cpu / gib:.1f} s/GiB, {agent_rss / 2**20:.0f} MiB"),
        ]
    finally:
        agent.stop()
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def split(raw, folder):
    """raw's lines dealt out to files, in pieces of about a MiB; how many they are."""
    lines = 0
    files = [open(os.path.join(folder, f"app-{n}.log"), "wb") for n in range(AGENT_FILES)]
    with open(raw, "rb") as source:
        n = 0
        while piece := source.read(CHUNK):
            if not piece.endswith(b"\n"):
                piece += source.readline()
            lines += piece.count(b"\n")
            files[n % AGENT_FILES].write(piece)
            n += 1
    for file in files:
        file.close()
    return lines


def restart(parent, config, replay, load):
    """kill -9 with the whole load in the write-ahead log and none of it in segments, and a start on that."""
    server = fresh(parent, "restart", config + "storage:\n  head_memory: 4GiB\n").start()
    try:
        replay(server)
        wal = server.metric("skald_wal_bytes")
        server.kill()
        began = time.monotonic()
        server.start(timeout=300)
        seconds = time.monotonic() - began
        rows = server.metric("skald_wal_replayed_rows")
        answer = server.get("/loki/api/v1/query", {"query": 'sum(count_over_time({cluster=~".+"}[30d]))', "time": load["end"] + NS})
        check(answer.status == 200, f"count answered {answer.status}: {answer.text[:200]}")
        found = int(float(answer.json()["data"]["result"][0]["value"][1]))
        check(found == load["lines"], f"{found} lines after the restart, {load['lines']} were acknowledged")
        return [("start after kill -9, all in the log, s", f"{seconds:.1f}", f"{wal / 2**20:.0f} MiB of log, {rows:,.0f} rows replayed")]
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


RULES = 1000
RULE_SERVICES = 100
RULE_INTERVAL_S = 15
RULE_BYTES_PER_SECOND = 5 << 20
# A tenth of all rules each; a hundredth of all look over 30 days of all services.
RULE_KINDS = [
    'sum(rate({app="@"} |= "error" [5m])) > 500',
    'sum(count_over_time({app="@"} |= "error" [5m])) / sum(count_over_time({app="@"}[5m])) > 0.5',
    'sum(count_over_time({app="@"} | json status | status >= 500 [5m])) > 1e6',
    'quantile_over_time(0.95, {app="@"} | json duration | unwrap duration | __error__="" [5m]) by (app) > 9000',
    'absent_over_time({app="@"}[2m])',
    'sum(rate({app="@"}[1m])) > 1e6',
    'sum(bytes_rate({app="@"}[5m])) > 1e9',
    'sum(count_over_time({app="@"} |= "error" [1h])) > 1e9',
    'sum by (level) (count_over_time({app="@"} | json level [5m])) > 1e9',
    'sum(count_over_time({app="@"} |~ "^(panic:|fatal error:)" [10m])) >= 3',
]
RULE_OVER_ALL = 'sum by (app) (count_over_time({app=~".+"} |= "panic" [30d])) > 1e9'


class SteadyLogs:
    """Pushes JSON lines of a hundred services at 5 MiB/s until it is left."""

    def __init__(self, server):
        self.server, self.done, self.sent, self.error = server, threading.Event(), 0, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        chance = random.Random(1)
        lines = []
        for _ in range(4096):
            n = chance.getrandbits(48)
            level, status = ("error", 503) if n % 50 == 0 else ("info", 200)
            lines.append(f'{{"level":"{level}","msg":"request served","path":"/api/v1/items/{n % 1000}","status":{status},"duration":{n % 997},'
                         f'"trace_id":"{n:016x}{n * 31:016x}","user":"u{n % 10000}","note":"nothing else to say about this one"}}')
        at, began = 0, time.monotonic()
        try:
            while not self.done.is_set():
                ahead = self.sent / RULE_BYTES_PER_SECOND - (time.monotonic() - began)
                if ahead > 0:
                    self.done.wait(ahead)
                now, streams = time.time_ns(), []
                for service in range(RULE_SERVICES):
                    some = [lines[(at + i) % len(lines)] for i in range(25)]
                    at += 25
                    self.sent += sum(map(len, some))
                    streams.append(({"app": f"s{service}"}, [(now + i, line) for i, line in enumerate(some)]))
                answer = self.server.push_json(streams)
                check(answer.status == 204, f"push answered {answer.status}: {answer.text[:200]}")
        except (harness.Failure, OSError) as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def thousand_rules(parent, config, seconds):
    """1,000 rules every 15 s over a steady 5 MiB/s: the CPU of the whole server with them, less that without."""
    server = fresh(parent, "rules", config + "  ingestion_rate_mb: 0\n  per_stream_rate_limit: 0\n").start()

    def share(logs):
        cpu, sent, began = server.cpu_seconds(), logs.sent, time.monotonic()
        time.sleep(seconds)  # the span that is measured
        check(logs.error is None, str(logs.error))
        took = time.monotonic() - began
        return (server.cpu_seconds() - cpu) / took, (logs.sent - sent) / took

    try:
        with SteadyLogs(server) as logs:
            wait_until("lines come in", lambda: logs.sent > 10 * RULE_BYTES_PER_SECOND, timeout=120)
            without, _ = share(logs)
            for group in range(RULES // 10):
                rules = [{"alert": f"R{i}", "expr": RULE_OVER_ALL if i % 100 == 99 else RULE_KINDS[i % 10].replace("@", f"s{group}")}
                         for i in range(group * 10, group * 10 + 10)]
                body = json.dumps({"name": f"g{group}", "interval": f"{RULE_INTERVAL_S}s", "rules": rules})
                answer = server.request("POST", "/loki/api/v1/rules/bench", body=body.encode())
                check(answer.status == 202, f"rules answered {answer.status}: {answer.text[:200]}")
            name = "loki_prometheus_rule_evaluations_total"
            wait_until("each rule has been evaluated twice", lambda: (server.metric(name) or 0) >= 2 * RULES, timeout=300)
            evaluated, missed = server.metric(name), server.metric("loki_prometheus_rule_group_iterations_missed_total") or 0
            with_rules, rate = share(logs)
            evaluated = server.metric(name) - evaluated
            missed = (server.metric("loki_prometheus_rule_group_iterations_missed_total") or 0) - missed
            failed = server.metric("loki_prometheus_rule_evaluation_failures_total") or 0
        check(failed == 0, f"{failed} evaluations failed")
        return [("1,000 rules every 15 s, share of a core", f"{with_rules - without:.3f}",
                 f"{with_rules:.3f} of the server with them, {without:.3f} without; {rate / 2**20:.1f} MiB/s, "
                 f"{evaluated / seconds:.0f} evaluations a second, {missed:.0f} rounds missed")]
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)
