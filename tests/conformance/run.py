#!/usr/bin/python3
"""Compares a fresh server with the recorded answers of a real Loki, and keeps what was reached from being lost.

The recordings are no part of this repository: they are looked for in ../shared/conformance beside it, or in SKALD_CONFORMANCE. There are three
sets, each asked of a server of its own: `main` (a corpus is pushed first), `push` and `examples` (they push what they ask for).
`minimum` holds how many cases of each set must pass; `groups` the groups of `main` of which every case must pass.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from harness import ROOT, Failure, Server, check, main  # noqa: E402

RECORDED = os.environ.get("SKALD_CONFORMANCE", os.path.join(ROOT, "..", "shared", "conformance"))
CONFIG = """\
auth_enabled: {tenants}
limits_config:
  max_query_series: 5000
  reject_old_samples: false
"""


def words(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return [word for line in file if not line.startswith("#") for word in line.split()]


def compare(*arguments):
    return subprocess.run([sys.executable, os.path.join(RECORDED, "conformance.py"), *arguments],
                          capture_output=True, text=True, check=False).stdout


def minimum_of(name):
    of = words("minimum")
    return int(of[of.index(name) + 1])


def check_set(directory, name, tenants=False):
    """The output of the comparison, which has passed as often as it must."""
    server = Server(directory, CONFIG.format(tenants=str(tenants).lower()))
    address = ["--addr", f"http://127.0.0.1:{server.port}"]
    try:
        server.start()
        if name == "main":
            print(compare("push", *address).strip())
        out = compare("check", *address, *(["--dir", os.path.join(RECORDED, name)] if name != "main" else []))
        print(out)
        check(server.alive(), "the server died of it")
    finally:
        server.kill()
    passed = re.search(r"^(\d+) passed, \d+ failed$", out, re.M)
    check(passed, "the comparison did not finish")
    minimum = minimum_of(name)
    if int(passed[1]) < minimum:
        raise Failure(f"{name}: {passed[1]} passed, at least {minimum} must")
    print(f"{name}: {passed[1]} passed, the minimum is {minimum}")
    return out


def check_main(directory):
    out = check_set(directory, "main")
    groups = {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r"^(\S+) +(\d+) of (\d+)$", out, re.M)}
    for group in words("groups"):
        good, total = groups.get(group, (0, -1))
        check(good == total, f"group {group}: {good} of {total}, all must pass")


def check_push(directory):
    check_set(directory, "push")


def check_examples(directory):
    check_set(directory, "examples", tenants=True)


if __name__ == "__main__":
    main(check_main, check_push, check_examples)
