"""Cost against size: the same questions about the last hour, asked of a store with ever more hours behind it.

Lines come at one rate, a GiB in six hours, so that a larger store is a longer history; the questions about its last hour should cost what they
cost at the first size. Each GiB is made, sent and removed again before the next one is made. Sizes are reached in one server, one after the
other, so that its memory and its disk are those of all that came before. Beside the load's 200 streams each GiB has 10,000 of its own, of three
lines each.
"""
import json
import os
import shutil
import subprocess
import time

import harness
from harness import NS, T0, Server, check

HOUR_NS = 3600 * NS
PART_NS = 6 * HOUR_NS
PART_MIB = 1024
RUNS = 7
CONFIG = """\
limits_config:
  max_query_series: 50000
  creation_grace_period: 0
  reject_old_samples: false
  max_query_length: 0
  max_global_streams_per_user: 0
  ingestion_rate_mb: 0
  per_stream_rate_limit: 0
"""
API = "/loki/api/v1/"
NEEDLE = "req-7f3a9c51e0d84b26"
# Streams that live in one part only, beside those of the load.
PODS_PER_PART = 10_000
PODS_PER_PUSH = 1000


def questions(start, end):
    """(name, path, parameters), all about [start, end]."""
    def metric(query, step=60):
        return API + "query_range", {"query": query, "start": start, "end": end, "step": step}

    def log(query, limit=100):
        return API + "query_range", {"query": query, "start": start, "end": end, "limit": limit}

    whole = {"start": start, "end": end}
    return [
        ("needle", *log('{cluster="c1"} |= "%s"' % NEEDLE)),
        ("absent needle", *log('{cluster="c1"} |= "req-no-such-request"')),
        ("common word, limit 100", *log('{cluster="c1"} |= "error"')),
        ("count, labels only", *metric('sum by (app) (count_over_time({cluster="c1"}[1m]))')),
        ("rate of a word", *metric('sum by (app) (rate({cluster="c1"} |= "error" [1m]))')),
        ("json filter", *metric('sum by (app) (count_over_time({format="json"} | json | status >= 500 [5m]))', 300)),
        ("labels", API + "labels", whole),
        ("label values", API + "label/app/values", whole),
        ("series of one app", API + "series", {"match[]": '{app="json-0"}', **whole}),
        ("series of one app, pods", API + "series", {"match[]": '{app="job-7"}', **whole}),
        ("label values, pods", API + "label/pod/values", {"query": '{cluster="c2"}', **whole}),
        ("count of all pods", *metric('sum by (namespace) (count_over_time({cluster="c2"}[1m]))')),
        ("volume", API + "index/volume", {"query": '{cluster="c1"}', **whole}),
    ]


