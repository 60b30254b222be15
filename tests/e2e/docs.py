#!/usr/bin/python3
"""Every command in README.md and docs/: each ```sh block is run, in the page's order, against a server with an agent and the demo shop.

Above a block may stand <!-- not run: why --> or <!-- needs: program -->; a block without either is run and must succeed. Addresses and places
of the pages are replaced by the test's own, so that nothing else on the machine is met."""
import glob
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
from go_tools import CACHE  # noqa: E402
from harness import BIN_DIR, ROOT, Agent, Process, Server, check, free_port, main, running, wait_until  # noqa: E402

BLOCK = re.compile(r"(?:^<!-- (not run|needs): ([^\n]*?) ?-->\n)?^```sh\n(.*?)^```$", re.M | re.S)


def helm_directory():
    """Where a helm is that other tests have built, "" if nowhere."""
    found = glob.glob(os.path.join(CACHE, "helm-*", "helm"))
    return os.path.dirname(found[0]) if found else ""


def pages():
    return [os.path.join(ROOT, "README.md"), *sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))]


def blocks(path):
    """[(mark, its text, commands)]"""
    with open(path, encoding="utf-8") as file:
        return BLOCK.findall(file.read())


def placed(text, places):
    """The block with the test's own places; a live tail, which never ends, is ended after some seconds."""
    text = re.sub("|".join(re.escape(old) for old in sorted(places, key=len, reverse=True)), lambda m: places[m[0]], text)
    return re.sub(r"^(\s*(?:\S*/)?skaldctl tail .*)$", r"{ timeout 4 \1 || [ $? = 124 ]; }", text, flags=re.M)


def every_command_runs(directory):
    logs = os.path.join(directory, "logs")
    os.makedirs(logs)
    server = Server(directory)
    agent = Agent(directory, f"server: {{address: 127.0.0.1:{server.grpc_port}}}\nscrape_configs:\n" + "".join(
        f"  - {{job_name: {app}, static_configs: [{{labels: {{job: shop, app: {app}, __path__: '{logs}/{app}.log'}}}}]}}\n"
        for app in ("checkout", "payments", "access")))
    shop = Process("shop", [sys.executable, os.path.join(ROOT, "deploy", "demo", "shop.py"), logs, "--rate", "60"], os.path.join(directory, "shop.log"))
    own = os.path.join(directory, "tmp")
    os.makedirs(own)
    places = {"http://127.0.0.1:3100": f"http://127.0.0.1:{server.port}", "127.0.0.1:3100": f"127.0.0.1:{server.port}",
              "127.0.0.1:9095": f"127.0.0.1:{server.grpc_port}", "3200": str(free_port()), "9195": str(free_port()), "9180": str(free_port()),
              "build/release/bin/": BIN_DIR + "/", "var/data": server.data, "/tmp/": own + "/"}
    ran = skipped = 0
    with running(server), running(agent), running(shop):
        environment = {**os.environ, "PATH": os.pathsep.join([BIN_DIR, os.environ["PATH"], helm_directory()]), "SKALD_ADDR": f"http://127.0.0.1:{server.port}"}
        wait_until("the shop's lines are there, an error among them", lambda: all(
            server.get("/loki/api/v1/query", {"query": f'sum(count_over_time({selector}[10m]))'}).json()["data"]["result"]
            for selector in ('{app="checkout"} |= "failed"', '{app="payments"}', '{app="access"}')), timeout=120)
        for path in pages():
            name = os.path.relpath(path, ROOT)
            for mark, reason, text in blocks(path):
                if mark == "not run" or (mark == "needs" and shutil.which(reason, path=environment["PATH"]) is None):
                    skipped += 1
                    print(f"skip  {name}: {text.splitlines()[0]}: {mark} {reason}", flush=True)
                    continue
                began = time.monotonic()
                done = subprocess.run(["bash", "-euo", "pipefail", "-c", placed(text, places)], cwd=ROOT, env=environment, capture_output=True, text=True,
                                      timeout=120, check=False)
                check(done.returncode == 0, f"{name}: ended with {done.returncode}:\n{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
                check("not found" not in done.stderr, f"{name}:\n{text}\n{done.stderr[-2000:]}")
                ran += 1
                print(f"ok    {name}: {text.splitlines()[0]}  {time.monotonic() - began:.1f} s", flush=True)
    print(f"{ran} blocks run, {skipped} not", flush=True)


def every_link_leads_somewhere(_):
    for path in pages():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not re.match(r"\w+:", target):
                check(os.path.exists(os.path.join(os.path.dirname(path), target)), f"{os.path.relpath(path, ROOT)}: {target} is not there")


if __name__ == "__main__":
    main(every_command_runs, every_link_leads_somewhere)
