#!/usr/bin/python3
"""skaldctl against a real server: each verb, each output, and what it says when something is wrong."""
import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, T0, Server, check, equal, free_port, main, running, wait_until  # noqa: E402

CTL = os.path.join(BIN_DIR, "skaldctl")
RANGE = ["--from=2026-11-01T12:00:00Z", "--to=2026-11-01T13:00:00Z"]


def ctl(server, *arguments, environment=None, stdin=None):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("LOKI_", "SKALD_"))}
    env.update({"SKALD_ADDR": f"http://127.0.0.1:{server.port}"} if server else {})
    env.update(environment or {})
    return subprocess.run([CTL, *arguments], capture_output=True, text=True, env=env, input=stdin, timeout=60, check=False)


def good(server, *arguments, **more):
    run = ctl(server, *arguments, **more)
    check(run.returncode == 0, f"skaldctl {' '.join(arguments)}: {run.returncode}\n{run.stdout}\n{run.stderr}")
    return run.stdout


def load(server, lines=25):
    server.push_ok([({"app": "api", "env": "prod"}, [(T0 + n * NS, f"api line {n}") for n in range(lines)]),
                    ({"app": "web", "env": "prod"}, [(T0 + n * NS + 1, f"web line {n}") for n in range(lines)])])


def verbs(directory):
    with running(Server(directory, "querier:\n  query_ingesters_within: 0\n")) as server:
        load(server)
        out = good(server, "query", *RANGE, "-o", "raw", "--limit", "3", '{app="api"}')
        equal(out, "api line 24\napi line 23\napi line 22\n", "newest lines")
        out = good(server, "query", *RANGE, "-o", "raw", "--forward", "--limit", "0", "--batch", "7", '{env="prod"}')
        equal(out.splitlines(), [f"{app} line {n}" for n in range(25) for app in ("api", "web")], "all lines in batches")

        run = ctl(server, "query", *RANGE, "--timezone=UTC", "--forward", "--limit=2", '{env="prod"} | drop detected_level')
        equal(run.stdout, '2026-11-01T12:00:00Z {app="api", service_name="api"} api line 0\n'
                          '2026-11-01T12:00:00Z {app="web", service_name="web"} web line 0\n', "default output")
        check('Common labels: {env="prod"}' in run.stderr, f"common labels are missing: {run.stderr}")
        equal(ctl(server, "query", "-q", *RANGE, '{env="prod"}').stderr, "", "quiet")

        row = json.loads(good(server, "query", *RANGE, "-o", "jsonl", "--timezone=UTC", "--limit=1", '{app="web"}'))
        equal((row["line"], row["labels"]["app"], row["timestamp"]), ("web line 24", "web", "2026-11-01T12:00:24.000000001Z"), "jsonl")

        matrix = json.loads(good(server, "query", *RANGE, "--step=60s", 'sum by (app) (count_over_time({env="prod"}[1m]))'))
        equal(sorted(series["metric"]["app"] for series in matrix), ["api", "web"], "a metric over time")
        vector = json.loads(good(server, "instant-query", "--now=2026-11-01T13:00:00Z", 'sum(count_over_time({env="prod"}[2h]))'))
        equal(vector[0]["value"][1], "50", "a metric at one moment")

        equal(good(server, "labels", *RANGE), "app\nenv\nservice_name\n", "labels")
        equal(good(server, "labels", *RANGE, "app"), "api\nweb\n", "label values")
        equal(good(server, "series", *RANGE, '{app="api"}'), '{app="api", env="prod", service_name="api"}\n', "series")
        check("Unique Values" in good(server, "series", *RANGE, "--analyze-labels", "{}"), "no label analysis")
        equal(good(server, "fmt", '{a="b"}|json|n=5,d<1m'), '{a="b"} | json | ( n==5 , d<1m0s )\n', "fmt")
        equal(good(server, "fmt", "-", stdin='{a="b"}|="x"'), '{a="b"} |= "x"\n', "a query from standard input")


