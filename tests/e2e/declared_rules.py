#!/usr/bin/python3
"""Alerts that services declare, whoever tells of them: labels of containers and of Swarm's services, annotations of pods, meta of Nomad's jobs, and what a swarm
listener sends. For each of them: a rule within 2 s, changed and removed with its service, what fires of it resolved, all there after kill -9 of both programs."""
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, ROOT, Agent, check, equal, main, running, wait_until  # noqa: E402
from rules import Errors, audit, make_server  # noqa: E402

TESTING = os.path.join(ROOT, "agent", "testing")
ERRORS = 'sum(count_over_time($selector |= "error" [10m])) > 0'


def rules(server):
    return {rule["name"]: rule for group in server.get("/prometheus/api/v1/rules").json()["data"]["groups"] for rule in group["rules"]}


def within(what, condition):
    """Prints how long it took: two seconds are promised on a machine that has time for it."""
    began = time.monotonic()
    wait_until(what, condition, pause=0.02)
    print(f"  {what}: {time.monotonic() - began:.2f} s", flush=True)


def resolved(server, alert):
    return [line for line in audit(server, "transition") if line["alert"] == alert and line["from"] == "firing" and line["to"] == "inactive"]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".tmp", path)


class Double:
    """A program of agent/testing, with its state in a file."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(TESTING, name), *arguments], stdout=subprocess.PIPE, text=True)

    def read_line(self):
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Containers:
    """Labels of containers, as config.v2.json beside their logs has them."""
    names = {"api": "shop_api", "web": "web"}
    selectors = {"api": '{compose_project="shop", compose_service="api"}', "web": '{container="web"}'}

    def __init__(self, directory):
        self.directory = os.path.join(directory, "containers")
        os.makedirs(self.directory)

    def agent_config(self):
        return f"discovery: {{docker_directory: {self.directory}}}\nscrape_configs:\n- job_name: d\n  docker_sd_configs: [{{host: tcp://nowhere:1}}]\n", ()

    def folder(self, name):
        return os.path.join(self.directory, hashlib.sha256(name.encode()).hexdigest())

    def add(self, name, labels):
        more = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"} if name == "api" else {}
        self.write(name, "shop-api-1" if name == "api" else name, {**labels, **more})

    def write(self, name, container, labels):
        folder = self.folder(name)
        number = os.path.basename(folder)
        write(os.path.join(folder, "config.v2.json"), json.dumps({"ID": number, "Name": "/" + container, "Config": {"Image": "shop", "Labels": labels}}))
        with open(os.path.join(folder, f"{number}-json.log"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"log": "an error\n", "stream": "stdout", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}) + "\n")

    def remove(self, name):
        shutil.rmtree(self.folder(name))

    def close(self):
        pass


class SwarmServices(Containers):
    """Labels of Swarm's services, which their containers do not have, as a manager's socket tells of them."""
    names = {"api": "shop_api", "web": "shop_web"}
    selectors = {"api": '{container=~"shop_api\\\\..+"}', "web": '{container=~"shop_web\\\\..+"}'}

    def __init__(self, directory):
        super().__init__(directory)
        self.state, self.socket, self.services = os.path.join(directory, "docker.json"), os.path.join(directory, "docker.sock"), {}
        self.tell()
        self.double = Double("docker_double.py", self.socket, self.state)
        wait_until("Docker's socket", lambda: os.path.exists(self.socket))

    def agent_config(self):
        text, flags = super().agent_config()
        return text, (*flags, f"--docker-socket={self.socket}")

    def tell(self):
        write(self.state, json.dumps({"containers": [], "services": [
            {"ID": name, "Spec": {"Name": self.names[name], "Labels": labels}} for name, labels in self.services.items()]}))

    def add(self, name, labels):
        service = self.names[name]
        self.write(name, f"{service}.1.k3j4h5", {"com.docker.swarm.service.name": service})
        self.services[name] = labels
        self.tell()

    def remove(self, name):
        del self.services[name]
        self.tell()
        super().remove(name)

    def close(self):
        self.double.close()


class Pods:
    """Annotations of pods, as the API server tells of them."""
    names = {"api": "prod/api", "web": "prod/web"}
    selectors = {name: f'{{namespace="prod", app="{name}"}}' for name in names}

    def __init__(self, directory):
        self.directory, self.pods = directory, os.path.join(directory, "pods")
        self.double = Double("kubernetes_double.py", directory)
        self.url = f"https://127.0.0.1:{self.double.read_line()}"
        write(os.path.join(directory, "token"), "t1")

    def agent_config(self):
        return (f"discovery: {{pods_directory: {self.pods}, docker_directory: {self.directory}/none}}\nscrape_configs:\n- job_name: p\n  kubernetes_sd_configs:\n"
                f"  - role: pod\n    api_server: {self.url}\n    bearer_token_file: {self.directory}/token\n    tls_config: {{ca_file: {self.directory}/ca.crt}}\n",
                ("--node-name=n1",))

    def control(self, command):
        context = ssl.create_default_context(cafile=os.path.join(self.directory, "ca.crt"))
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/control", data=json.dumps(command).encode()), context=context):
            pass

    def add(self, name, labels):
        self.control({"put": {"metadata": {"uid": f"u-{name}", "name": f"{name}-1", "namespace": "prod", "labels": {"app": name}, "annotations": labels},
                              "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "i"}]}, "status": {"phase": "Running"}}})
        log = os.path.join(self.pods, f"prod_{name}-1_u-{name}", "main", "0.log")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(time.strftime("%Y-%m-%dT%H:%M:%S.0Z", time.gmtime()) + " stdout F an error\n")

    def remove(self, name):
        self.control({"delete": f"u-{name}"})

    def close(self):
        self.double.close()


class NomadJobs:
    """Meta of jobs, as the API of the node's Nomad tells of them."""
    names = {"api": "api", "web": "web"}
    selectors = {name: f'{{nomad_job="{name}", namespace="default"}}' for name in names}

    def __init__(self, directory):
        self.directory, self.jobs, self.index = os.path.join(directory, "alloc"), {}, 10
        self.state = os.path.join(directory, "nomad.json")
        self.tell()
        self.double = Double("nomad_double.py", self.state)
        self.port = self.double.read_line()

    def agent_config(self):
        return (f"discovery: {{docker_directory: {self.directory}/none}}\nscrape_configs:\n- job_name: nomad\n  nomad_sd_configs:\n"
                f"  - {{server: 'http://127.0.0.1:{self.port}', alloc_dir: {self.directory}}}\n", ())

    def tell(self):
        write(self.state, json.dumps({"node": "node-1", "allocations": [
            {"ID": f"id-{name}", "ModifyIndex": index, "Namespace": "default", "JobID": name, "TaskGroup": "main", "NodeID": "node-1", "ClientStatus": "running",
             "DesiredStatus": "run" if meta else "stop", "Job": {"ID": name, "Meta": meta, "TaskGroups": [{"Name": "main", "Tasks": [{"Name": "task"}]}]}}
            for name, (index, meta) in self.jobs.items()]}))

    def add(self, name, labels):
        self.index += 1
        self.jobs[name] = (self.index, labels)
        self.tell()
        log = os.path.join(self.directory, f"id-{name}", "alloc", "logs", "task.stdout.0")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write("an error\n")

    def remove(self, name):
        self.add(name, {})

    def close(self):
        self.double.close()


