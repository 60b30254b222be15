#!/usr/bin/python3
"""An agent that comes in Promtail's place, and its configuration while it runs: nothing is lost or doubled by the switch or by reloads."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, Agent, Server, check, equal, main, running, wait_until  # noqa: E402


def lines_of(server, selector):
    now = time.time_ns()
    answer = server.query_range(selector, now - 24 * 3600 * NS, now + 3600 * NS, limit=5000)
    return [value[1] for stream in answer.json()["data"]["result"] for value in stream["values"]]


def write(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def request(agent, path, method="GET", accept=None):
    headers = {"Accept": accept} if accept else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{agent.port}{path}", method=method, headers=headers)) as answer:
            return answer.status, answer.headers.get("Content-Type"), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Content-Type"), error.read().decode()


def promtail(directory, server, jobs):
    text = f"""\
server: {{http_listen_port: 0, grpc_listen_port: 0}}
positions: {{filename: {directory}/positions.yaml}}
clients: [{{url: 'http://127.0.0.1:{server.port}/loki/api/v1/push', name: loki}}]
scrape_configs:
"""
    for job, pattern, stages in jobs:
        text += f"""\
  - job_name: {job}
    static_configs: [{{targets: [localhost], labels: {{job: {job}, __path__: {pattern}}}}}]
    pipeline_stages: [{stages}]
"""
    return text


def switch_from_promtail(directory):
    os.makedirs(f"{directory}/log")
    write(f"{directory}/log/a.log", "".join(f"a{i}\n" for i in range(100)))
    write(f"{directory}/log/new.log", "n0\n")
    sent = sum(len(f"a{i}\n") for i in range(60))
    with open(f"{directory}/positions.yaml", "w", encoding="utf-8") as file:
        file.write(f'positions:\n  {directory}/log/a.log: "{sent}"\n')
    server = Server(directory)
    with running(server):
        agent = Agent(directory, promtail(directory, server, [("app", f"{directory}/log/*.log", "")]),
                      flags=["-config.expand-env=true", "-server.grpc-listen-port=0"])
        with running(agent):
            want = sorted([f"a{i}" for i in range(60, 100)] + ["n0"])
            wait_until("what Promtail had not sent", lambda: len(lines_of(server, '{job="app"}')) >= len(want))
            equal(sorted(lines_of(server, '{job="app"}')), want, "lines")
            check("is read once, at the first start" in agent.log(), "the agent does not say what it does differently")


def reloads_under_load(directory):
    os.makedirs(f"{directory}/log")
    stop = threading.Event()
    written = {"a": [], "b": []}

    def writer(name):
        i = 0
        while not stop.is_set():
            line = f"{name}{i}"
            write(f"{directory}/log/{name}.log", f"{line}\n")
            written[name].append(line)
            i += 1
            time.sleep(0.005)

    server = Server(directory)
    with running(server):
        a = ("a", f"{directory}/log/a.log", "")
        b = ("b", f"{directory}/log/b.log", "")
        agent = Agent(directory, promtail(directory, server, [a, b]))
        path = os.path.join(directory, "agent.yaml")
        with running(agent):
            threads = [threading.Thread(target=writer, args=(name,), daemon=True) for name in "ab"]
            for thread in threads:
                thread.start()
            wait_until("the first lines", lambda: lines_of(server, '{job="a"}') and lines_of(server, '{job="b"}'))
            for i in range(12):
                # A stage that comes and goes, a job that comes and goes, a client with another setting.
                jobs = [a, (b[0], b[1], f"{{static_labels: {{round: '{i}'}}}}")] if i % 3 == 0 else [a] if i % 3 == 1 else [b, a]
                text = promtail(directory, server, jobs)
                if i == 7:
                    text = text.replace("name: loki", "name: loki, batchwait: 200ms")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                if i % 2:
                    equal(request(agent, "/-/reload", "POST")[0], 200, "POST /-/reload")
                else:
                    before = request(agent, "/metrics")[2]
                    agent.signal(signal.SIGHUP)
                    wait_until("the reload by SIGHUP", lambda: request(agent, "/metrics")[2].count("agent_config_reloads_total")
                               and request(agent, "/metrics")[2].split('agent_config_reloads_total{result="success"}')[1].split()[0]
                               != before.split('agent_config_reloads_total{result="success"}')[1].split()[0])
                time.sleep(0.1)
            # A file that cannot be leaves the one before.
            with open(path, "w", encoding="utf-8") as file:
                file.write("scrape_configs: 3\n")
            status, _, body = request(agent, "/-/reload", "POST")
            equal(status, 400, "reload of a bad file")
            check("scrape_configs" in body, body)
            stop.set()
            for thread in threads:
                thread.join()
            write(f"{directory}/log/b.log", "last\n")
            written["b"].append("last")
            for name in "ab":
                wait_until(f"all lines of {name}", lambda: len(lines_of(server, f'{{job="{name}"}}')) >= len(written[name]))
                equal(sorted(lines_of(server, f'{{job="{name}"}}')), sorted(written[name]), f"lines of {name}, each once")
            status, kind, body = request(agent, "/targets", accept="text/html,*/*")
            equal((status, kind), (200, "text/html; charset=utf-8"), "/targets for a browser")
            check(f"{directory}/log/a.log" in body, body)
            equal(request(agent, "/targets")[1], "application/json", "/targets for programs")


def lines_are_seen_going_by(directory):
    os.makedirs(f"{directory}/log")
    path = f"{directory}/log/a.log"
    with running(Server(directory)) as server:
        config = f"""\
