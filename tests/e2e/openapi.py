#!/usr/bin/python3
"""The document that describes the API, held to the server by schemathesis: no 5xx, no status, content type or form that it does not name.

schemathesis comes by name from PyPI into the build folder, once. Where pip cannot reach it, the test is skipped (77) and says why.
"""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, ROOT, Failure, Server, check, equal, main, running, seed  # noqa: E402

PLACE = os.path.join(os.path.dirname(BIN_DIR), "schemathesis-venv")
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance"]
# WebSockets have no answer that it could look at; http_api.py does.
LEFT_OUT = "/tail$"


def tool():
    program, done = os.path.join(PLACE, "bin", "schemathesis"), os.path.join(PLACE, "installed")
    if not os.path.exists(done):
        for command in ([sys.executable, "-m", "venv", PLACE], [os.path.join(PLACE, "bin", "python"), "-m", "pip", "install", "--quiet", "schemathesis"]):
            outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
            if outcome.returncode != 0:
                print(f"skipped: schemathesis cannot be installed: {(outcome.stderr or outcome.stdout).strip()[-300:]}")
                sys.exit(77)
        with open(done, "w", encoding="utf-8"):
            pass
    return program


def routes():
    """Paths that the source adds."""
    found = set()
    for folder, _, names in os.walk(os.path.join(ROOT, "server")):
        if "node_modules" in folder:
            continue
        for name in names:
            if name.endswith("_handlers.cc") or name.endswith("_handler.cc"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    found |= set(re.findall(r'"(/(?:loki|api/prom|otlp|skald|prometheus|v1|config|ready|metrics|services|log_level|flush)[^" ]*)"', file.read()))
    return found


def complete(directory):
    """Each path of the source is in the document, which the server gives as it lies there."""
    with open(os.path.join(ROOT, "server", "api", "openapi.json"), encoding="utf-8") as file:
        document = json.load(file)
    with running(Server(directory)) as server:
        answer = server.get("/skald/api/v1/openapi.json")
        equal((answer.status, answer.headers["Content-Type"]), (200, "application/json; charset=UTF-8"), "the answer")
        equal(answer.json(), document, "the document")
    # Prefixes are put together in loops.
    missing = sorted(path for path in routes() if path not in document["paths"] and not any(p.startswith(path + "/") for p in document["paths"]))
    equal(missing, [], "paths that the document does not name")


def held(directory):
    program, number = tool(), seed()
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": "a", "env": "p"}, [(now - n * NS, f"k={n} took={n}ms level=info", {"trace": f"t{n}"}) for n in range(100)]),
                        ({"app": "b"}, [(now - n * NS, json.dumps({"n": n, "user": {"id": n}})) for n in range(100)])])
        command = [program, "run", f"http://127.0.0.1:{server.port}/skald/api/v1/openapi.json", "--checks", ",".join(CHECKS), "--phases",
                   "examples,coverage,fuzzing", "--max-examples", os.environ.get("SKALD_SCHEMATHESIS_EXAMPLES", "5"), "--seed", str(number),
                   "--exclude-path-regex", LEFT_OUT, "--suppress-health-check", "all", "--warnings", "off", "--no-color"]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500, cwd=directory)
        check(server.alive(), f"the server died\n{server.log_tail()}")
        if outcome.returncode != 0:
            raise Failure(outcome.stdout[-6000:] + outcome.stderr[-2000:])
        summary = [line.strip() for line in outcome.stdout.splitlines() if re.search(r"passed|Operations:|generated|No issues", line)]
        print("; ".join(summary), flush=True)


if __name__ == "__main__":
    main(complete, held)
