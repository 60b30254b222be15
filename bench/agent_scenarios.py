"""What bench/run measures of the agent (--part agent): CRI files to a server, idle files and containers, the time from a line's writing to its being
found, and the size of the program. Answers rows as scenarios.py does."""
import os
import shutil
import subprocess
import time

import harness
from harness import NS, Agent, check, wait_until
from scenarios import CHUNK, fresh

LATENCY_LINES = 40
POD = "shop_web-{0}_00000000-0000-4000-8000-{0:012d}"


def scrape(server, path, stages=""):
    return f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: bench
    pipeline_stages:
      - cri: {{}}
{stages}    static_configs: [{{labels: {{job: bench, __path__: "{path}"}}}}]
"""


def cri_file(raw, path):
    """raw's lines as one container's log; how many they are."""
    lines = 0
    with open(raw, "rb") as source, open(path, "wb") as out:
        while piece := source.read(CHUNK):
            if not piece.endswith(b"\n"):
                piece += source.readline()
            rows = piece.split(b"\n")[:-1]
            now = time.time_ns()
            second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // NS))
            out.write(b"".join(b"%s.%09dZ stdout F %s\n" % (second.encode(), n, row) for n, row in enumerate(rows)))
            lines += len(rows)
    return lines


def delivered(server, lines):
    wait_until("all lines acknowledged", lambda: (server.metric("skald_push_lines_total") or 0) >= lines, 1800, 0.5)


def throughput(parent, config, load_path, load, r):
    rows = []
    gib = load["raw_bytes"] / 2**30
    for title, stages in (("CRI file", ""), ("CRI file, one JSON stage", "      - json: {expressions: {status: status}}\n")):
        server = fresh(parent, "agent-cri", config).start()
        path = os.path.join(server.directory, "0.log")
        agent = Agent(server.directory, scrape(server, path, stages))
        try:
            lines = cri_file(os.path.join(load_path, "raw.log"), path)
            server_cpu, began = server.cpu_seconds(), time.monotonic()
            agent.start()
            delivered(server, lines)
            seconds, cpu, rss = time.monotonic() - began, agent.cpu_seconds(), agent.memory_peak()
            server.flush()
            server_cpu = server.cpu_seconds() - server_cpu
            rows.append((f"{title}: agent CPU in R", f"{cpu / r:.1f}",
                         f"{cpu / gib:.1f} s/GiB of lines, {load['raw_bytes'] / 2**20 / seconds:.0f} MiB/s, peak RSS {rss / 2**20:.0f} MiB"))
            if not stages:
                rows.append(("agent and server together, in R", f"{(cpu + server_cpu) / r:.1f}", f"server {server_cpu / r:.1f}, flush included"))
        finally:
            agent.stop()
            server.stop()
            shutil.rmtree(server.directory, ignore_errors=True)
    return rows


def idle(parent, config, title, count, make, seconds):
    """`count` files that were read to their end and do not change: what the agent costs then."""
    server = fresh(parent, "agent-idle", config).start()
    root = os.path.join(server.directory, "logs")
    for n in range(count):
        make(root, n)
    agent = Agent(server.directory, scrape(server, f"{root}/**/*.log"))
    try:
        agent.start()
        delivered(server, count)
        time.sleep(5)  # what was put off at the start is done
        cpu = agent.cpu_seconds()
        time.sleep(seconds)
        share = (agent.cpu_seconds() - cpu) / seconds
        return [(f"{title}: share of a core", f"{share * 100:.2f} %", f"over {seconds} s; peak RSS {agent.memory_peak() / 2**20:.0f} MiB")]
    finally:
        agent.stop()
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def write_cri(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    now = time.time_ns()
    with open(path, "ab", buffering=0) as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // NS))}.{now % NS:09d}Z stdout F {text}\n".encode())


def latency(parent, config):
    """From the end of write(2) to an answer that has the line, asked for again and again."""
    server = fresh(parent, "agent-latency", config).start()
    path = os.path.join(server.directory, "logs", POD.format(1), "main", "0.log")
    agent = Agent(server.directory, scrape(server, os.path.join(server.directory, "logs", "*", "*", "*.log")))
    times = []
    try:
        agent.start()
        write_cri(path, "warm-up")
        delivered(server, 1)
        for n in range(LATENCY_LINES):
            write_cri(path, f"latency-{n}.")
            began = time.monotonic()
            while True:
                now = time.time_ns()
                answer = server.query_range(f'{{job="bench"}} |= "latency-{n}."', now - 60 * NS, now + 60 * NS, limit=1)
                check(answer.status == 200, answer.text)
                if answer.json()["data"]["result"]:
                    break
                check(time.monotonic() - began < 60, f"line {n} is not found")
            times.append(time.monotonic() - began)
            time.sleep(0.05)
        # A pod that is there for a second.
        short = os.path.join(server.directory, "logs", POD.format(2))
        for n in range(100):
            write_cri(os.path.join(short, "main", "0.log"), f"short-lived {n}")
            time.sleep(0.01)
        shutil.rmtree(short)
        wait_until("the short-lived pod's lines", lambda: server.count('{job="bench"} |= "short-lived"', at=time.time_ns() + NS) == 100, 30)
    finally:
        agent.stop()
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)
    times.sort()
    return [("from written to found, median ms", f"{times[len(times) // 2] * 1000:.0f}",
             f"worst of {len(times)}: {times[-1] * 1000:.0f} ms; all lines of a pod that lived for a second were there")]


def binary_size(parent):
    os.makedirs(parent, exist_ok=True)
    path = os.path.join(parent, "skald-agent")
    shutil.copyfile(os.path.join(harness.BIN_DIR, "skald-agent"), path)
    subprocess.run(["strip", path], check=True)
    size = os.path.getsize(path)
    os.remove(path)
    return [("the program, stripped, MB", f"{size / 1e6:.1f}", "shared libraries of the system beside it")]


def all_of(parent, config, load_path, load, r, span, note):
    rows = []
    note("agent: CRI files")
    rows += throughput(parent, config, load_path, load, r)
    note("agent: idle files")
    rows += idle(parent, config, "10,000 idle files", 10_000,
                 lambda root, n: write_cri(os.path.join(root, f"{n // 100}", f"{n}.log"), f"line of file {n}"), span)
    rows += idle(parent, config, "500 idle containers", 500, lambda root, n: write_cri(os.path.join(root, POD.format(n), "main", "0.log"), f"line of pod {n}"), span)
    note("agent: latency")
    rows += latency(parent, config)
    rows += binary_size(parent)
    return rows
