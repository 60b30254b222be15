#!/usr/bin/python3
"""deploy/run as a newcomer uses it: start, ask what it says to ask, start again with the data kept, stop."""
import os
import re
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import ROOT, check, free_port, main, wait_until  # noqa: E402


def run(environment, *arguments, timeout=280):
    began = time.monotonic()
    out = subprocess.run([os.path.join(ROOT, "deploy", "run"), *arguments], capture_output=True, text=True, env=environment,
                         timeout=timeout, check=False)
    check(out.returncode == 0, f"deploy/run {' '.join(arguments)}: {out.returncode}\n{out.stdout}\n{out.stderr}")
    return out.stdout, time.monotonic() - began


def count(environment):
    ctl = os.path.join(ROOT, "build", "release", "bin", "skaldctl")
    out = subprocess.run([ctl, "instant-query", "-o", "jsonl", 'sum(count_over_time({job="shop"}[1h]))'], capture_output=True, text=True,
                         env=environment, check=False)
    check(out.returncode == 0, out.stderr)
    found = re.search(r'"value":\[[^,]*,"(\d+)"\]', out.stdout)
    return int(found[1]) if found else 0


def from_nothing_to_an_answer(directory):
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "SKALD_VAR": os.path.join(directory, "var"), "SKALD_HTTP_LISTEN": address,
                   "SKALD_GRPC_LISTEN": f"127.0.0.1:{free_port()}", "SKALD_AGENT_HTTP_LISTEN": f"127.0.0.1:{free_port()}",
                   "SKALD_ADDR": f"http://{address}"}
    try:
        out, _ = run(environment)
        check(f"http://{address}" in out and "deploy/run --stop" in out, f"the address or the way to stop is missing:\n{out}")
        queries = [line.strip() for line in out.splitlines() if line.strip().startswith(("build/release/bin/skaldctl", "curl"))]
        check(len(queries) == 3, f"three queries to try:\n{out}")
        wait_until("the demo's lines are there", lambda: count(environment) > 20, timeout=60)
        for query in queries:
            done = subprocess.run(shlex.split(query), capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
            check(done.returncode == 0, f"{query}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        # Again, while it runs, and after a stop: fast, and nothing is lost.
        _, took = run(environment)
        check(took < 20, f"the second run took {took:.0f} s")
        before = count(environment)
        run(environment, "--stop")
        run(environment)
        check(count(environment) >= before, f"{before} lines before the stop, {count(environment)} after it")
    finally:
        stopped, _ = run(environment, "--stop")
    check("nothing of it runs any more" in stopped, stopped)
    status, _ = run(environment, "--status")
    check(status.count("does not run") == 3, status)


if __name__ == "__main__":
    main(from_nothing_to_an_answer)