def status_mib(server, name):
    with open(f"/proc/{server.child.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    return 0


def disk_mib(server):
    return sum(os.lstat(os.path.join(folder, name)).st_blocks * 512
               for folder, _, names in os.walk(server.data) for name in names) / 2**20


class Sizes:
    def __init__(self, parent, tool):
        self.server = Server(os.path.join(parent, "sizes"), CONFIG)
        self.load = os.path.join(parent, "sizes-part")
        self.tool = tool
        self.parts, self.lines = 0, 0

    def end_ns(self):
        return T0 + self.parts * PART_NS

    def send_part(self):
        start = self.end_ns()
        shutil.rmtree(self.load, ignore_errors=True)
        subprocess.run([self.tool, "make", "--out", self.load, "--mib", str(PART_MIB), "--seed", str(1 + self.parts), "--start", str(start)],
                       check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.load, "load.json"), encoding="utf-8") as file:
            self.lines += json.load(file)["lines"]
        subprocess.run([self.tool, "replay", "--dir", self.load, "--port", str(self.server.port), "--connections", "4"], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(self.load)
        for first in range(0, PODS_PER_PART, PODS_PER_PUSH):
            self.server.push_ok([
                ({"cluster": "c2", "app": f"job-{n % 500}", "namespace": f"ns-{n % 50}", "pod": f"job-{n % 500}-{self.parts}-{n}"},
                 [(start + (n % 357 + minute) * 60 * NS + n, f"level=info step {minute} of job {n} is done") for minute in range(3)])
                for n in range(first, first + PODS_PER_PUSH)])
        self.parts += 1

    def ask(self):
        """Seconds and CPU seconds of each question about the last hour: the least of some, which other processes disturb least."""
        end = self.end_ns()
        out = {}
        for name, path, params in questions(end - HOUR_NS, end):
            times, costs = [], []
            for _ in range(RUNS):
                cpu, began = self.server.cpu_seconds(), time.monotonic()
                answer = self.server.get(path, params, headers={"Cache-Control": "no-cache"}, timeout=600)
                times.append(time.monotonic() - began)
                costs.append(self.server.cpu_seconds() - cpu)
                check(answer.status == 200, f"{name}: {answer.status} {answer.text[:200]}")
            out[name] = (min(times), sum(costs) / RUNS)
        return out

    def count_all(self):
        answer = self.server.get(API + "query", {"query": f'sum(count_over_time({{cluster="c1"}}[{self.parts * 6 + 1}h]))',
                                                       "time": self.end_ns() + HOUR_NS - NS}, headers={"Cache-Control": "no-cache"}, timeout=600)
        check(answer.status == 200, f"{answer.status} {answer.text[:200]}")
        found = int(float(answer.json()["data"]["result"][0]["value"][1]))
        check(found == self.lines, f"{found} lines found, {self.lines} were sent")

    def start_seconds(self):
        began = time.monotonic()
        self.server.start(timeout=300)
        return time.monotonic() - began

    def measure(self):
        out = {"rss after load": (status_mib(self.server, "RssAnon"), 0), "peak": (status_mib(self.server, "VmHWM"), 0)}
        # Dies with its last minutes in the log only.
        self.server.kill()
        out["start after kill -9"] = (self.start_seconds(), 0)
        self.count_all()
        self.server.flush()
        self.server.stop(timeout=120)
        out["start after a clean stop"] = (self.start_seconds(), 0)
        out["rss after start"] = (status_mib(self.server, "RssAnon"), 0)
        out["disk"] = (disk_mib(self.server), 0)
        out.update(self.ask())
        out["rss after queries"] = (status_mib(self.server, "RssAnon"), 0)
        return out


def run(parent, tool, sizes, note):
    """Rows of (name, values at each size as text, ratio of the last to the first); sizes in GiB, ascending."""
    shutil.rmtree(os.path.join(parent, "sizes"), ignore_errors=True)
    os.makedirs(parent, exist_ok=True)
    all_of = Sizes(parent, tool)
    measured = []
    try:
        all_of.server.start()
        for size in sizes:
            while all_of.parts * PART_MIB < size * 1024:
                all_of.send_part()
                note(f"  {all_of.parts * PART_MIB >> 10} GiB, {status_mib(all_of.server, 'RssAnon'):.0f} MiB of own memory")
            measured.append(all_of.measure())
            note(f"{size} GiB: " + ", ".join(f"{name} {value:.3f}/{cpu:.3f}" for name, (value, cpu) in measured[-1].items()))
    finally:
        all_of.server.stop(timeout=120)
        shutil.rmtree(all_of.load, ignore_errors=True)
        shutil.rmtree(all_of.server.data, ignore_errors=True)
    rows = []
    units = {"rss after load": ("MiB own memory after the load", 1), "peak": ("MiB, peak RSS", 1), "rss after start": ("MiB own memory after a start", 1),
             "rss after queries": ("MiB own memory after the queries", 1), "disk": ("MiB on disk", 1), "start after kill -9": ("start after kill -9, s", 1),
             "start after a clean stop": ("start after a clean stop, s", 1)}
    for name in measured[0]:
        title, factor = units.get(name, (f"{name}, ms", 1000))
        values = [one[name] for one in measured]
        text = " / ".join(f"{value * factor:.1f}" for value, _ in values)
        ratio = f"{values[-1][0] / values[0][0]:.2f}" if values[0][0] else "-"
        cpu = " / ".join(f"{cost * 1000:.1f}" for _, cost in values)
        rows.append((title, text, ratio, f"CPU-ms {cpu}" if name not in units else ""))
    return rows
