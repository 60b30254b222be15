#!/usr/bin/python3
"""Every query of every Grafana dashboard, asked of a real server with demo data and of a real Prometheus that scrapes it and its agent and
takes its recordings: nothing is broken, no panel is empty, no dashboard names a data source by its id."""
import glob
import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
import demo_data
from harness import NS, ROOT, Agent, Process, Server, check, free_port, main, wait_until

RULE = """groups:
  - name: shop
    interval: 1s
    rules:
      - record: shop:errors:rate5m
        expr: sum by (app) (rate({app=~".+"} |= "error" [5m]))
"""
# What Grafana puts in place of its own variables, and what a person would choose of the dashboards' ones.
VALUES = {"__auto": "1m", "__interval": "1m", "__rate_interval": "10s", "__range": "1h", "job": ".+", "search": "", "target": "0.99"}


class Prometheus(Process):
    def __init__(self, directory, targets):
        os.makedirs(directory)
        self.port = free_port()
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"global": {"scrape_interval": "1s"},
                       "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in targets.items()]}, file)
        super().__init__("prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                                        "--web.enable-remote-write-receiver", f"--web.listen-address=127.0.0.1:{self.port}"],
                         os.path.join(directory, "prometheus.log"))

    def ask(self, path, **params):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(params)}", timeout=30) as answer:
            return json.load(answer)["data"]


def filled(expr, values):
    return re.sub(r"\$\{?(\w+)\}?", lambda m: values[m[1]], expr)


def ask_loki(server, expr, kind, now):
    path = "query" if kind == "instant" else "query_range"
    params = {"query": expr, "time": now} if kind == "instant" else {"query": expr, "start": now - 3600 * NS, "end": now, "step": 60, "limit": 100}
    answer = server.get(f"/loki/api/v1/{path}", params)
    return answer.json()["data"]["result"] if answer.status == 200 else f"{answer.status} {answer.text}"


def empty_panels(server, prometheus, boards):
    """What is wrong at this moment: [text]."""
    now = time.time_ns()
    faults = []
    asked = 0
    for name, board in boards.items():
        variables = {v["name"]: v for v in board["templating"]["list"]}
        kinds = {v["name"]: v["query"] for v in variables.values() if v["type"] == "datasource"}
        values = dict(VALUES)
        for v in variables.values():
            if v["type"] != "query":
                continue
            values[v["name"]] = ".+" if v["includeAll"] else "checkout"
            if kinds[v["datasource"]["uid"][2:-1]] == "loki":
                found = server.get(f"/loki/api/v1/label/{v['query']['label']}/values", {"start": now - 3600 * NS, "end": now}).json().get("data", [])
            else:
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", v["query"]["query"]).groups()
                found = [s.get(label) for s in prometheus.ask("series", **{"match[]": metric})]
            if not found:
                faults.append(f"{name}: variable {v['name']} has no values")
        questions = [(p["title"], t["datasource"], t["expr"], t.get("queryType", "instant" if t.get("instant") else "range"))
                     for p in board["panels"] for t in p["targets"]]
        questions += [(a["name"], a["datasource"], a["expr"], "range") for a in board["annotations"]["list"]]
        for title, source, expr, kind in questions:
            reference = re.fullmatch(r"\$\{(\w+)\}", source["uid"])
            if reference is None or kinds.get(reference[1]) != source["type"]:
                faults.append(f"{name}, {title}: data source {source}")
                continue
            asked += 1
            text = filled(expr, values)
            if source["type"] == "loki":
                result = ask_loki(server, text, kind, now)
            else:
                result = prometheus.ask("query_range", query=text, start=now / NS - 30, end=now / NS, step=1)["result"]
            if not result or isinstance(result, str):
                faults.append(f"{name}, {title}: {text}: {result or 'nothing'}")
    return faults, asked


def every_panel_shows_something(directory):
    boards = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "deploy", "grafana", "dashboards", "*.json"))):
        with open(path, encoding="utf-8") as file:
            boards[os.path.basename(path)] = json.load(file)
    check(len({board["uid"] for board in boards.values()}) == len(boards) >= 5, f"dashboards: {sorted(boards)}")
    rules = os.path.join(directory, "rules", "fake")
    logs = os.path.join(directory, "logs")
    for folder in (rules, logs):
        os.makedirs(folder)
    with open(os.path.join(rules, "shop.yaml"), "w", encoding="ascii") as file:
        file.write(RULE)
    processes = []
    try:
        server = Server(directory, flags=[f"--rules-dir={directory}/rules"])
        agent = Agent(directory, f"""server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: files
    static_configs:
      - labels: {{__path__: "{logs}/*.log", job: files}}
""")
        prometheus = Prometheus(os.path.join(directory, "prometheus"), {"skald": f"127.0.0.1:{server.port}", "skald-agent": f"127.0.0.1:{agent.port}"})
        with open(os.path.join(directory, "skald.yaml"), "w", encoding="ascii") as file:
            file.write(f"ruler: {{remote_write: {{enabled: true, clients: {{main: {{url: 'http://127.0.0.1:{prometheus.port}/api/v1/write'}}}}}}}}\n")
        server.arguments.insert(1, f"--config={directory}/skald.yaml")
        processes += [prometheus, server, agent]
        prometheus.start()
        server.start()
        now = time.time_ns()
        demo_data.push(server, demo_data.streams(now))
        server.push_ok([({"event": "deploy", "app": "checkout"}, [(now - 600 * NS, "v2.3.1 is out")])])
        with open(os.path.join(logs, "app.log"), "w", encoding="ascii") as file:
            file.write("a line of a file\n")
        agent.start()
        last, asked = [], [0]

        def all_shown():
            last[:], asked[0] = empty_panels(server, prometheus, boards)
            return not last

        try:
            wait_until("every panel shows something", all_shown, timeout=60, pause=1)
        finally:
            print("\n".join([*last, f"{len(boards)} dashboards, {asked[0]} queries, {len(last)} faults"]), flush=True)
    finally:
        for process in reversed(processes):
            process.kill()


if __name__ == "__main__":
    main(every_panel_shows_something)