def declares(directory, kind):
    server = make_server(directory, "ruler: {evaluation_interval: 1s}\n", rules="")
    source = kind(directory)
    try:
        with running(server):
            text, flags = source.agent_config()
            config = f"server: {{address: 127.0.0.1:{server.grpc_port}}}\n{text}"
            alert = {name: "".join(c for c in service if c.isalnum()) + "errors" for name, service in source.names.items()}
            own = {"com.df.notify": "true", "com.df.alertName": "errors", "com.df.alertIf": ERRORS, "com.df.alertLabels": "severity=page"}
            source.add("api", own)
            agent = Agent(directory, config, flags=flags)
            with running(agent):
                wait_until("the rule is there", lambda: alert["api"] in rules(server))
                check(source.selectors["api"] in rules(server)[alert["api"]]["query"], str(rules(server)))
                wait_until("it finds the service's own lines", lambda: rules(server)[alert["api"]]["state"] == "firing")
                equal(rules(server)[alert["api"]]["alerts"][0]["labels"],
                      {"alertname": alert["api"], "severity": "page", "service_name": source.names["api"]}, "labels of the alert")
                source.add("api", {**own, "com.df.alertIf": "vector(2) > 1"})
                within("a changed label is a changed rule", lambda: rules(server)[alert["api"]]["query"].startswith("(vector(2"))
                source.add("web", {"skald.io/alert.errors.expr": ERRORS, "skald.io/alert.errors.severity": "page"})
                within("a new service's rule", lambda: alert["web"] in rules(server))
                check(source.selectors["web"] in rules(server)[alert["web"]]["query"], str(rules(server)))
                wait_until("it fires", lambda: rules(server)[alert["web"]]["state"] == "firing")
                source.remove("web")
                within("a rule goes with its service", lambda: alert["web"] not in rules(server))
                wait_until("and what fired is resolved", lambda: resolved(server, alert["web"]))
                # A restart of both, first one and then the other.
                agent.kill()
                server.kill()
            server.start()
            equal(list(rules(server)), [alert["api"]], "rules of the last word, with no agent there")
            with running(Agent(directory, config, flags=flags)):
                source.add("web", own)
                wait_until("the agent is heard again", lambda: alert["web"] in rules(server))
                equal(sorted(rules(server)), sorted(alert.values()), "rules after all restarts")
            source.remove("api")
            with running(Agent(directory, config, flags=flags)):
                wait_until("what went while no agent looked is gone", lambda: list(rules(server)) == [alert["web"]])
                wait_until("and resolved", lambda: resolved(server, alert["api"]))
    finally:
        source.close()


