#!/usr/bin/python3
"""The real OpenTelemetry SDK sends over HTTP and over gRPC, to the server and to an agent: every line arrives, with Loki's labels and metadata.

The SDK comes by name from PyPI into the build folder, once. Where pip cannot reach it, the test is skipped (77) and says why.
"""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, Agent, Server, check, equal, free_port, main, running, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PLACE = os.path.join(os.path.dirname(BIN_DIR), "otel-venv")
PACKAGES = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-exporter-otlp-proto-grpc"]


def sdk():
    python, done = os.path.join(PLACE, "bin", "python"), os.path.join(PLACE, "installed")
    if not os.path.exists(done):
        for command in ([sys.executable, "-m", "venv", PLACE], [python, "-m", "pip", "install", "--quiet", *PACKAGES]):
            outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
            if outcome.returncode != 0:
                print(f"skipped: the OpenTelemetry SDK cannot be installed: {(outcome.stderr or outcome.stdout).strip()[-300:]}")
                sys.exit(77)
        with open(done, "w", encoding="utf-8"):
            pass
    return python


def send_and_find(python, server, kind, endpoint, more_labels):
    """All that the SDK sends to the endpoint is found at the server."""
    outcome = subprocess.run([python, os.path.join(HERE, "otel_send.py"), kind, endpoint], capture_output=True, text=True, check=False, timeout=120)
    equal(outcome.returncode, 0, f"{kind}: the sender's end ({outcome.stderr[-2000:]})")
    check("Failed to export" not in outcome.stderr, f"{kind}: {outcome.stderr[-2000:]}")
    trace_id, span_id = outcome.stdout.split()
    now = time.time_ns()
    span = {"start": now - 600 * NS, "end": now + 60 * NS, "limit": 5000}

    def streams(query):
        answer = server.query_range(query, headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"}, **span)
        equal(answer.status, 200, f"{kind}: {query}: {answer.text}")
        return answer.json()["data"]["result"]

    selector = f'{{service_name="shop-{kind}"}}'
    wait_until(f"{kind}: all lines", lambda: sum(len(s["values"]) for s in streams(selector)) == 1002)
    labels = {"service_name": f"shop-{kind}", "service_namespace": "market", "k8s_pod_name": "shop-1", **more_labels}

    [hello] = streams(selector + ' |= "hello"')
    equal(hello["stream"], {**labels, "service_instance_id": hello["stream"].get("service_instance_id")}
          if "service_instance_id" in hello["stream"] else labels, f"{kind}: index labels")
    metadata = hello["values"][0][2]["structuredMetadata"]
    for name, value in {"host_name": "h1", "custom_list": '["a","b"]', "http_status": "200", "ratio": "1.5", "ok": "true",
                        "scope_name": "checkout.cart", "severity_number": "9", "severity_text": "INFO",
                        "detected_level": "info", "telemetry_sdk_name": "opentelemetry"}.items():
        equal(metadata.get(name), value, f"{kind}: metadata {name} of {metadata}")

    [failed] = streams(selector + ' |= "payment"')
    metadata = failed["values"][0][2]["structuredMetadata"]
    for name, value in {"trace_id": trace_id, "span_id": span_id, "detected_level": "error", "user": "u7"}.items():
        equal(metadata.get(name), value, f"{kind}: metadata {name} of {metadata}")
    print(f"{kind}: 1002 lines")


def both_ways(directory):
    python = sdk()
    with running(Server(directory)) as server:
        for kind, endpoint in (("http", f"http://127.0.0.1:{server.port}/otlp/v1/logs"), ("grpc", f"127.0.0.1:{server.grpc_port}")):
            send_and_find(python, server, kind, endpoint, {})


def through_the_agent(directory):
    python = sdk()
    if not os.path.exists(os.path.join(BIN_DIR, "skald-agent")):
        return
    ports = {"http": free_port(), "grpc": free_port()}
    server = Server(directory)
    agent = Agent(directory, f"""\
server: {{address: 127.0.0.1:{server.grpc_port}}}
scrape_configs:
  - job_name: otel
    otlp:
      http: {{endpoint: 127.0.0.1:{ports["http"]}}}
      grpc: {{endpoint: 127.0.0.1:{ports["grpc"]}}}
      labels: {{via: agent}}
""")
    with running(server), running(agent):
        for port in ports.values():
            wait_until(f"a listener on port {port}", lambda at=port: listens(at))
        for kind, endpoint in (("http", f"http://127.0.0.1:{ports['http']}/v1/logs"), ("grpc", f"127.0.0.1:{ports['grpc']}")):
            send_and_find(python, server, kind, endpoint, {"via": "agent"})


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main(both_ways, through_the_agent)
