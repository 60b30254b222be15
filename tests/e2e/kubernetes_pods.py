#!/usr/bin/python3
"""Labels of pods from a real kube-apiserver, with a network between that breaks and hangs: logs are read whether it answers or not, and a restart without it
makes the same streams."""
import os
import select
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
import kube_apiserver  # noqa: E402
from harness import NS, Agent, Server, equal, main, running, wait_until  # noqa: E402

NAMESPACE = "shop"


class Network(threading.Thread):
    """Hands bytes on to a port; cut, nobody gets through; held, connections stay and nothing moves."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.to = port
        self.mode = self.applied = "open"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = {}

    def set(self, mode):
        self.mode = mode
        wait_until(f"the network is {mode}", lambda: self.applied == mode)

    def run(self):
        while True:
            mode = self.mode
            if mode == "cut":
                for one in list(self.pairs):
                    one.close()
                self.pairs.clear()
            held = mode == "held"
            self.applied = mode
            ready = select.select([self.listener, *([] if held else self.pairs)], [], [], 0.02)[0]
            for one in ready:
                if one is self.listener:
                    client = self.listener.accept()[0]
                    if mode == "cut":
                        client.close()
                        continue
                    server = socket.create_connection(("127.0.0.1", self.to))
                    self.pairs[client], self.pairs[server] = server, client
                elif one in self.pairs:
                    other = self.pairs[one]
                    try:
                        data = one.recv(65536)
                        if data:
                            other.sendall(data)
                            continue
                    except OSError:
                        pass
                    for end in (one, other):
                        self.pairs.pop(end, None)
                        end.close()


def agent_config(server, network, pods):
    return f"""\
server: {{address: 127.0.0.1:{server.grpc_port}}}
discovery: {{pods_directory: {pods}, metadata_wait: 1s, log_switches: "exclude,pipeline"}}
scrape_configs:
  - job_name: masked
    pipeline_stages: [{{replace: {{expression: '(card)', replace: '***'}}}}]
  - job_name: pods
    kubernetes_sd_configs:
      - role: pod
        api_server: https://127.0.0.1:{network.port}
        authorization: {{credentials: {kube_apiserver.TOKEN}}}
        tls_config: {{insecure_skip_verify: true}}
    pipeline_stages: [{{cri: {{}}}}]
    relabel_configs:
      - {{source_labels: [__meta_kubernetes_pod_controller_name], target_label: app}}
      - {{source_labels: [__meta_kubernetes_pod_label_app], regex: (.+), target_label: app}}
      - {{source_labels: [__meta_kubernetes_pod_annotation_team], regex: (.+), target_label: team}}
      - {{source_labels: [__meta_kubernetes_namespace], target_label: namespace}}
      - {{source_labels: [__meta_kubernetes_pod_annotation_quiet], regex: 'yes', action: drop}}
"""


def labels_come_and_stay(directory):
    pods = f"{directory}/pods"
    os.makedirs(pods)
    with kube_apiserver.running(directory) as api:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        equal(api.request("POST", "/api/v1/namespaces", body)[0], 201, "namespace")
        uids = {}

        def make(name, app, node="n1", **annotations):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}, "annotations": annotations},
                   "spec": {"nodeName": node, "containers": [{"name": "main", "image": "none"}]}}
            status, answer = api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", pod)
            equal(status, 201, f"pod {name}: {answer}")
            uids[name] = answer["metadata"]["uid"]

        def log(name, line):
            folder = f"{pods}/{NAMESPACE}_{name}_{uids[name]}/main"
            os.makedirs(folder, exist_ok=True)
            now = time.time_ns()
            with open(f"{folder}/0.log", "a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // NS))}.{now % NS:09d}Z stdout F {line}\n")

        make("web-5d9c7b8f6c-x2x4z", "storefront", team="blue")
        make("quiet-0", "quiet", quiet="yes")
        make("off-0", "off", **{"logs.skald.io/exclude": "true"})
        make("shop-0", "shop", **{"logs.skald.io/pipeline": "masked", "logs.skald.io/tenant": "not allowed"})
        make("elsewhere", "elsewhere", node="n2")
        log("web-5d9c7b8f6c-x2x4z", "before")
        log("quiet-0", "never")
        log("off-0", "switched off")
        log("shop-0", "by card.")
        network = Network(api.port)
        network.start()
        server = Server(directory)
        with running(server):
            def app_of(line):
                now = time.time_ns()
                answer = server.query_range(f'{{namespace="{NAMESPACE}"}} |= "{line}"', now - 3600 * NS, now + NS)
                found = [stream["stream"] for stream in answer.json()["data"]["result"]]
                return (found[0]["app"], found[0].get("team"), len(found)) if found else None

            agent = Agent(directory, agent_config(server, network, pods), flags=["--node-name=n1"])
            with running(agent):
                wait_until("a line of a pod that was there", lambda: app_of("before"))
                equal(app_of("before"), ("storefront", "blue", 1), "its labels")
                wait_until("a line through the stages that its pod asks for", lambda: app_of("by ***."))
                make("db-0", "database")
                log("db-0", "made later")
                wait_until("a line of a new pod", lambda: app_of("made later"))
                equal(app_of("made later"), ("database", None, 1), "its labels")

                for mode in ("cut", "held"):
                    network.set(mode)
                    name = f"{mode}-5d9c7b8f6c-x2x4z"
                    make(name, f"{mode}-app")
                    log(name, f"while {mode}")
                    wait_until(f"a line while the network is {mode}", lambda: app_of(f"while {mode}"))
                    equal(app_of(f"while {mode}"), (mode, None, 1), "labels of the path")
                    log("db-0", f"known while {mode}")
                    wait_until("a line of a known pod", lambda: app_of(f"known while {mode}"))
                    equal(app_of(f"known while {mode}"), ("database", None, 1), "labels known before")
                    network.set("open")
                    lines = []

                    def labelled():
                        lines.append(f"after {mode} {len(lines)}.")
                        log(name, lines[-1])
                        wait_until("a line", lambda: app_of(lines[-1]))
                        return app_of(lines[-1])[0] == f"{mode}-app"

                    wait_until(f"labels when the network is no longer {mode}", labelled, timeout=90, pause=0.3)

                # Without the API from the start, streams are the same.
                network.set("cut")
                agent.stop()
                agent.start()
                log("web-5d9c7b8f6c-x2x4z", "restarted")
                wait_until("a line after the restart", lambda: app_of("restarted"))
                equal(app_of("restarted"), ("storefront", "blue", 1), "labels after a restart without the API")
                network.set("open")
                # A pod that is gone: its last line has its labels.
                equal(api.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/db-0?gracePeriodSeconds=0")[0], 200, "delete")
                log("db-0", "last words")
                wait_until("its last line", lambda: app_of("last words"))
                equal(app_of("last words"), ("database", None, 1), "its labels")
                equal(app_of("never"), None, "what an annotation says to leave")
                equal(app_of("switched off"), None, "what an annotation switches off")


reason = kube_apiserver.missing()
if reason:
    print(f"skipped: {reason}")
    sys.exit(77)
main(labels_come_and_stay)