@contextlib.contextmanager
def following(directory, server, *arguments, **environment):
    """skaldctl tail as a child, and a function that reads what it has printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("LOKI_", "SKALD_"))}
    env.update(environment or {"SKALD_ADDR": f"http://127.0.0.1:{server.port}"})
    path, notes = os.path.join(directory, "tail.out"), os.path.join(directory, "tail.err")
    with open(path, "wb") as out, open(notes, "wb") as err:
        tail = subprocess.Popen([CTL, "tail", "-o", "raw", *arguments], stdout=out, stderr=err, env=env)

    def shown():
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    try:
        yield shown
        with open(notes, encoding="utf-8") as file:
            check(tail.poll() is None, f"tail ended by itself: {file.read()}")
    finally:
        tail.kill()
        tail.wait()


def tail_follows(directory):
    with running(Server(directory)) as server:
        now = time.time_ns()
        server.push_ok([({"app": "t"}, [(now - 3 * NS + n, f"before {n}") for n in range(3)])])
        with following(directory, server, "--limit=2", '{app="t"}') as shown:
            wait_until("the newest of the past are shown", lambda: shown() == ["before 1", "before 2"])
            want = ["before 1", "before 2"]
            for n in range(5):
                server.push_ok([({"app": "t"}, [(time.time_ns(), f"live {n}", {"trace": f"t{n}"})])])
                want.append(f"live {n}")
                wait_until(f"line {n} is shown", lambda: shown() == want)
            check("before 1" in shown() and server.metric("skald_http_connections") >= 1, "a connection stays open")
        # Loki's name of the address, and lines that are held back.
        with following(directory, None, "--delay-for=2", '{app="t"}', LOKI_ADDR=f"http://127.0.0.1:{server.port}") as shown:
            wait_until("the past is shown", lambda: len(shown()) == 8)
            at = time.time_ns()
            server.push_ok([({"app": "t"}, [(at, "late")])])
            wait_until("the line is shown", lambda: shown()[-1] == "late")
            check(time.time_ns() - at > 1.8 * NS, "not before it is old enough")


def tail_reconnects(directory):
    """The server goes away and comes back while lines come in: each line once, in order."""
    with running(Server(directory)) as server:
        begin, done, written = time.time_ns(), threading.Event(), [0]

        def write():
            while not done.is_set():
                n = written[0]
                try:
                    answer = server.push_json([({"app": "t"}, [(begin + i * 1000, f"line {i}", {"m": str(i)}) for i in range(n, n + 20)])])
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)  # sent again: what was stored is known as a repetition
                    continue
                if answer.status == 204:
                    written[0] = n + 20

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with following(directory, server, "--limit=0", '{app="t"}') as shown:
                for _ in range(3):
                    seen = len(shown())
                    wait_until("lines come in", lambda: len(shown()) > seen)
                    server.kill()
                    server.start()
                seen = len(shown())
                wait_until("lines come in again", lambda: len(shown()) > seen)
                done.set()
                writer.join()
                wait_until("all lines are shown", lambda: len(shown()) >= written[0])
                equal(shown(), [f"line {n}" for n in range(written[0])], "each line once, in order")
        finally:
            done.set()
            writer.join()


def tenants_and_environment(directory):
    with running(Server(directory, "auth_enabled: true\n", tenant="one")) as server:
        load(server, 1)
        query = ["query", *RANGE, "-o", "raw", '{app="api"}']
        equal(good(server, "--org-id=one", *query), "api line 0\n", "--org-id")
        equal(good(server, *query, environment={"LOKI_ORG_ID": "one"}), "api line 0\n", "LOKI_ORG_ID")
        equal(good(server, "--org-id=two", *query), "", "another tenant")
        run = ctl(server, *query)
        check(run.returncode == 1 and "no org id" in run.stderr and "--org-id" in run.stderr, f"no tenant: {run.stderr}")
        address = f"http://127.0.0.1:{server.port}"
        equal(good(None, "--org-id=one", *query, environment={"LOKI_ADDR": address}), "api line 0\n", "LOKI_ADDR")
        equal(good(None, "--org-id=one", f"--addr={address}/", *query, environment={"LOKI_ADDR": "http://nowhere"}),
              "api line 0\n", "--addr beats the environment")


def clear_errors(directory):
    run = ctl(None, f"--addr=http://127.0.0.1:{free_port()}", "labels")
    check(run.returncode == 1 and "no server answers" in run.stderr and "deploy/run" in run.stderr, f"refused: {run.stderr}")
    for arguments, code, text in [
        (["query", "--since=ages", "{a=\"b\"}"], 1, "--since"),
        (["query", "--from=yesterday", "{a=\"b\"}"], 1, "--from"),
        (["--addr=ftp://x", "labels"], 1, "--addr"),
        (["query"], 2, "query is required"),
        (["nosuchverb"], 2, "no verb nosuchverb"),
        (["query", "-o", "xml", "{a=\"b\"}"], 2, "default"),
        (["fmt", '{a="b"'], 1, "parse error at line 1, col 7: syntax error: unexpected $end"),
    ]:
        run = ctl(None, *arguments)
        equal(run.returncode, code, f"exit code of {arguments}: {run.stderr}")
        check(text in run.stderr, f"{arguments}: {text!r} is not in {run.stderr!r}")
    with running(Server(directory)) as server:
        run = ctl(server, "query", '{app="x" |= "y"')
        check(run.returncode == 1 and "parse error at line 0, col 10: syntax error: unexpected |=" in run.stderr, f"bad query: {run.stderr}")
        run = ctl(server, "tail", 'rate({app="x"}[1m])')
        check(run.returncode == 1 and "only log queries" in run.stderr, f"tail of a metric: {run.stderr}")
    run = ctl(None, "--help")
    check(run.returncode == 0 and "Examples:" in run.stdout and "instant-query" in run.stdout, "--help")
    check("Line filters" in ctl(None, "query", "--help").stdout, "query --help")


if __name__ == "__main__":
    main(verbs, tail_follows, tail_reconnects, tenants_and_environment, clear_errors)
