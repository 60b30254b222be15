#!/usr/bin/python3
"""Alerts from logs against a real Alertmanager and a real Prometheus, where Debian's packages of them are installed: pending, firing,
webhook, resolved; kill -9 while pending; an Alertmanager that is down for a while; recordings with their stale markers."""
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, ROOT, Process, Server, check, equal, free_port, main, running, wait_until  # noqa: E402

RULES = """
groups:
- name: errors
  interval: 1s
  query_offset: 1s
  rules:
  - alert: Errors
    expr: sum by (app) (count_over_time({app=~".+"} |= "error" [3s])) > 0
    for: 6s
    labels: {severity: page}
    annotations: {summary: "{{ $labels.app }} has {{ $value | humanize }} errors"}
  - record: app:errors:count3s
    expr: sum by (app) (count_over_time({app=~".+"} |= "error" [3s]))
    labels: {from: logs}
"""

# bcrypt of "opens the door".
BCRYPT = "$2b$04$abcdefghijklmnopqrstuu.qSaxSDoGdHYiZOFEHjN3X/IDVv0Zyq"


def fetch(url, timeout=5):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


class Webhook:
    """Keeps what an Alertmanager posts."""

    def __init__(self):
        self.received = []
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((time.time(), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def alerts(self, status, app):
        return [(t, alert) for t, body in list(self.received) for alert in body["alerts"]
                if alert["status"] == status and alert["labels"].get("app") == app]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Alertmanager(Process):
    def __init__(self, directory, webhook):
        self.port = free_port()
        config = os.path.join(directory, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
route: {{receiver: hook, group_by: [alertname, app], group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: hook
  webhook_configs: [{{url: "http://127.0.0.1:{webhook.port}/", send_resolved: true}}]
""")
        super().__init__("alertmanager", [
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={directory}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
            os.path.join(directory, "alertmanager.log"))

    def start(self):
        super().start()
        wait_until("alertmanager ready", lambda: fetch(f"http://127.0.0.1:{self.port}/api/v2/status"))


class Receiver:
    """Takes alerts as an Alertmanager does, and keeps them as they come: (app, status) of each."""

    def __init__(self):
        self.received, self.server, self.port = [], None, free_port()

    def start(self):
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
                received.extend((alert["labels"]["app"], "resolved" if alert["endsAt"] <= now else "firing") for alert in alerts)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def changes(self):
        """Without repetitions of what came before."""
        return list(dict.fromkeys(self.received))


class Prometheus(Process):
    def __init__(self, directory):
        self.port = free_port()
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("global: {scrape_interval: 1h}\n")
        super().__init__("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver"],
            os.path.join(directory, "prometheus.log"))

    def start(self):
        super().start()
        wait_until("prometheus ready", lambda: self.query("vector(1)"))

    def query(self, text, **more):
        path = "query_range" if "step" in more else "query"
        answer = fetch(f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode({"query": text, **more}))
        return answer and answer["data"]["result"]


class SecureAlertmanager(Alertmanager):
    """Speaks TLS, wants a certificate of ours and a password. Certificates are made with openssl."""

    def __init__(self, directory, webhook):
        super().__init__(directory, webhook)
        self.folder = directory

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

        for ca in ("ca", "other-ca"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        with open(os.path.join(directory, "server.ext"), "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:alerts.example\n")
        for name in ("server", "client"):
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                    "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                    "-out", f"{name}.pem", *(("-extfile", "server.ext") if name == "server" else ()))
        with open(os.path.join(directory, "password"), "w", encoding="utf-8") as file:
            file.write("opens the door\n")
        with open(os.path.join(directory, "web.yml"), "w", encoding="utf-8") as file:
            file.write(f"""
tls_server_config:
  cert_file: {directory}/server.pem
  key_file: {directory}/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {directory}/ca.pem
basic_auth_users: {{skald: "{BCRYPT}"}}
""")
        self.arguments.append(f"--web.config.file={directory}/web.yml")

    def start(self):
        Process.start(self)

        def answers():
            context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
            context.load_cert_chain(os.path.join(self.folder, "client.pem"), os.path.join(self.folder, "client.key"))
            context.check_hostname = False
            try:
                urllib.request.urlopen(f"https://127.0.0.1:{self.port}/", timeout=5, context=context)
            except urllib.error.HTTPError as error:
                return error.code == 401
            except OSError:
                return False
            return True
        wait_until("alertmanager ready", answers)


class Errors:
    """A service that logs an error three times a second."""

    def __init__(self, server, app):
        self.server, self.app, self.stopping = server, app, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.3):
            try:
                self.server.push_ok([({"app": self.app}, [(time.time_ns(), "an error happened")])])
            except OSError:
                pass  # the server is down; the service goes on

    def stop(self):
        self.stopping.set()
        self.thread.join()


def make_server(directory, config, rules=RULES):
    server = Server(directory, config)
    folder = os.path.join(server.data, "rules", "fake")
    os.makedirs(folder)
    with open(os.path.join(folder, "errors.yaml"), "w", encoding="utf-8") as file:
        file.write(rules)
    return server


def alerts(server):
    return {a["labels"]["app"]: a for a in server.get("/prometheus/api/v1/alerts").json()["data"]["alerts"]}


def seconds(text):
    """RFC 3339 in UTC -> Unix seconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return (time.mktime(time.strptime(whole + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone
            + (float("0." + fraction) if fraction else 0))


def audit(server, event):
    with open(os.path.join(server.data, "ruler", "audit.jsonl"), encoding="utf-8") as file:
        return [line for line in map(json.loads, file) if line["event"] == event]


def fires_through_alertmanager_and_a_kill(directory):
    webhook = Webhook()
    alertmanager = Alertmanager(directory, webhook)
    server = make_server(directory, f"ruler: {{alertmanager_url: 'http://127.0.0.1:{alertmanager.port}', resend_delay: 2s}}\n")
    with running(alertmanager), running(server):
        service = Errors(server, "api")
        began = time.time()
        pending = wait_until("pending", lambda: alerts(server).get("api"))
        equal(pending["state"], "pending", "state of the alert")
        server.kill()
        server.start()
        firing = wait_until("the webhook has the firing alert", lambda: webhook.alerts("firing", "api"))[0]
        active, started = seconds(pending["activeAt"]), seconds(firing[1]["startsAt"])
        print(f"  first error to webhook {firing[0] - began:.1f} s, active to firing {started - active:.3f} s with a kill -9 between", flush=True)
        check(5.999 <= started - active <= 7.001, f"fired {started - active:.3f} s after it became active, for is 6 s")
        equal(seconds(alerts(server)["api"]["activeAt"]), active, "activeAt over the kill")
        check(firing[1]["annotations"]["summary"].startswith("api has "), str(firing[1]))
        equal(firing[1]["labels"], {"alertname": "Errors", "app": "api", "severity": "page"}, "labels at the webhook")
        service.stop()
        wait_until("the webhook has the resolved alert", lambda: webhook.alerts("resolved", "api"))
        lines = wait_until("history", lambda: [
            json.loads(line) for _, line in server.lines('{skald_source="alerts"} | alertname="Errors"', int((began - 60) * NS),
                                                         time.time_ns() + 60 * NS)][:3])
        equal([(line["from"], line["to"]) for line in lines],
              [("inactive", "pending"), ("pending", "firing"), ("firing", "inactive")], "history by LogQL")
        equal(len(audit(server, "transition")), 3, "changes in the audit")
        check(any(send["outcome"] == "delivered" for send in audit(server, "send")), "sends in the audit")
    webhook.close()


def transitions_arrive_in_order_after_an_outage(directory):
    """Three receivers, of which two are down for a while: the third hears everything at once, the others afterwards, each change in order."""
    webhook = Webhook()
    alertmanager = Alertmanager(directory, webhook)
    steady, late = Receiver(), Receiver()
    urls = ",".join(f"http://127.0.0.1:{receiver.port}" for receiver in (alertmanager, steady, late))
    server = make_server(directory, f"ruler: {{alertmanager_url: '{urls}', resend_delay: 2s}}\n")
    steady.start()
    late.start()
    with running(alertmanager), running(server):
        first = Errors(server, "one")
        wait_until("one fires at the webhook", lambda: webhook.alerts("firing", "one"))
        wait_until("and at the others", lambda: ("one", "firing") in steady.received and ("one", "firing") in late.received)
        alertmanager.stop()
        late.stop()
        second = Errors(server, "two")
        wait_until("two fires", lambda: ("two", "firing") in steady.received)
        first.stop()
        wait_until("one is resolved", lambda: ("one", "resolved") in steady.received)
        third = Errors(server, "three")
        wait_until("three fires", lambda: ("three", "firing") in steady.received)
        third.stop()  # all of it within the outage
        wait_until("three is resolved", lambda: ("three", "resolved") in steady.received)
        down = [send for send in audit(server, "send") if send["receiver"].endswith(f":{late.port}") and send["outcome"] == "will retry"]
        check(down, "attempts at a receiver that is down are in the audit")
        server.kill()  # the queue outlives the process too
        server.start()
        alertmanager.start()
        late.start()
        wait_until("two fires at the webhook", lambda: webhook.alerts("firing", "two"), 40)
        wait_until("one is resolved at the webhook", lambda: webhook.alerts("resolved", "one"), 40)
        wait_until("the late one has all", lambda: ("three", "resolved") in late.received, 40)
        want = [("one", "firing"), ("two", "firing"), ("one", "resolved"), ("three", "firing"), ("three", "resolved")]
        equal(steady.changes(), want, "order at the one that was there")
        equal(late.changes(), want, "order at the one that was down")
        delivered = list(dict.fromkeys(
            (alert["labels"]["app"], alert["status"]) for send in audit(server, "send")
            if send["receiver"].endswith(f":{alertmanager.port}") and send["outcome"] == "delivered" for alert in send["alerts"]))
        equal(delivered, want, "order of delivery to the Alertmanager")
        second.stop()
    webhook.close()
    steady.stop()
    late.stop()


def recordings_reach_prometheus(directory):
    prometheus = Prometheus(directory)
    server = make_server(directory, f"""
ruler:
  remote_write:
    enabled: true
    clients: {{main: {{url: 'http://127.0.0.1:{prometheus.port}/api/v1/write'}}}}
""")
    name = 'app:errors:count3s{app="api",from="logs"}'
    with running(prometheus), running(server):
        service = Errors(server, "api")
        wait_until("the recording", lambda: prometheus.query(name))
        prometheus.stop()  # its samples wait
        time.sleep(3)
        prometheus.start()
        wait_until("the alert's series", lambda: prometheus.query('ALERTS{alertname="Errors",alertstate="firing",app="api"}'))
        for_state = prometheus.query('ALERTS_FOR_STATE{alertname="Errors",app="api"}')
        equal(int(float(for_state[0]["value"][1])), int(seconds(alerts(server)["api"]["activeAt"])), "ALERTS_FOR_STATE")
        service.stop()
        wait_until("the end of the recording by its stale marker", lambda: prometheus.query(name) == [])
        ended = time.time()
        raw = fetch(f"http://127.0.0.1:{prometheus.port}/api/v1/query?" + urllib.parse.urlencode({"query": name + "[5m]"}))
        values = raw["data"]["result"][0]["values"]
        check(len(values) >= 6, f"{len(values)} samples")
        gaps = [b[0] - a[0] for a, b in zip(values, values[1:])]
        check(max(gaps) < 2.5, f"samples of the outage are missing: gaps {gaps}")
        for at, value in values:
            own = server.get("/loki/api/v1/query", {
                "query": 'sum by (app) (count_over_time({app="api"} |= "error" [3s]))', "time": f"{at:.3f}"}).json()["data"]["result"]
            equal(float(value), float(own[0]["value"][1]), f"recording at {at}")
        check(ended - values[-1][0] < 60, "a series without a marker would go on for five minutes")
        print(f"  {len(values)} samples of the recording equal to the engine's answers", flush=True)


def files_and_api_change_rules_at_once(directory):
    server = make_server(directory, "ruler: {poll_interval: 200ms}\n")
    path = os.path.join(server.data, "rules", "fake", "errors.yaml")
    with running(server):
        def names():
            groups = server.get("/prometheus/api/v1/rules").json()["data"]["groups"]
            return sorted(rule["name"] for group in groups for rule in group["rules"])

        wait_until("both rules", lambda: names() == ["Errors", "app:errors:count3s"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(RULES.replace("sum by (app) (count_over_time({app=~\".+\"} |= \"error\" [3s])) > 0", "'{app=\"x\"}'"))
        wait_until("the bad file is told", lambda: server.metric("skald_rule_files_with_problems") == 1)
        equal(names(), ["Errors", "app:errors:count3s"], "rules that run beside a bad file")
        check("errors.yaml:8:" in server.log() and "count_over_time" in server.log(), "the log names file, line and what to write")
        group = "name: g\ninterval: 1s\nrules:\n- alert: Always\n  expr: vector(1)\n  for: 1h\n"
        answer = server.request("POST", "/loki/api/v1/rules/my%20space", body=group.encode())
        equal((answer.status, answer.json()), (202, {"status": "success", "data": None, "errorType": "", "error": ""}), "POST")
        wait_until("the new rule", lambda: "Always" in names())
        check("expr: vector(1)" in server.get("/api/prom/rules/my%20space/g").text, "GET of a group")
        check('"my space":' in server.get("/loki/api/v1/rules").text, "GET of all")
        equal(server.request("POST", "/loki/api/v1/rules/x", body=b"name: g\nrules: [{alert: A, expr: up}]").status, 400, "a bad rule")
        active = wait_until("pending", lambda: [a for a in server.get("/prometheus/api/v1/alerts").json()["data"]["alerts"]])[0]
        server.kill()
        server.start()
        again = wait_until("pending again", lambda: [a for a in server.get("/prometheus/api/v1/alerts").json()["data"]["alerts"]])[0]
        equal(again["activeAt"], active["activeAt"], "activeAt over a restart")
        equal(server.request("DELETE", "/loki/api/v1/rules/my%20space/g").status, 202, "DELETE")
        equal(server.request("DELETE", "/loki/api/v1/rules/my%20space").status, 404, "DELETE of nothing")
        check("Always" not in names(), "the rule is gone")


def rules_of_several_tenants(directory):
    """A rule for `a|b` sees lines of both as they come, late ones too, and not what deletes hide."""
    server = Server(directory, "auth_enabled: true\nquerier: {multi_tenant_queries_enabled: true}\nruler: {evaluation_interval: 1s}\n")
    folder = os.path.join(server.data, "rules", "a|b")
    os.makedirs(folder)
    with open(os.path.join(folder, "r.yaml"), "w", encoding="utf-8") as file:
        file.write("""
groups:
- name: g
  rules:
  - alert: Lines
    expr: sum by (__tenant_id__) (count_over_time({app="x"}[1h])) > 0
  - alert: Counter
    expr: sum(rate_counter({app="x"} | logfmt | unwrap n [1h])) > 0
""")

    def values(name):
        answer = server.get("/prometheus/api/v1/rules", headers={"X-Scope-OrgID": "a|b"})
        found = [rule for group in answer.json()["data"]["groups"] for rule in group["rules"] if rule["name"] == name]
        return {alert["labels"].get("__tenant_id__", ""): float(alert["value"]) for rule in found for alert in rule["alerts"]}

    def push(tenant, ago, n):
        server.push_ok([({"app": "x"}, [(time.time_ns() - ago * NS, f"n={n}")])], headers={"X-Scope-OrgID": tenant})

    with running(server):
        push("a", 100, 1)
        wait_until("the first line", lambda: values("Lines") == {"a": 1})
        push("b", 50, 5)
        wait_until("one of each", lambda: values("Lines") == {"a": 1, "b": 1})
        push("a", 5, 7)
        wait_until("two of a", lambda: values("Lines") == {"a": 2, "b": 1})
        wait_until("its counter rises", lambda: 0 < values("Counter").get("", 0) < 0.01)
        push("b", 3000, 2)
        wait_until("a late line", lambda: values("Lines") == {"a": 2, "b": 2})
        now = time.time_ns() // NS
        answer = server.request("POST", "/loki/api/v1/delete", {"query": '{app="x"}', "start": now - 1000, "end": now}, headers={"X-Scope-OrgID": "b"})
        equal(answer.status, 204, "delete")
        wait_until("a delete hides", lambda: values("Lines") == {"a": 2, "b": 1})


ALWAYS = """
groups:
- name: g
  interval: 1s
  rules:
  - {alert: Always, expr: vector(1), labels: {app: door}}
  - {alert: Quiet, expr: vector(1), labels: {app: quiet}}
"""


def tls_and_passwords_are_checked(directory):
    """Each wrong credential is told and delivers nothing; the right ones deliver."""
    webhook = Webhook()
    alertmanager = SecureAlertmanager(directory, webhook)
    good = {"tls_ca_path": "ca.pem", "tls_cert_path": "client.pem", "tls_key_path": "client.key", "tls_server_name": "alerts.example",
            "basic_auth_username": "skald", "basic_auth_password_file": "password"}
    wrong = {
        "another authority": ({"tls_ca_path": "other-ca.pem"}, "certificate"),
        "another name": ({"tls_server_name": "other.example"}, "other.example"),
        "no certificate of ours": ({"tls_cert_path": None, "tls_key_path": None}, ""),
        "another password": ({"basic_auth_password_file": "web.yml"}, "401"),
        "no password": ({"basic_auth_username": None, "basic_auth_password_file": None}, "401"),
    }

    def server_with(name, changes):
        client = {**good, **changes}
        lines = "".join(f"    {key}: {value if 'name' in key else os.path.join(directory, value)}\n"
                        for key, value in client.items() if value is not None)
        folder = os.path.join(directory, name.replace(" ", "-"))
        os.makedirs(folder)
        return make_server(folder, f"ruler:\n  alertmanager_url: 'https://127.0.0.1:{alertmanager.port}'\n  alertmanager_client:\n{lines}"
                           "  alert_relabel_configs:\n  - {source_labels: [alertname], regex: Quiet, action: drop}\n"
                           "  - {source_labels: [app], regex: (.*), target_label: place, replacement: the $1}\n", ALWAYS)

    with running(alertmanager):
        for name, (changes, text) in wrong.items():
            server = server_with(name, changes)
            with running(server):
                send = wait_until(f"an attempt with {name}", lambda: audit(server, "send"))[0]
                check(send["outcome"] in ("will retry", "refused") and text in json.dumps(send), f"{name}: {send}")
        equal(webhook.received, [], "deliveries with wrong credentials")
        server = server_with("the right ones", {})
        with running(server):
            at, alert = wait_until("the webhook has the alert", lambda: webhook.alerts("firing", "door"))[0]
            equal(alert["labels"], {"alertname": "Always", "app": "door", "place": "the door"}, "labels after relabelling")
            equal(webhook.alerts("firing", "quiet"), [], "alerts that relabelling drops")
    webhook.close()


# What a drill's short form changes in the shipped rules, so that none waits for minutes.
SHORTER = [("interval: 15s", "interval: 1s"), ("interval: 1m", "interval: 1s"), ("for: 2m", "for: 3s"), ("for: 5m", "for: 3s"),
           ('service="response-service"}[2m]', 'service="response-service"}[5s]')]


def drills_cause_what_they_name(directory):
    """All alerts of deploy/rules at once, each by its own drill."""
    server = make_server(directory, "", rules="")
    shipped = os.path.join(ROOT, "deploy", "rules")
    for name in os.listdir(shipped):
        if not name.endswith(".yaml"):
            continue
        with open(os.path.join(shipped, name), encoding="utf-8") as file:
            text = file.read()
        for old, new in SHORTER:
            text = text.replace(old, new)
        with open(os.path.join(server.data, "rules", "fake", name), "w", encoding="utf-8") as file:
            file.write(text)
    drill = os.path.join(shipped, "drill")
    names = ("vanished", "latency", "errors", "status", "crash", "login", "requests", "burn-1h", "burn-6h", "burn-1d", "burn-3d")
    with running(server):
        runs = {name: subprocess.Popen([sys.executable, drill, "--timeout", "90", f"--url=http://127.0.0.1:{server.port}", name],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name in names}
        for name, run in runs.items():
            output, _ = run.communicate(timeout=120)
            check(run.returncode == 0, f"drill {name}: {output}")
            print("  " + output.strip().replace("\n", "; "), flush=True)
        rules = [rule for group in server.get("/prometheus/api/v1/rules").json()["data"]["groups"] for rule in group["rules"]]
        equal(sorted(rule["name"] for rule in rules if rule["type"] == "alerting" and not rule["alerts"]), [], "alerts that no drill causes")


if __name__ == "__main__":
    tests = [files_and_api_change_rules_at_once, rules_of_several_tenants, drills_cause_what_they_name]
    if shutil.which("prometheus-alertmanager") and shutil.which("openssl"):
        tests += [tls_and_passwords_are_checked]
    if shutil.which("prometheus-alertmanager"):
        tests += [fires_through_alertmanager_and_a_kill, transitions_arrive_in_order_after_an_outage]
    if shutil.which("prometheus"):
        tests += [recordings_reach_prometheus]
    main(*tests)