server: {{address: 127.0.0.1:{server.grpc_port}}}
scrape_configs:
  - job_name: app
    static_configs: [{{labels: {{job: app, __path__: {path}}}}}]
    pipeline_stages:
      - logfmt: {{mapping: {{level: }}}}
      - labels: {{level: }}
      - drop: {{source: level, value: debug}}
"""
        agent = Agent(directory, config)
        with running(agent):
            def is_ready():
                try:
                    return request(agent, "/ready")[0] == 200
                except urllib.error.URLError:
                    return False

            wait_until("it is ready", is_ready)
            writing = threading.Event()

            def write_on():
                i = 0
                while not writing.wait(0.001):
                    write(path, f"level={('info', 'debug', 'error')[i % 3]} line {i}\n")
                    i += 1

            writer = threading.Thread(target=write_on)
            writer.start()

            def seen(query):
                status, kind, body = request(agent, f"/tap?{query}")
                equal((status, kind), (200, "application/x-ndjson"), "answer")
                return [json.loads(line) for line in body.splitlines()]

            for line in seen("selector=%7Blevel%3D%22error%22%7D&limit=5"):
                if "skipped" not in line:
                    equal((line["labels"]["level"], line["labels"]["job"]), ("error", "app"), "labels")
                    check(line["line"].startswith("level=error line "), line)
            traces = [line for line in seen("stages=1&limit=20&rate=1000") if "skipped" not in line]
            steps = [[stage["stage"] for stage in trace["stages"]] for trace in traces if "out" in trace]
            equal(steps[0], ["", "logfmt", "labels", "drop"], "stages of a line that goes out")
            [dropped, *_] = [trace for trace in traces if "dropped" in trace]
            equal((dropped["dropped"], dropped["stages"][1]["extracted"]["level"]), ("drop_stage", "debug"), "a dropped line")
            equal(dropped["stages"][2].get("line"), None, "what a stage leaves as it is")
            for query in ("selector=%7B", "rate=-1", "what=x"):
                equal(request(agent, f"/tap?{query}")[0], 400, query)
            # Somebody who never reads holds up nobody, and is one of four.
            idle = [socket.create_connection(("127.0.0.1", agent.port)) for _ in range(4)]
            for one in idle:
                one.sendall(b"GET /tap?rate=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                check(one.recv(15).startswith(b"HTTP/1.1 200"), "it is shown")
            equal(request(agent, "/tap")[0], 503, "a fifth one")
            written = int(open(path, encoding="utf-8").read().split()[-1])
            wait_until("lines go on", lambda: any(int(line.split()[-1]) > written for line in lines_of(server, '{job="app"} |= "error"')))
            for one in idle:
                one.close()
            wait_until("their places are free", lambda: request(agent, "/tap?limit=1")[0] == 200)
            writing.set()
            writer.join()


def tools(directory):
    os.makedirs(f"{directory}/log")
    write(f"{directory}/log/a.log", "level=info hello\nlevel=debug no\n")
    path = f"{directory}/p.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""\
scrape_configs:
  - job_name: app
    static_configs: [{{labels: {{job: app, __path__: {directory}/log/*.log*}}}}]
    gelf: {{}}
    pipeline_stages:
      - logfmt: {{mapping: {{level: }}}}
      - labels: {{level: }}
      - drop: {{source: level, value: debug}}
  - job_name: pods
    kubernetes_sd_configs: [{{role: pod}}]
    relabel_configs:
      - {{source_labels: [__meta_kubernetes_namespace], regex: kube-.*, action: drop}}
      - {{source_labels: [__meta_kubernetes_pod_label_app], target_label: app}}
""")

    def run(*arguments, code=0):
        done = subprocess.run([os.path.join(BIN_DIR, "skald-agent"), *arguments], capture_output=True, text=True, check=False)
        equal(done.returncode, code, f"exit code of {arguments}: {done.stderr}")
        return done.stdout, done.stderr

    out, _ = run("check", path)
    for part in ("1 files now", "a.log", "p.yaml:4:5: gelf is ignored: there is no GELF receiver", "rotated files too"):
        check(part in out, f"{part!r} is not in\n{out}")
    out, _ = run("explain", path, f"{directory}/log/a.log")
    for part in ("target 1 (app): takes it", 'job="app"', "logfmt:", "target 2 (pods): no"):
        check(part in out, f"{part!r} is not in\n{out}")
    out, _ = run("explain", path, "/nowhere")
    check("nobody takes /nowhere" in out, out)
    out, _ = run("explain", path, '{__meta_kubernetes_namespace="shop", __meta_kubernetes_pod_label_app="web"}')
    check('target 2 (pods): takes it' in out and 'app="web"' in out, out)
    out, _ = run("explain", path, '{__meta_kubernetes_namespace="kube-system"}')
    check("target 2 (pods): no, relabel_configs drop it" in out, out)
    # What is remembered, read beside the agent that runs.
    with running(Server(directory)) as server:
        state_dir = f"{directory}/agent-state"
        with running(Agent(directory, open(path, encoding="utf-8").read(), flags=[f"--server=127.0.0.1:{server.grpc_port}"])):
            def behind():
                done = subprocess.run([os.path.join(BIN_DIR, "skald-agent"), "state", f"--config={path}", f"--state-dir={state_dir}", "--json"],
                                      capture_output=True, text=True, check=False)
                return [(file["path"], file["behind"]) for file in json.loads(done.stdout)[0]["files"]] if done.returncode == 0 else done.stderr

            wait_until("all is delivered", lambda: behind() == [(f"{directory}/log/a.log", 0)])
            out, _ = run("state", state_dir)
            check(f"{directory}/log/a.log" in out and "0 batches under way" in out, out)
    _, err = run("state", f"{directory}/log", code=1)
    check("there is no state" in err, err)
    test = f"{directory}/test.yaml"
    for level, code, word in (("info", 0, "SUCCESS"), ("debug", 1, "FAILED")):
        with open(test, "w", encoding="utf-8") as file:
            file.write(f"config: p.yaml\ntests: [{{path: {directory}/log/b.log, input: [level={level} x], expect: [{{line: level={level} x, labels: {{level: {level}}}}}]}}]\n")
        out, _ = run("test", test, "--node-name=n", code=code)
        check(f"  {word}" in out, out)
    out, err = run(f"--config={path}", "--dry-run", "--inspect")
    check("hello" in out and "debug" not in out, out)
    for part in ("  logfmt\n    + extracted level: info", "  labels\n    + label level: info", "    dropped: drop_stage"):
        check(part in err, f"{part!r} is not in\n{err}")
    _, err = run(f"--config={path}", "--dry-run", "--inspect-json")
    steps = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    equal([step["stage"] for step in steps if step["entry"] == 1], ["", "logfmt", "labels", "drop"], "stages of the first line")
    equal(steps[1]["changes"], [{"what": "extracted level", "now": "info"}], "what logfmt does")
    equal([step["dropped"] for step in steps if "dropped" in step], ["drop_stage"], "what is dropped")
    with open(path, "w", encoding="utf-8") as file:
        file.write("scrape_configs: [{job_name: x, pipeline_stages: [{regex: {expression: '('}}]}]\n")
    _, err = run("check", path, code=1)
    check("p.yaml:1" in err, err)


main(switch_from_promtail, reloads_under_load, lines_are_seen_going_by, tools)
