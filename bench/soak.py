"""A long run of everything at once: lines come in at a steady rate while streams come and go, queries are asked, tails are open, segments are
merged, lines end by age and are deleted. It answers whether memory, descriptors and threads stay as they are, and whether the lines that were
acknowledged are the lines that are found.

Each minute is one line on standard error: the server's own memory (RssAnon) and pages of files (RssFile), disk, descriptors, threads, latency of
queries, errors, and what compaction did.
"""
import http.client
import json
import os
import random
import shutil
import statistics
import sys
import threading
import time

import harness
from harness import NS, Failure, Server, check, wait_until

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "e2e"))
from web_socket import Closed, WebSocket  # noqa: E402

BYTES_PER_SECOND = 5 << 20
APPS = 60
PODS = 20
LINES_PER_STREAM = 20
POD_MINUTES = 2
DAY_NS = 24 * 3600 * NS
# Lines of kind="old" are this far from their end when they come.
OLD_LEFT_NS = 5 * 60 * NS
PAST_EVERY_S = 180
PAST_LINES = 20_000
DELETE_EVERY_S = 240
ASKERS = 2
ASK_PAUSE_S = 3.0
TAIL_LIFE_S = 90
# What a round of the compactor may be late by.
LATE_NS = 120 * NS
NEEDLE = "req-7f3a9c51e0d84b26"
CONFIG = """\
storage:
  head_memory: 32MiB
  head_max_age: 1m
compactor:
  compaction_interval: 10s
  compact_after: 30s
  retention_enabled: true
  delete_request_cancel_period: 30s
limits_config:
  max_query_series: 50000
  query_timeout: 15m
  reject_old_samples: false
  ingestion_rate_mb: 0
  per_stream_rate_limit: 0
  max_global_streams_per_user: 0
  retention_stream:
    - {selector: '{kind="old"}', priority: 1, period: 24h}
"""


def line_of(n, mark):
    """One of four forms; differs in each n."""
    form = n % 5
    if form < 2:
        level, status = ("error", 503) if n % 50 == 0 else ("info", 200)
        return (f'{{"level":"{level}","msg":"request served","path":"/api/v1/items/{n % 1000}","status":{status},"duration":{n % 997},'
                f'"trace_id":"{n * 2654435761 & 0xffffffffffff:012x}{n:016x}","user":"u{n % 10000}","mark":"{mark}","note":"nothing else to say"}}')
    if form == 2:
        return (f'level=info ts={n} caller=db.go:{n % 400} msg="query done" duration={n % 800}ms rows={n % 77} table=t{n % 31} mark={mark} '
                f'id={n * 40503 & 0xffffffff:08x}')
    if form == 3:
        return (f'10.{n % 250}.{n // 7 % 250}.{n % 13} - - "GET /static/{n * 48271 & 0xffffff:06x}/page-{n % 90}.html HTTP/1.1" 200 {n % 65536} '
                f'"-" "Mozilla/5.0 (X11; Linux x86_64)" mark={mark}')
    return f"kernel: [{n}.{n % 1000000:06d}] eth{n % 4}: {'link is down, error 5' if n % 90 == 4 else 'packet taken'} queue {n % 16} len {n % 1500} mark={mark}"


class Worker(threading.Thread):
    """A thread whose end by an error is told."""

    def __init__(self, soak):
        super().__init__(daemon=True)
        self.soak, self.error = soak, None

    def run(self):
        try:
            self.work()
        except (Failure, OSError, http.client.HTTPException) as error:
            self.error = error

    def work(self):
        raise NotImplementedError


