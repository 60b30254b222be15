#!/usr/bin/python3
"""Compares a fresh server with the recorded answers of a real Loki, and keeps what was reached from being lost.

The recordings are no part of this repository: they are looked for in ../shared/conformance beside it, or in SKALD_CONFORMANCE.
`minimum` holds the number of cases that must pass; `groups` the groups of which every case must pass.
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


def check_case(directory):
    minimum, required = int(words("minimum")[0]), words("groups")
    server = Server(directory, CONFIG)
    try:
        server.start()
        print(compare("push", "--addr", f"http://127.0.0.1:{server.port}").strip())
        out = compare("check", "--addr", f"http://127.0.0.1:{server.port}")
        print(out)
        check(server.alive(), "the server died of it")
    finally:
        server.kill()
    passed = re.search(r"^(\d+) passed, \d+ failed$", out, re.M)
    check(passed, "the comparison did not finish")
    groups = {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r"^(\S+) +(\d+) of (\d+)$", out, re.M)}
    for group in required:
        good, total = groups.get(group, (0, -1))
        check(good == total, f"group {group}: {good} of {total}, all must pass")
    if int(passed[1]) < minimum:
        raise Failure(f"{passed[1]} passed, at least {minimum} must")
    print(f"{passed[1]} passed, the minimum is {minimum}")


if __name__ == "__main__":
    main(check_case)