def containers(directory):
    declares(directory, Containers)


def swarm_services(directory):
    declares(directory, SwarmServices)


def pods(directory):
    declares(directory, Pods)


def nomad_jobs(directory):
    declares(directory, NomadJobs)


def swarm_listener(directory):
    """What a swarm listener sends makes, changes and removes rules at once; they are there after kill -9."""
    server = make_server(directory, "ruler: {evaluation_interval: 1s}\n", rules="")

    def call(what, **params):
        answer = server.request("GET", f"/v1/docker-flow-monitor/{what}?" + urllib.parse.urlencode(params))
        return answer.status, answer.json()

    with running(server):
        began = time.monotonic()
        status, answer = call("reconfigure", serviceName="go-demo_main", scrapePort="8080", distribute="true", **{
            "alertName": "errors", "alertIf": 'sum(count_over_time($selector |= "error" [1m])) > 0', "alertFor": "2s",
            "alertLabels": "severity=page", "alertAnnotations": "summary=Errors of go-demo",
            "alertName.1": "silent", "alertIf.1": "absent_over_time($selector[1h])"})
        equal((status, answer["Status"], [a["alertNameFormatted"] for a in answer["Alerts"]]),
              (200, 200, ["godemomainerrors", "godemomainsilent"]), "answer")
        rule = rules(server)["godemomainerrors"]
        print(f"  from the request to the rule {time.monotonic() - began:.3f} s", flush=True)
        check('{service_name="go-demo_main"}' in rule["query"], rule["query"])
        service = Errors(server, "go-demo_main")  # its streams get service_name from app
        wait_until("pending", lambda: rules(server)["godemomainerrors"]["state"] == "pending")
        server.kill()
        server.start()
        wait_until("firing after kill -9, with nobody reporting again", lambda: rules(server)["godemomainerrors"]["state"] == "firing")
        alert = rules(server)["godemomainerrors"]["alerts"][0]
        equal(alert["labels"], {"alertname": "godemomainerrors", "service_name": "go-demo_main", "severity": "page"}, "labels")
        service.stop()
        # In effect when the request is answered.
        equal(call("reconfigure", serviceName="go-demo_main", alertName="errors", alertIf="vector(2) > 1")[0], 200, "a change")
        equal(list(rules(server)), ["godemomainerrors"], "rules after the change")
        equal(rules(server)["godemomainerrors"]["query"], "(vector(2.000000) > 1)", "the changed rule")
        status, answer = call("reconfigure", serviceName="go-demo_main", alertName="errors", alertIf="up == 0")
        check(status == 400 and "com.df.alertIf" in answer["Message"] and "LogQL" in answer["Message"], str(answer))
        equal(rules(server)["godemomainerrors"]["query"], "(vector(2.000000) > 1)", "the rule beside a bad change")
        equal(call("reconfigure")[0], 400, "no service name")
        equal(call("ping")[0], 200, "ping")
        wait_until("firing", lambda: rules(server)["godemomainerrors"]["state"] == "firing")
        equal(call("remove", serviceName="go-demo_main")[0], 200, "removal")
        equal(rules(server), {}, "rules after the removal")
        line = wait_until("what fired is resolved", lambda: [
            line for line in audit(server, "transition") if line["to"] == "inactive" and line["from"] == "firing"])[-1]
        equal(line["alert"], "godemomainerrors", "the resolved alert")


if __name__ == "__main__":
    tests = [swarm_listener]
    if os.path.exists(os.path.join(BIN_DIR, "skald-agent")):
        tests += [containers, swarm_services, nomad_jobs]
        if shutil.which("openssl"):
            tests += [pods]
    main(*tests)