class Sender(Worker):
    """All that comes in. Counts what was acknowledged, by kind, and of kind steady by mark: the minute since the start."""

    def __init__(self, soak):
        super().__init__(soak)
        self.bytes, self.pushes, self.refused = 0, 0, 0
        self.lines = {"steady": 0, "passing": 0, "old": 0, "past": 0}
        self.by_mark = {}
        self.old_from, self.old_to = None, None
        self.number = 0

    def push(self, kind, streams, text):
        """Again until it is taken, as a sender does."""
        entries = sum(len(one[1]) for one in streams)
        self.pushes += 1
        while True:
            answer = self.soak.server.push_proto(streams) if self.pushes % 8 == 0 else self.soak.server.push_json(streams)
            if answer.status == 204:
                break
            check(answer.status in (429, 503), f"push answered {answer.status}: {answer.text[:200]}")
            self.refused += 1
            time.sleep(0.5)  # what the answer asks for
        self.bytes += text
        self.lines[kind] += entries

    def stream(self, labels, at, mark, count=LINES_PER_STREAM):
        lines = []
        for i in range(count):
            self.number += 1
            lines.append((at + i, line_of(self.number, mark)))
        return (labels, lines), sum(len(line) for _, line in lines)

    def round(self, minute):
        now, mark = time.time_ns(), f"m{minute:03d}e"
        steady, text = [], 0
        for app in range(APPS):
            one, size = self.stream({"kind": "steady", "app": f"s{app}", "env": "prod" if app % 3 else "test"}, now, mark)
            steady.append(one)
            text += size
        if self.pushes % 400 == 0:
            steady[0][1][0] = (now, f"GET /needle {NEEDLE} mark={mark}")
        self.push("steady", steady, text)
        self.by_mark[mark] = self.by_mark.get(mark, 0) + APPS * LINES_PER_STREAM
        passing, text = [], 0
        for pod in range(PODS):
            one, size = self.stream({"kind": "passing", "app": f"job{pod % 5}", "pod": f"job{pod % 5}-{minute // POD_MINUTES}-{pod}"}, now, mark, 5)
            passing.append(one)
            text += size
        self.push("passing", passing, text)
        old = now - DAY_NS + OLD_LEFT_NS
        one, size = self.stream({"kind": "old", "app": "batch"}, old, mark, 60)
        self.push("old", [one], size)
        self.old_from, self.old_to = self.old_from or old, old + 60

    def past(self, minute):
        """Lines of a day that is over."""
        began = self.soak.began_ns - 3 * DAY_NS + minute * 60 * NS
        for part in range(PAST_LINES // 2000):
            one, size = self.stream({"kind": "past", "app": f"replay{part % 4}"}, began + part * NS, "past", 2000)
            self.push("past", [one], size)

    def work(self):
        next_past = PAST_EVERY_S / 3
        while not self.soak.done.is_set():
            passed = self.soak.passed()
            ahead = self.bytes / BYTES_PER_SECOND - passed
            if ahead > 0:
                self.soak.done.wait(ahead)
                continue
            minute = int(passed // 60)
            self.round(minute)
            if passed > next_past:
                next_past += PAST_EVERY_S
                self.past(minute)


class Asker(Worker):
    """Asks one kind of question after the other."""

    def __init__(self, soak, number):
        super().__init__(soak)
        self.chance, self.times, self.faults = random.Random(number), [], []

    def ask(self, path, params, no_cache):
        began = time.monotonic()
        answer = self.soak.server.get(path, params, headers={"Cache-Control": "no-cache"} if no_cache else None)
        self.times.append((time.monotonic() - began, params.get("query", path)))
        if answer.status != 200:
            self.faults.append(f"{path} {params}: {answer.status} {answer.text[:160]}")

    def work(self):
        queries = [
            ('{kind="steady"} |= "%s"' % NEEDLE, None, None),
            ('{kind=~".+"} |= "req-no-such-request"', None, None),
            ('{kind="steady"} |= "error"', None, 600),
            ('{app="s7"} | json | status >= 500', None, 120),
            ('sum by (app) (count_over_time({kind="steady"}[1m]))', 60, None),
            ('sum by (kind) (bytes_rate({kind=~".+"}[5m]))', 60, None),
            ('sum by (app) (rate({kind="steady"} |= "error" [1m]))', 15, 120),
            ('sum by (app) (rate({kind="steady"} |= "link is down" [1m]))', 60, None),
            ('quantile_over_time(0.99, {kind="steady", app=~"s1.?"} | json | unwrap duration | __error__="" [1m]) by (app)', 15, 180),
            ('sum by (pod) (count_over_time({kind="passing"}[5m]))', 300, None),
            ('topk(5, sum by (caller) (count_over_time({app="s3"} | logfmt | duration > 500ms [1m])))', 15, 300),
        ]
        path = "/loki/api/v1/"
        while not self.soak.done.wait(ASK_PAUSE_S):
            end = time.time_ns()
            kind = self.chance.randrange(len(queries) + 5)
            whole = {"start": self.soak.began_ns, "end": end}
            if kind < len(queries):
                query, step, span = queries[kind]
                start = max(self.soak.began_ns, end - span * NS) if span else self.soak.began_ns
                params = {"query": query, "start": start, "end": end, "limit": 100, **({"step": step} if step else {})}
                # What must be read from the beginning each time is asked as a dashboard does: with kept results.
                self.ask(path + "query_range", params, self.chance.random() < 0.5 and "link" not in query)
                continue
            self.ask(*[
                (path + "labels", whole, False),
                (path + "label/pod/values", whole, False),
                (path + "series", {"match[]": '{kind="passing"}', **whole}, False),
                (path + "index/volume", {"query": '{kind=~".+"}', **whole}, False),
                (path + "patterns", {"query": '{app="s3"}', "start": max(self.soak.began_ns, end - 600 * NS), "end": end}, False),
            ][kind - len(queries)])


class Tailer(Worker):
    """A tail of some streams; a new one from time to time."""

    def __init__(self, soak):
        super().__init__(soak)
        self.messages = 0

    def work(self):
        while not self.soak.done.is_set():
            tail = WebSocket(self.soak.server.port, "/loki/api/v1/tail", {"query": '{app=~"s[0-3]"} |= "error"'})
            check(tail.status == 101, f"tail answered {tail.status} {tail.body[:200]}")
            end = time.monotonic() + TAIL_LIFE_S
            try:
                while time.monotonic() < end and not self.soak.done.is_set():
                    if tail.message(timeout=1) is not None:
                        self.messages += 1
            except Closed as closed:
                raise Failure(f"tail was closed: {closed}") from closed
            finally:
                tail.socket.close()


class Deleter(Worker):
    """Deletes one app's lines of a minute that is over, from time to time."""

    def __init__(self, soak):
        super().__init__(soak)
        self.requests, self.lines = 0, 0

    def work(self):
        while not self.soak.done.wait(DELETE_EVERY_S):
            minute = int(self.soak.passed() // 60) - 2
            mark = f"m{minute:03d}e"
            query = f'{{kind="steady", app="s{minute % APPS}"}} |= "{mark}"'
            start, end = self.soak.began_ns // NS, time.time_ns() // NS
            expected = self.soak.count(query, "1h")
            answer = self.soak.server.request("POST", "/loki/api/v1/delete", {"query": query, "start": start, "end": end})
            check(answer.status == 204, f"delete answered {answer.status}: {answer.text[:200]}")
            check(self.soak.count(query, "1h") == 0, f"{query} is still found after its delete")
            self.requests += 1
            self.lines += expected


class Soak:
    def __init__(self, server, minutes, note):
        self.server, self.minutes, self.note = server, minutes, note
        self.done, self.began, self.began_ns = threading.Event(), time.monotonic(), time.time_ns()
        self.sender, self.deleter = Sender(self), Deleter(self)
        self.askers = [Asker(self, n) for n in range(ASKERS)]
        self.tailers = [Tailer(self) for _ in range(2)]
        self.samples = []

    def passed(self):
        return time.monotonic() - self.began

    def workers(self):
        return [self.sender, self.deleter, *self.askers, *self.tailers]

    def count(self, query, span, at=None):
        answer = self.server.get("/loki/api/v1/query", {"query": f"sum(count_over_time({query}[{span}]))", "time": at or time.time_ns()},
                                 headers={"Cache-Control": "no-cache"}, timeout=1000)
        check(answer.status == 200, f"{query}: {answer.status} {answer.text[:200]}")
        result = answer.json()["data"]["result"]
        return int(float(result[0]["value"][1])) if result else 0

    def sample(self):
        pid = self.server.child.pid
        status = {}
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                status[name] = value.split()[0] if value.split() else ""
        times = sorted(seconds for asker in self.askers for seconds, _ in asker.times)
        slowest = max((one for asker in self.askers for one in asker.times), default=(0, ""))
        for asker in self.askers:
            asker.times = []
        disk = 0
        for folder, _, names in os.walk(self.server.data):
            for name in names:
                try:
                    disk += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
        metric = {name: self.server.metric(name) or 0 for name in (
            "skald_store_segments", "skald_compactions_total", "skald_compaction_failures_total", "skald_store_flush_failures_total",
            "skald_store_head_bytes", "skald_store_active_streams")}
        out = {
            "minute": round(self.passed() / 60, 1),
            "anon_mib": int(status["RssAnon"]) / 1024, "file_mib": int(status["RssFile"]) / 1024, "disk_mib": disk / 2**20,
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(status["Threads"]),
            "queries": len(times), "p50_ms": times[len(times) // 2] * 1000 if times else 0, "max_ms": slowest[0] * 1000, "slowest": slowest[1],
            "faults": sum(len(asker.faults) for asker in self.askers), "refused": self.sender.refused, "sent_mib": self.sender.bytes / 2**20,
            "cpu_s": self.server.cpu_seconds(), **metric,
        }
        self.samples.append(out)
        self.note(f"  {out['minute']:5.1f} min  anon {out['anon_mib']:6.1f}  file {out['file_mib']:5.1f} MiB  disk {out['disk_mib']:6.0f} MiB  "
                  f"fd {out['descriptors']:3d}  threads {out['threads']:2d}  queries {out['queries']:3d} p50 {out['p50_ms']:5.1f} max {out['max_ms']:6.0f} ms  "
                  f"faults {out['faults']} refused {out['refused']}  sent {out['sent_mib']:6.0f} MiB  cpu {out['cpu_s']:6.0f} s  "
                  f"segments {metric['skald_store_segments']:.0f} merges {metric['skald_compactions_total']:.0f} "
                  f"failed {metric['skald_compaction_failures_total'] + metric['skald_store_flush_failures_total']:.0f}  slowest {slowest[1][:60]}")

    def watch(self):
        for worker in self.workers():
            worker.start()
        for minute in range(1, self.minutes + 1):
            while self.passed() < minute * 60:
                time.sleep(min(1, max(0, minute * 60 - self.passed())))  # the minute itself
                check(self.server.alive(), f"the server ended\n{self.server.log_tail()}")
                for worker in self.workers():
                    check(worker.error is None, f"{type(worker).__name__}: {worker.error}")
            self.sample()
        self.done.set()
        for worker in self.workers():
            worker.join(timeout=120)
            check(worker.error is None, f"{type(worker).__name__}: {worker.error}")

    def verify(self):
        """Counted from block headers and read line by line; what a delete named is gone from the disk, and what is too old as well."""
        wait_until("all deletes are through", lambda: all(one["status"] == "processed" for one in self.server.get("/loki/api/v1/delete").json()),
                   timeout=300, pause=1)
        removed = self.server.metric("loki_compactor_deleted_lines") or 0
        check(removed == self.deleter.lines, f"receipts say {removed:.0f} lines removed, {self.deleter.lines} were to be")
        span = f"{self.minutes + 30}m"
        want = self.sender.lines
        for selector, lines, how_long, at in (
                ('{kind="steady"}', want["steady"] - self.deleter.lines, span, None), ('{kind="passing"}', want["passing"], span, None),
                ('{kind="past"}', want["past"], "24h", self.began_ns - 3 * DAY_NS + 20 * 3600 * NS)):
            for way in (selector, selector + ' |~ "[a-z0-9]"'):
                found = self.count(way, how_long, at)
                check(found == lines, f"{way}: {found} lines found, {lines} acknowledged and not deleted")
        ended_before = time.time_ns() - DAY_NS - LATE_NS
        if self.sender.old_from < ended_before - NS:
            wait_until("lines that are too old are gone",
                       lambda: self.count('{kind="old"} |~ "[a-z0-9]"', "24h", ended_before) == 0, timeout=300, pause=1)
        found = self.count('{kind="old"}', "24h", self.sender.old_to + NS)
        check(0 < found <= want["old"], f'{found} lines of kind="old" of {want["old"]} sent')
        return removed, want["old"] - found


def middle(samples, key, first, last):
    values = [one[key] for one in samples if first < one["minute"] <= last + 0.5]
    return statistics.median(values) if values else 0


def run(parent, minutes, note, keep=False):
    """Rows of (name, what it came to as text, detail)."""
    directory = os.path.join(parent, "soak")
    shutil.rmtree(directory, ignore_errors=True)
    server = Server(directory, CONFIG).start()
    soak = Soak(server, minutes, note)
    try:
        soak.watch()
        removed, ended = soak.verify()
    finally:
        soak.done.set()
        with open(os.path.join(directory, "samples.json"), "w", encoding="utf-8") as file:
            json.dump({"samples": soak.samples, "faults": [text for asker in soak.askers for text in asker.faults]}, file, indent=1)
        server.stop()
        if not keep:
            shutil.rmtree(server.data, ignore_errors=True)
    # The first minutes fill heads and caches.
    early = (10, 20) if minutes >= 30 else (minutes / 3, minutes / 2)
    late = (minutes - 10, minutes) if minutes >= 30 else (minutes / 2, minutes)
    rows = []
    for name, key in (("own memory (RssAnon)", "anon_mib"), ("pages of files (RssFile)", "file_mib"), ("descriptors", "descriptors"), ("threads", "threads")):
        before, after = middle(soak.samples, key, *early), middle(soak.samples, key, *late)
        rows.append((f"soak: {name}", f"{after - before:+.1f}", f"median {before:.1f} in minutes {early[0]:.0f} to {early[1]:.0f}, {after:.1f} in the last "
                     f"{late[1] - late[0]:.0f}; most {max(one[key] for one in soak.samples):.1f}"))
    last = soak.samples[-1]
    faults = [text for asker in soak.askers for text in asker.faults]
    rows += [
        ("soak: queries", f"{sum(one['queries'] for one in soak.samples)}",
         f"p50 {middle(soak.samples, 'p50_ms', *early):.1f} ms early, {middle(soak.samples, 'p50_ms', *late):.1f} ms late, worst "
         f"{max(one['max_ms'] for one in soak.samples):.0f} ms; {len(faults)} failed{': ' + faults[0] if faults else ''}; "
         f"{sum(one.messages for one in soak.tailers)} messages of tails"),
        ("soak: lines found = acknowledged - deleted", f"{sum(soak.sender.lines.values()):,}",
         f"{removed:,.0f} deleted by {soak.deleter.requests} requests, {ended:,} ended by age; {soak.sender.refused} pushes told to come again"),
        ("soak: server CPU, share of a core", f"{last['cpu_s'] / (minutes * 60):.2f}", f"{last['sent_mib'] / minutes / 60:.1f} MiB/s"),
        ("soak: segments", f"{last['skald_store_segments']:.0f}", f"{last['skald_compactions_total']:.0f} merges, "
         f"{last['skald_compaction_failures_total'] + last['skald_store_flush_failures_total']:.0f} failed; disk {last['disk_mib'] / last['sent_mib']:.3f} of the lines sent"),
    ]
    return rows
