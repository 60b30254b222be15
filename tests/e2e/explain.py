#!/usr/bin/python3
"""explain: the plan and the estimate before a query runs, and true counts after it, by API and by skaldctl."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, T0, Server, check, equal, main, running  # noqa: E402

RANGE = {"start": T0, "end": T0 + 3600 * NS}
COUNT = 'sum by (app) (count_over_time({env="prod"}[1h]))'
FILTER = '{env="prod"} |= "needle" | json | n > 5'


def explained(server, query, **params):
    answer = server.get("/skald/api/v1/explain", {"query": query, **params})
    check(answer.status == 200, f"{query}: {answer.status} {answer.text}")
    return answer.json()["data"]


def load(server):
    for app in ("api", "web"):
        lines = [(T0 + n * NS, '{"n":%d,"word":"%s"}' % (n, "needle" if n % 100 == 0 else "hay")) for n in range(1000)]
        server.push_ok([({"app": app, "env": "prod"}, lines)])
    server.flush()


def estimate_and_truth(directory):
    with running(Server(directory, "limits_config:\n  discover_log_levels: false\n")) as server:
        load(server)
        # Two streams' lines, all within one window: headers answer, before and after.
        at = {"time": T0 + 1800 * NS}
        before = explained(server, COUNT, **at)
        equal(before["analyzed"], False, "not run yet")
        check("reads" not in before, "the truth of a query that was not run")
        equal([step["name"] for step in before["plan"]["steps"]], ["sum by (app)", "count_over_time [1h]"], "steps")
        estimate = before["estimate"][0]
        equal((estimate["streams"], estimate["blocks_to_decode"], estimate["bytes_to_decode"]), (2, 0, 0), "headers suffice")
        after = explained(server, COUNT, analyze="true", **at)
        truth = after["reads"][0]
        equal((truth["streams"], truth["blocks_skipped_header"], truth["blocks_decoded"]),
              (2, estimate["blocks_skipped_header"], 0), "the truth as estimated")
        equal((truth["lines_from_header"], truth["lines_looked_at"], truth["bytes_decoded"]), (2000, 2000, 0), "lines")
        equal(after["total"]["results"], 2, "series")
        check(after["steps"][1]["wall_ns"] > 0 and after["total"]["memory_bytes"] > 0, f"costs: {after['steps']} {after['total']}")

        # A filter and a parser: blocks are decoded, few lines are parsed.
        data = explained(server, FILTER, analyze="true", limit=100, **RANGE)
        read, plan = data["reads"][0], data["plan"]["reads"][0]
        equal((plan["filters"], plan["needed text"], plan["stages"]), (['|= "needle"'], ['"needle"'], ["| json", "| n>5"]), "plan")
        equal((read["lines_after_filters"], read["lines_parsed"], read["lines_kept"]), (20, 20, 18), "lines")
        check(read["blocks_decoded"] > 0 and read["bytes_decoded"] > 0, f"nothing decoded: {read}")
        answer = server.get("/loki/api/v1/query_range", {"query": FILTER, "limit": 100, **RANGE})
        equal(sum(len(stream["values"]) for stream in answer.json()["data"]["result"]), data["total"]["results"], "as the query answers")

        # Outside of all data.
        none = explained(server, COUNT, analyze="true", time=T0 + 7 * 86400 * NS)
        equal((none["reads"][0]["lines_looked_at"], none["total"]["results"]), (0, 0), "nothing there")

        bad = server.get("/skald/api/v1/explain", {"query": "sum(", **RANGE})
        check(bad.status == 400 and "parse error" in bad.text, f"{bad.status} {bad.text}")


def by_skaldctl(directory):
    with running(Server(directory)) as server:
        load(server)
        env = {**os.environ, "SKALD_ADDR": f"http://127.0.0.1:{server.port}"}
        span = ["--from=2026-11-01T12:00:00Z", "--to=2026-11-01T13:00:00Z"]

        def ctl(*arguments):
            run = subprocess.run([os.path.join(BIN_DIR, "skaldctl"), "explain", *arguments], capture_output=True, text=True,
                                 env=env, timeout=60, check=False)
            check(run.returncode == 0, f"{arguments}: {run.stdout}{run.stderr}")
            return run.stdout

        text = ctl(*span, FILTER)
        for wanted in ("lines <- read 0", 'filters       |= "needle"', "stages        | json", "estimate      2 streams", "push_filters"):
            check(wanted in text, f"{wanted!r} is missing in\n{text}")
        check("truth" not in text, f"the truth of a query that was not run:\n{text}")
        text = ctl(*span, "--analyze", FILTER)
        check("20 passed the filters, 20 parsed, 18 kept" in text and "total" in text, text)
        check('"analyzed": true' in ctl("--now=2026-11-01T13:00:00Z", "--analyze", "-o", "jsonl", COUNT), "as JSON")


if __name__ == "__main__":
    main(estimate_and_truth, by_skaldctl)
