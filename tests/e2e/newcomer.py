#!/usr/bin/python3
"""Someone who has never seen it, with nothing but README: from a clone to the first answer, the first alert and the first dashboard query.
The commands are README's own, in its order; each step is timed and logged.

By default in a fresh clone on this machine, with the programs that are built already (so that the test takes a minute):

  tests/e2e/newcomer.py

On a bare Debian 12, made by debootstrap, with everything from README's first command on (needs root and Debian's mirror; takes as long as
the build does):

  tests/e2e/newcomer.py --bare DIRECTORY              all of it
  tests/e2e/newcomer.py --bare DIRECTORY --programs   packages and configuration as README has them, then the programs that are built already

The steps are in DIRECTORY/newcomer.log as well.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import docs  # noqa: E402
from harness import BIN_DIR, NS, ROOT, check, free_port, main, wait_until  # noqa: E402


class Steps:
    def __init__(self, log=None):
        self.began = self.last = time.monotonic()
        self.log = log

    def done(self, what):
        now = time.monotonic()
        line = f"{now - self.began:8.1f} s  (+{now - self.last:6.1f} s)  {what}"
        print(line, flush=True)
        if self.log:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        self.last = now


def commands():
    """README's blocks: [text]."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    return [block for mark, _, block in docs.BLOCK.findall(text)]


