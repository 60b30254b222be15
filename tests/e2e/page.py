#!/usr/bin/python3
"""The page in a real browser: a server with an hour of demo data, a Prometheus with the shop's metrics, a rule that fires and an agent
that reads a file; then a walk through every view (tests/page/walk.mjs), with pictures, axe-core, and what it measured.

SKALD_PICTURES names a directory for the pictures.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
import demo_data
from harness import NS, ROOT, Agent, Failure, Process, Server, check, free_port, main, wait_until

RULES = """groups:
  - name: shop
    interval: 1s
    rules:
      - alert: OrdersFail
        expr: sum by (app) (count_over_time({app="checkout"} |= "error" [1h])) > 10
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.app }}: {{ $value | humanize }} orders failed in the last hour"
          runbook_url: https://runbooks.example/orders-fail
      - alert: PaymentsSilent
        expr: absent_over_time({app="payments"}[5m])
        for: 1m
        annotations: {summary: "payments says nothing"}
      - record: shop:errors:rate5m
        expr: sum by (app) (rate({app=~".+"} |= "error" [5m]))
"""
STEP = 15


def failures(streams, now_ns):
    """{app: [(second, failed orders in the step before)]} of the demo data, for Prometheus."""
    begin = now_ns // NS - 3600
    found = {}
    for labels, rows in streams:
        if labels["app"] not in ("checkout", "payments"):
            continue
        counts = [0] * (3600 // STEP + 1)
        for ns, line, _ in rows:
            if "error" in line[:80]:
                counts[min(len(counts) - 1, max(0, (ns // NS - begin) // STEP))] += 1
        # payments a little lower, so that one of the two stands higher.
        weight = 1.0 if labels["app"] == "checkout" else 0.5
        found[labels["app"]] = [(begin + i * STEP, n * weight) for i, n in enumerate(counts)]
    return found


def start_prometheus(directory, by_app):
    """A Prometheus on loopback that holds these samples."""
    os.makedirs(directory)
    text = os.path.join(directory, "samples.txt")
    with open(text, "w", encoding="ascii") as file:
        file.write("# TYPE shop_failures gauge\n")
        for app, samples in by_app.items():
            for second, value in samples:
                file.write(f'shop_failures{{app="{app}",instance="shop-1:8080"}} {value} {second}\n')
        file.write("# EOF\n")
    data = os.path.join(directory, "data")
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, stdout=subprocess.DEVNULL)
    config = os.path.join(directory, "prometheus.yml")
    with open(config, "w", encoding="ascii") as file:
        file.write("global: {scrape_interval: 15s}\n")
    port = free_port()
    process = Process("prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
                                     f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=30d"],
                      os.path.join(directory, "prometheus.log"))
    process.start()
    return process, port


def make_agent(directory, server):
    """An agent that reads one file."""
    logs = os.path.join(directory, "logs")
    os.makedirs(logs)
    with open(os.path.join(logs, "app.log"), "w", encoding="ascii") as file:
        file.writelines(f"line {i} of a file that an agent reads\n" for i in range(50))
    return Agent(directory, f"""server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: files
    static_configs:
      - labels: {{__path__: "{logs}/*.log", job: files}}
""")


def walk(server, pictures, spike_ms):
    script = os.path.join(ROOT, "tests", "page", "walk.mjs")
    os.makedirs(pictures, exist_ok=True)
    done = subprocess.run(["node", script, f"http://127.0.0.1:{server.port}", pictures, str(spike_ms)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    print(done.stdout, end="", flush=True)
    check(done.returncode == 0, "the walk found faults; its pictures are in " + pictures)


def answers_as_a_page(server):
    """What a browser relies on, byte by byte."""
    plain = server.get("/")
    check(plain.status == 200 and "<!doctype html>" in plain.text, f"/: {plain.status} {plain.text[:80]}")
    policy = plain.headers.get("Content-Security-Policy", "")
    check("default-src 'none'" in policy and "unsafe" not in policy, f"Content-Security-Policy: {policy}")
    script = server.get("/page/app.js", headers={"Accept-Encoding": "gzip"})
    check(script.headers.get("Content-Encoding") == "gzip", "the script goes out compressed")
    print(f"script: {len(script.body)} bytes compressed", flush=True)
    again = server.get("/page/app.js", headers={"If-None-Match": script.headers["ETag"]})
    check(again.status == 304 and not again.body, f"an unchanged script: {again.status}")
    check(server.get("/page/nothing").status == 404, "an unknown file of the page")
    check(server.get("/skald/api/v1/prometheus/query_range", {"query": "up(", "start": 1, "end": 2, "step": 1}).status == 400,
          "Prometheus' own refusal comes through")


def spike_of(by_app):
    """A moment in milliseconds at which checkout fails most, away from the ends."""
    inner = by_app["checkout"][20:-20]
    return max(inner, key=lambda sample: sample[1])[0] * 1000 - STEP * 1000 // 2


def page(directory):
    now_ns = time.time_ns()
    data = demo_data.streams(now_ns)
    by_app = failures(data, now_ns)
    rules = os.path.join(directory, "rules", "fake")
    os.makedirs(rules)
    with open(os.path.join(rules, "shop.yaml"), "w", encoding="ascii") as file:
        file.write(RULES)
    processes = []
    try:
        prometheus, prometheus_port = start_prometheus(os.path.join(directory, "prometheus"), by_app)
        processes.append(prometheus)
        server = Server(directory, flags=[f"--rules-dir={directory}/rules", f"--page-prometheus=http://127.0.0.1:{prometheus_port}",
                                          "--page-trace-url=http://127.0.0.1:16686/trace/{trace_id}"])
        agent = make_agent(directory, server)
        server.arguments.append(f"--page-agents=http://127.0.0.1:{agent.port}")
        processes += [server, agent]
        server.start()
        print(f"{demo_data.push(server, data)} lines of demo data", flush=True)
        agent.start()
        wait_until("Prometheus answers through the server", lambda: server.get("/skald/api/v1/prometheus/metric_names").status == 200)
        answers_as_a_page(server)
        pictures = os.environ.get("SKALD_PICTURES") or os.path.join(directory, "pictures")
        try:
            walk(server, pictures, spike_of(by_app))
        except Failure:
            shutil.copytree(pictures, os.path.join(tempfile.gettempdir(), "skald-page-pictures"), dirs_exist_ok=True)
            raise
    finally:
        for process in reversed(processes):
            process.kill()


def types_and_tables(directory):
    """The compiler's view of the page's sources, and its parts without a screen."""
    sources = os.path.join(ROOT, "server", "page")
    for arguments in ([os.path.join(sources, "node_modules", "typescript", "bin", "tsc"), "--noEmit", "-p", sources],
                      [os.path.join(ROOT, "tests", "page", "units.mjs")]):
        done = subprocess.run(["node", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=directory)
        print(done.stdout, end="", flush=True)
        check(done.returncode == 0, f"node {' '.join(arguments)}: {done.returncode}")


if __name__ == "__main__":
    main(types_and_tables, page)
