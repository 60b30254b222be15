#!/usr/bin/python3
"""The chart and the plain manifests: helm's own judgement, a real kube-apiserver that takes each object with strict validation, the rights
of the agent as that apiserver sees them, and the programs with the settings and rights that the manifests give them."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
import kube_apiserver  # noqa: E402
from go_tools import installed, module_directory, or_skip  # noqa: E402
from harness import NS, ROOT, Agent, Server, check, equal, main, running, wait_until  # noqa: E402

FOLDER = os.path.join(ROOT, "deploy", "kubernetes")
CHART = os.path.join(FOLDER, "chart")
OPERATOR = ("github.com/prometheus-operator/prometheus-operator", "v0.78.2")
CRD = "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
# Ways to set the chart that change what it renders.
VARIANTS = {
    "default": [],
    "watched": ["--set", "serviceMonitor.enabled=true", "--set", "serviceMonitor.labels.release=monitoring"],
    "server alone": ["--set", "agent.enabled=false", "--set", "networkPolicy.enabled=false", "--set", "server.podDisruptionBudget.enabled=false"],
    "everything": ["--set", "serviceMonitor.enabled=true", "--set", "agent.readFilesOfOthers=true", "--set", "agent.watchPods=false", "--set-json",
                   'agent.extraHostPaths=["/var/lib/docker/containers"]', "--set-json", 'server.env=[{"name":"SKALD_LOG_LEVEL","value":"debug"}]',
                   "--set-json", 'agent.env=[{"name":"SKALD_LOG_LEVEL","value":"debug"}]', "--set-json", 'agent.podLabels={"team":"core"}',
                   "--set-json", 'server.podAnnotations={"a/b":"c"}', "--set-json", 'server.nodeSelector={"disk":"fast"}', "--set",
                   "server.storage.className=fast", "--set", "server.priorityClassName=high", "--set", "agent.priorityClassName=high",
                   "--set-json", 'server.rules={"shop":{"groups":[{"name":"shop","rules":[]}]}}', "--set-json",
                   'networkPolicy.serverEgress=[{"to":[{"ipBlock":{"cidr":"192.0.2.0/24"}}]}]', "--set-json", 'imagePullSecrets=[{"name":"pull"}]'],
}
PATHS = {
    "Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts", "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services", "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets", "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies", "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
}


def helm(*arguments):
    program = or_skip(installed, "helm.sh/helm/v3/cmd/helm", "v3.16.4")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def objects(text):
    """[(kind, name, YAML)] of several documents."""
    found = []
    for part in re.split(r"^---$", text, flags=re.M):
        kind = re.search(r"^kind: (\S+)", part, re.M)
        if kind:
            found.append((kind[1], re.search(r"^  name: (\S+)", part, re.M)[1], part))
    return found


def rendered(namespace, *values):
    return objects(helm("template", "skald", CHART, "--namespace", namespace, "--kube-version", "1.31.0", *values))


def the_chart_is_sound(_):
    for name, values in VARIANTS.items():
        print(name, helm("lint", "--strict", CHART, *values).strip().splitlines()[-1], flush=True)
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.strip().startswith("#")]
    check(len(lines) < 200, f"{len(lines)} values")
    with open(os.path.join(FOLDER, "skald.yaml"), encoding="utf-8") as file:
        kept = file.read()
    program = or_skip(installed, "helm.sh/helm/v3/cmd/helm", "v3.16.4")
    made = subprocess.run([os.path.join(FOLDER, "render"), "--print"], capture_output=True, text=True, check=True, env={**os.environ, "HELM": program}).stdout
    equal(kept, made, "skald.yaml is what deploy/kubernetes/render makes of the chart")


def an_apiserver_takes_every_object(directory):
    reason = kube_apiserver.missing()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    with open(os.path.join(or_skip(module_directory, *OPERATOR), CRD), encoding="utf-8") as file:
        crd = file.read()
    with open(os.path.join(FOLDER, "skald.yaml"), encoding="utf-8") as file:
        plain = objects(file.read())
    with kube_apiserver.running(directory) as api:
        status, answer = api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd, "application/yaml")
        equal(status, 201, f"the operator's definition: {answer}")
        wait_until("ServiceMonitors are known", lambda: api.request("GET", PATHS["ServiceMonitor"].format("default"))[0] == 200)

        def create(kind, text, namespace):
            return api.request("POST", PATHS[kind].format(namespace) + "?fieldValidation=Strict", text, "application/yaml")

        made = {}
        for i, (variant, parts) in enumerate([("plain", plain), *((name, None) for name in VARIANTS)]):
            namespace = "skald" if variant == "plain" else f"variant-{i}"
            if parts is None:
                parts = rendered(namespace, *VARIANTS[variant])
                equal(create("Namespace", f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n", "")[0], 201, namespace)
            for kind, name, text in parts:
                status, answer = create(kind, text, namespace)
                equal(status, 201, f"{variant}: {kind} {name}: {answer}")
                made[variant, kind, name] = answer
            print(f"{variant}: {len(parts)} objects taken", flush=True)
        kinds = {kind for _, kind, _ in made}
        equal(kinds, set(PATHS), "every kind of object was made")
        # The apiserver does look: a field that is none is refused.
        status, answer = create("Service", "apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec: {ports: [{port: 1}], prots: []}\n", "skald")
        check(status == 400 and "prots" in json.dumps(answer), f"a wrong field: {status} {answer}")

        # The server's pod fits the strictest of the pod security standards; the agent's needs the node's /var/log.
        for level in ("restricted", "privileged"):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": level, "labels": {"pod-security.kubernetes.io/enforce": level}}}
            equal(api.request("POST", PATHS["Namespace"], body)[0], 201, level)
        for kind, name, level, want in (("StatefulSet", "skald", "restricted", 201), ("DaemonSet", "skald-agent", "privileged", 201),
                                        ("DaemonSet", "skald-agent", "restricted", 403)):
            template = made["plain", kind, name]["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
            for claim in made["plain", kind, name]["spec"].get("volumeClaimTemplates", []):  # as the set's controller would
                volume = claim["metadata"]["name"]
                pod["spec"]["volumes"].append({"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{name}-0"}})
            status, answer = api.request("POST", f"/api/v1/namespaces/{level}/pods?dryRun=All&fieldValidation=Strict", pod)
            equal(status, want, f"a pod of {name} where {level}: {answer}")

        def may(verb, resource, group=""):
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                      "spec": {"user": "system:serviceaccount:skald:skald-agent",
                               "resourceAttributes": {"verb": verb, "resource": resource, "group": group, "namespace": "kube-system"}}}
            return api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[1]["status"]["allowed"]

        wait_until("the agent may list pods", lambda: may("list", "pods"))
        check(may("watch", "pods"), "the agent may not watch pods")
        for verb, resource in (("get", "secrets"), ("list", "secrets"), ("list", "configmaps"), ("delete", "pods"), ("create", "pods"),
                               ("get", "pods/log"), ("create", "pods/exec"), ("list", "nodes")):
            check(not may(verb, resource), f"the agent may {verb} {resource}")


def setting_of(parts, kind, name, key):
    """A file in a ConfigMap."""
    [text] = [text for k, n, text in parts if (k, n) == (kind, name)]
    body = re.search(rf"^  {re.escape(key)}: \|\n((?:    .*\n|\n)*)", text, re.M)
    return "".join(line[4:] if line.startswith("    ") else line for line in body[1].splitlines(keepends=True))


def arguments_of(parts, kind, name):
    [text] = [text for k, n, text in parts if (k, n) == (kind, name)]
    return re.findall(r"^            - (--\S+)$", text, re.M)


def the_programs_take_what_the_manifests_say(directory):
    with open(os.path.join(FOLDER, "skald.yaml"), encoding="utf-8") as file:
        parts = objects(file.read())
    server = Server(directory, config=setting_of(parts, "ConfigMap", "skald", "skald.yaml").replace("/etc/skald-rules", directory))
    mine = {a.split("=")[0] for a in server.arguments}
    given = arguments_of(parts, "StatefulSet", "skald")
    equal({a.split("=")[0] for a in given} - mine, {"--page-agents"}, "other arguments of the server")
    server.arguments += [a for a in given if a.startswith("--page-agents")]
    # A pod's log as kubelet writes it: root's alone.
    pods = os.path.join(directory, "log", "pods", "shop_checkout-5c689d88bb-abcde_11111111-2222-3333-4444-555555555555", "web")
    os.makedirs(pods)
    log = os.path.join(pods, "0.log")
    with open(log, "w", encoding="ascii") as file:
        file.write(time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime()) + " stdout F hello from a pod\n")
    os.chmod(log, 0o600)
    config = setting_of(parts, "ConfigMap", "skald-agent", "agent.yaml")
    check("kubernetes_sd_configs" in config, config)
    given = arguments_of(parts, "DaemonSet", "skald-agent")
    equal(sorted(a.split("=")[0] for a in given), ["--config", "--http-listen", "--server", "--state-dir"], "arguments of the agent")
    agent = Agent(directory, config, flags=[f"--server=127.0.0.1:{server.grpc_port}"])
    checked = subprocess.run([*agent.arguments, "--dry-run"], capture_output=True, text=True, check=False, timeout=60)
    equal(checked.returncode, 0, f"the agent with the chart's settings: {checked.stderr}")
    if os.geteuid() != 0:
        print("not root: the agent's rights are not tried")
        return
    agent = Agent(directory, f"scrape_configs: [{{job_name: pods, static_configs: [{{labels: {{__path__: '{directory}/log/pods/*/*/*.log'}}}}]}}]\n",
                  name="least", flags=[f"--server=127.0.0.1:{server.grpc_port}"])
    # As the DaemonSet has it: root without a capability, and none to be had.
    agent.arguments = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *agent.arguments]
    with running(server), running(agent):
        wait_until("the pod's line is there", lambda: server.lines('{namespace="shop"} |= "hello from a pod"', time.time_ns() - 3600 * NS, time.time_ns() + NS))
        with open(f"/proc/{agent.child.pid}/status", encoding="ascii") as file:
            check(re.search(r"^CapEff:\s*0+$", file.read(), re.M), "the agent has a capability")


if __name__ == "__main__":
    main(the_chart_is_sound, the_programs_take_what_the_manifests_say, an_apiserver_takes_every_object)