class Machine:
    """Runs README's commands in a clone, on this machine or in a Debian of its own."""

    def __init__(self, clone, environment, root=None):
        self.clone = clone
        self.environment = environment
        self.root = root

    def run(self, text, timeout=7200):
        command = ["bash", "-euo", "pipefail", "-c", f"cd {self.clone}\n{text}"]
        if self.root:
            command = ["chroot", self.root, *command]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False)
        check(done.returncode == 0, f"{text}\nended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout


def clone_here(directory):
    """A clone of what is committed. The programs and what they were built of are those that are there: building is not what is tried here."""
    clone = os.path.join(directory, "skald")
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    tools = os.path.join(directory, "tools")
    place_programs(clone, tools)
    with open(os.path.join(clone, "build", "release", "CMakeCache.txt"), "w", encoding="ascii"):
        pass
    return clone, tools


def place_programs(clone, tools):
    """The programs that are built, and a ninja that finds nothing to do."""
    place = os.path.join(clone, "build", "release", "bin")
    os.makedirs(place, exist_ok=True)
    for program in ("skald", "skald-agent", "skaldctl"):
        shutil.copy(os.path.join(BIN_DIR, program), place)
    os.makedirs(tools)
    with open(os.path.join(tools, "ninja"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho 'ninja: no work to do.'\n")
    os.chmod(os.path.join(tools, "ninja"), 0o755)


def ask(address, path, **params):
    with urllib.request.urlopen(f"http://{address}{path}?{urllib.parse.urlencode(params)}", timeout=30) as answer:
        return json.load(answer)


def dashboard_query(address):
    """The first log panel's query of the dashboard of log volumes, as Grafana would ask it: whether it shows anything."""
    [path] = glob.glob(os.path.join(ROOT, "deploy", "grafana", "dashboards", "log-volume.json"))
    with open(path, encoding="utf-8") as file:
        board = json.load(file)
    expr = next(t["expr"] for p in board["panels"] for t in p["targets"] if t["datasource"]["type"] == "loki")
    values = {v["name"]: ".+" for v in board["templating"]["list"] if v["type"] == "query"}
    expr = re.sub(r"\$\{?(\w+)\}?", lambda m: {"__auto": "1m", "__interval": "1m", "__range": "1h", **values}.get(m[1], ""), expr)
    now = time.time_ns()
    return expr, bool(ask(address, "/loki/api/v1/query_range", query=expr, start=now - 3600 * NS, end=now, step=60)["data"]["result"])


def walk(machine, address, places, steps):
    blocks = [docs.placed(text, places) for text in commands()]
    start = next(text for text in blocks if "deploy/run" in text)
    queries = [text for text in blocks if "skaldctl labels" in text or "query_range" in text]
    [alert] = [text for text in blocks if "alert:" in text]
    check(len(queries) == 2, "README has lost its first queries")
    machine.run(start)
    steps.done("deploy/run: everything runs")
    try:
        wait_until("a first line", lambda: ask(address, "/loki/api/v1/query", query='sum(count_over_time({app="checkout"}[10m]))')["data"]["result"],
                   timeout=120)
        for text in queries:
            machine.run(text)
        steps.done("the first answers: README's first queries")
        machine.run(alert)
        steps.done("the rule is written and checked")

        def firing():
            return [a for a in ask(address, "/prometheus/api/v1/alerts")["data"]["alerts"] if a["state"] == "firing" and a["labels"]["alertname"] == "ManyErrors"]

        # The shop has a bad moment some twenty seconds after its start, and then every few minutes.
        wait_until("the first alert fires", firing, timeout=400, pause=1)
        steps.done("the first alert fires")
        expr = [""]

        def shown():
            expr[0], found = dashboard_query(address)
            return found

        wait_until("the first dashboard panel shows something", shown, timeout=60, pause=1)
        steps.done(f"the first dashboard query: {expr[0]}")
    finally:
        machine.run("deploy/run --stop")
    steps.done("stopped")


def from_a_clone_to_an_alert(directory):
    clone, tools = clone_here(directory)
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "PATH": tools + os.pathsep + os.environ["PATH"], "SKALD_HTTP_LISTEN": address,
                   "SKALD_GRPC_LISTEN": f"127.0.0.1:{free_port()}", "SKALD_AGENT_HTTP_LISTEN": f"127.0.0.1:{free_port()}", "SKALD_ADDR": f"http://{address}"}
    walk(Machine(clone, environment), address, {"127.0.0.1:3100": address}, Steps())


CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def bare(directory, programs):
    """A Debian 12 with nothing but what debootstrap puts there, and git to clone with."""
    check(os.geteuid() == 0, "debootstrap needs root")
    check(shutil.which("debootstrap") is not None, "debootstrap is not installed")
    root = os.path.abspath(directory)
    os.makedirs(root, exist_ok=True)
    steps = Steps(os.path.join(root, "newcomer.log"))
    if not os.path.exists(os.path.join(root, "etc", "debian_version")):
        subprocess.run(["debootstrap", "--variant=minbase", "--include=git,ca-certificates,procps", "bookworm", root], check=True, stdout=subprocess.DEVNULL)
    # What is true of this machine's network: a proxy may sign with certificates of its own.
    for name in ("etc/resolv.conf", "etc/hosts", CERTIFICATES):
        shutil.copy("/" + name, os.path.join(root, name))
    steps.done("a bare Debian 12")
    shutil.rmtree(os.path.join(root, "root", "skald"), ignore_errors=True)
    subprocess.run(["git", "clone", "-q", ROOT, os.path.join(root, "root", "skald")], check=True)
    steps.done("git clone")
    mounts = ("proc", "dev", "sys")
    for name in mounts:
        subprocess.run(["mount", "--bind", "/" + name, os.path.join(root, name)], check=True)
    address = f"127.0.0.1:{free_port()}"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "NODE_EXTRA_CA_CERTS": f"/{CERTIFICATES}",
                   "SKALD_HTTP_LISTEN": address, "SKALD_GRPC_LISTEN": f"127.0.0.1:{free_port()}", "SKALD_AGENT_HTTP_LISTEN": f"127.0.0.1:{free_port()}", "SKALD_ADDR": f"http://{address}"}
    environment.update({k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")})
    machine = Machine("/root/skald", environment, root)
    try:
        if programs:
            machine.run("deploy/install-packages build")
            steps.done("packages")
            machine.run("cmake --preset release -DSKALD_TESTS=OFF -DSKALD_BENCHMARKS=OFF")
            steps.done("configured; the programs are not built but put there")
            place_programs(os.path.join(root, "root", "skald"), os.path.join(root, "root", "tools"))
            environment["PATH"] = "/root/tools:" + environment["PATH"]
        walk(machine, address, {"127.0.0.1:3100": address}, steps)
    finally:
        for name in reversed(mounts):
            subprocess.run(["umount", os.path.join(root, name)], check=False)


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--bare":
        bare(sys.argv[2], "--programs" in sys.argv)
    else:
        main(from_a_clone_to_an_alert)
