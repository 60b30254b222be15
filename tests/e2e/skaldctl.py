#!/usr/bin/python3
"""skaldctl against a real server: each verb, each output, and what it says when something is wrong."""
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, T0, Agent, Failure, Server, check, equal, free_port, main, running, wait_until  # noqa: E402

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
        equal(good(server, "fmt", stdin='{a="b"}|="x"'), '{a="b"} |= "x"\n', "and without an argument")


def lines_from_standard_input(_):
    lines = 'level=info took=5s\nlevel=error took=1ms\nno fields\nlevel=error took=2s'
    equal(good(None, "query", "--stdin", "-o", "raw", "| logfmt | took > 1s", stdin=lines), "level=info took=5s\nlevel=error took=2s\n", "stages alone")
    equal(good(None, "--stdin", "query", "--no-labels", "--limit=1", "-o", "raw", '{any="thing"} |= "error" | line_format "<{{__line__}}>"', stdin=lines),
          "<level=error took=1ms>\n", "a selector takes all lines")
    many = "".join(f"n={i}\n" for i in range(25_000))
    equal(good(None, "query", "--stdin", "-o", "raw", '|~ "n=.*99$"', stdin=many).count("\n"), 250, "all of many lines, in several turns")
    counts = good(None, "query", "--stdin", "-o", "jsonl", 'sum by (level) (count_over_time({any="thing"} | logfmt [1h]))', stdin=lines)
    equal([(series["metric"], series["value"][1]) for series in map(json.loads, counts.splitlines())],
          [({}, "1"), ({"level": "error"}, "2"), ({"level": "info"}, "1")], "a metric of them all")
    number = good(None, "instant-query", "--stdin", 'sum(count_over_time({a="b"}[1h])) * 2', stdin=many)
    equal(json.loads(number)[0]["value"][1], "50000", "a metric of many lines")
    equal(json.loads(good(None, "query", "--stdin", 'count_over_time({a="b"}[1h])', stdin="")), [], "a metric of no lines")


def flags_are_taken_back(_):
    lines = "level=info b\nlevel=error a\n"
    command = ("query", "--stdin", "--timezone=UTC", "--output-timestamp-format=unixdate", '|~ "."')
    check("{" in good(None, *command, stdin=lines), "labels are printed")
    check("{" not in good(None, *command, "--no-labels", stdin=lines), "--no-labels is a flag itself")
    check("{" in good(None, *command, "--no-labels", "--no-no-labels", stdin=lines), "and is taken back")
    equal(good(None, "--quiet", *command, "--no-quiet", "--no-forward", "-o", "raw", stdin=lines), lines, "global ones and a verb's, given before or not")
    refused = ctl(None, *command, "--no-limit", stdin=lines)
    check(refused.returncode == 2 and "--no-limit" in refused.stderr, "what is not a flag has no such form: " + refused.stderr)


def labels_beside_lines(directory):
    server = Server(directory)
    with running(server):
        load(server, 2)
        run = ctl(server, "query", *RANGE, "-z", "UTC", "--limit=1", "--include-common-labels", "--exclude-label=detected_level", '{app="api"}')
        check('{app="api", env="prod", service_name="api"} api line 1' in run.stdout, run.stdout)
        check("Ignoring labels key: detected_level\n" in run.stderr, run.stderr)
        run = ctl(server, "--log.level=debug", "query", *RANGE, "--limit=1", "--labels-length=5", "--header=X-Any: thing", "--include-label=app", '{app="api"}')
        check('{app="api"} api line 1' in run.stdout and "Print only labels key: app\n" in run.stderr, run.stdout + run.stderr)
        refused = ctl(server, "--header", "nothing", "labels")
        check(refused.returncode == 1 and "'Name: value'" in refused.stderr, refused.stderr)


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


def tail_of_no_server(directory):
    """What agrees to a WebSocket without having read the request is not believed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(accept):
        client, _ = listener.accept()
        while b"\r\n\r\n" not in client.recv(65536):
            pass
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept + b"\r\n")
        client.close()

    for accept in (b"", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"):
        answering = threading.Thread(target=answer, args=(accept,))
        answering.start()
        run = subprocess.run([CTL, "tail", f"--addr=http://127.0.0.1:{listener.getsockname()[1]}", '{app="t"}'], capture_output=True, text=True, timeout=60)
        answering.join()
        check(run.returncode == 1 and "Sec-WebSocket-Accept" in run.stderr, f"{accept}: {run.returncode} {run.stderr}")
    listener.close()


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


def more_verbs(directory):
    """Verbs beyond logcli's first ones, tables, colours and forms of time."""
    with running(Server(directory, "querier:\n  query_ingesters_within: 0\n")) as server:
        server.push_ok([({"app": "api", "env": "prod"}, [
            (T0 + n * NS, f'level={"error" if n % 5 == 0 else "info"} status={500 if n % 5 == 0 else 200} took {n} ms') for n in range(50)])])
        out = good(server, "query", *RANGE, "-o", "table", "--timezone=UTC", "--limit=2", '{app="api"}').splitlines()
        equal(out, ["TIME                  LEVEL  LINE",
                    "2026-11-01T12:00:49Z  info   level=info status=200 took 49 ms",
                    "2026-11-01T12:00:48Z  info   level=info status=200 took 48 ms"], "a table of lines")
        out = good(server, "instant-query", "--now=2026-11-01T13:00:00Z", "-o", "table",
                   'sum by (detected_level) (count_over_time({app="api"}[2h]))').splitlines()
        equal(out[0].split() + sorted(line.split() for line in out[1:]),
              ["detected_level", "VALUE", ["error", "10"], ["info", "40"]], "a table of a metric")
        out = good(server, "query", *RANGE, "--color=always", "--no-labels", "--limit=0", "--timezone=UTC", '{app="api"} |= "took 5 ms"')
        equal(out, "\x1b[34m2026-11-01T12:00:05Z\x1b[0m \x1b[31mlevel=error status=500 took 5 ms\x1b[0m\n", "the colour of a level")
        out = good(server, "query", *RANGE, "--output-timestamp-format=unixdate", "-z", "UTC", "--no-labels", "--limit=1", '{app="api"}')
        check(out.startswith("Sun Nov  1 12:00:49 UTC 2026 "), out)

        equal(json.loads(good(server, "stats", *RANGE, '{app="api"}'))["entries"], 50, "stats")
        volume = json.loads(good(server, "volume", *RANGE, '{app="api"}'))
        equal(volume[0]["metric"], {"app": "api"}, "volume")
        check(json.loads(good(server, "volume_range", *RANGE, "--step=10s", '{app="api"}'))[0].get("values"), "volume over time")
        equal(json.loads(good(server, "volume", *RANGE, "--aggregateByLabels", '{app="api"}'))[0]["metric"].get("app"), "", "volume by label")
        fields = good(server, "detected-fields", *RANGE, '{app="api"}')
        check("label: status\t\ttype: int\t\tcardinality: 2\n" in fields, fields)
        equal(sorted(good(server, "detected-fields", *RANGE, '{app="api"}', "status").split()), ["200", "500"], "values of a field")
        kinds = good(server, "patterns", *RANGE, '{app="api"}').splitlines()
        equal(kinds[0].split(), ["LINES", "LEVEL", "PATTERN"], "patterns")
        equal(sum(int(line.split()[0]) for line in kinds[1:]), 50, "each line counts in one pattern")
        check(json.loads(good(server, "patterns", *RANGE, "-o", "jsonl", '{app="api"}').splitlines()[0])["samples"], "patterns as JSON")
        check("streams" in good(server, "explain", *RANGE, '{app="api"} |= "error"'), "explain")


def rules_of_the_server(directory):
    with running(Server(directory, "ruler: {evaluation_interval: 1s}\n")) as server:
        check("no rules" in ctl(server, "rules", "list").stderr, "no rules are told")
        group = "name: g\nrules:\n- alert: Always\n  expr: vector(1) > 0\n  labels: {severity: page}\n"
        equal(server.request("POST", "/loki/api/v1/rules/mine", body=group.encode()).status, 202, "a rule")
        wait_until("it fires", lambda: "firing" in good(server, "rules", "list"))
        row = good(server, "rules", "list").splitlines()[1].split()
        equal(row[:6], ["mine", "g", "Always", "firing", "1", "ok"], "rules list")
        equal(good(server, "rules", "list", "--type=record"), "", "of recordings")
        check("alert: Always" in good(server, "rules", "show", "mine") and "alert: Always" in good(server, "rules", "show", "mine", "g"), "rules show")
        run = ctl(server, "rules", "show", "nobody")
        check(run.returncode == 1 and "rules list" in run.stderr, run.stderr)


def deletes(directory):
    config = "compactor: {retention_enabled: true, delete_request_cancel_period: 24h}\nlimits_config: {deletion_mode: filter-and-delete}\n"
    with running(Server(directory, config)) as server:
        load(server)
        check("no delete requests" in ctl(server, "delete", "list").stderr, "an empty list")
        run = ctl(server, "delete", "create", '{app="api"}')
        check(run.returncode == 1 and "--from" in run.stderr, run.stderr)
        number = good(server, "delete", "create", *RANGE, '{app="api"} |= "line 7"').strip()
        check(number, "the request's number")
        listed = good(server, "delete", "list", "--timezone=UTC").splitlines()
        check(listed[0].split() == ["REQUEST", "STATUS", "CREATED", "FROM", "TO", "QUERY"] and listed[1].startswith(number) and
              "2026-11-01T12:00:00Z" in listed[1] and '|= "line 7"' in listed[1], str(listed))
        equal(json.loads(good(server, "delete", "list", "-o", "jsonl"))["request_id"], number, "the list as JSON lines")
        wait_until("hidden", lambda: good(server, "query", *RANGE, "-o", "raw", '{app="api"} |= "line 7"') == "")
        good(server, "delete", "cancel", number)
        wait_until("seen again", lambda: good(server, "query", *RANGE, "-o", "raw", '{app="api"} |= "line 7"') == "api line 7\n")
        run = ctl(server, "delete", "cancel", "nosuch")
        check(run.returncode == 1 and "could not find" in run.stderr, run.stderr)


def fsck_checks_a_stopped_server(directory):
    server = Server(directory)
    with running(server):
        load(server)
        server.flush()
        server.stop()
    run = ctl(None, "fsck", server.data)
    equal(run.returncode, 0, f"a sound directory: {run.stdout}{run.stderr}")
    run = ctl(None, "fsck", os.path.join(directory, "nothere"))
    check(run.returncode == 1 and "data directory" in run.stderr, run.stderr)


def parts_of(directory):
    return sorted(name for name in os.listdir(directory) if name.endswith(".part"))


def exports_go_on_after_kill(directory):
    """An export in parts is killed -9, again and again; the same command goes on and gives the same bytes as one query."""
    with running(Server(directory)) as server:
        for app in ("a", "b"):
            for begin in range(0, 40000, 4000):
                server.push_ok([({"app": app}, [(T0 + n * 80_000_000, f"{app} line {n} " + "x" * (n % 90)) for n in range(begin, begin + 4000)])])
        query = ["query", *RANGE, "-o", "jsonl", "--timezone=UTC", '{app=~"a|b"}']
        parallel = ["--parallel-max-workers=3", "--parallel-duration=1m", "--batch=500"]
        for direction in ([], ["--forward"]):
            want = good(server, *query, *direction, "--limit=0", "--batch=5000")
            equal(want.count("\n"), 80000, "lines")
            equal(good(server, *query, *direction, *parallel) == want, True, "an export without files: the bytes of one query")

            parts = os.path.join(directory, "parts" + "".join(direction))
            os.mkdir(parts)
            # Merged bytes go to a file too: what a killed run printed is its own.
            command = [*query, *direction, *parallel, f"--part-path-prefix={parts}/e", "--merge-parts"]
            kills = 0
            while True:
                with open(os.path.join(directory, "merged"), "wb") as out:
                    before = len(parts_of(parts))
                    child = subprocess.Popen([CTL, *command], stdout=out, stderr=subprocess.DEVNULL,
                                             env={**os.environ, "SKALD_ADDR": f"http://127.0.0.1:{server.port}"})
                    if kills < 4:
                        wait_until("more parts, or the end", lambda: child.poll() is not None or len(parts_of(parts)) > before + 2, pause=0.001)
                    else:
                        child.wait(120)
                    child.send_signal(signal.SIGKILL)
                    child.wait()
                    if child.returncode == 0:
                        break
                    kills += 1
                    stamps = {name: os.stat(os.path.join(parts, name)).st_mtime_ns for name in parts_of(parts)}
                    if kills == 1:  # what is there is not asked for again
                        kept = stamps
                    equal({name: stamps.get(name) for name in kept}, kept, "parts of an earlier run are left alone")
            check(kills > 0, "no run was killed")
            with open(os.path.join(directory, "merged"), encoding="utf-8") as file:
                got = file.read()
            check(got == want, f"after {kills} kills: {len(got)} bytes, {hashlib.sha256(got.encode()).hexdigest()}; want {len(want)}")
            equal(os.listdir(parts), [], "the parts are removed at the end")

        # Parts alone; their names, and that they are of this export.
        prefix = os.path.join(directory, "p")
        command = ["query", "--from=2026-11-01T12:00:00Z", "--to=2026-11-01T12:02:30Z", "-o", "raw", "--parallel-duration=1m", f"--part-path-prefix={prefix}"]
        run = ctl(server, *command, "--progress=always", '{app="a"}')
        equal((run.returncode, run.stdout), (0, ""), run.stderr)
        check("100%  3/3 parts" in run.stderr, f"no bar: {run.stderr!r}")
        names = ["p_20261101T120000_20261101T120100.part", "p_20261101T120100_20261101T120200.part", "p_20261101T120200_20261101T120230.part"]
        equal([name for name in parts_of(directory) if name.startswith("p_")], names, "names of parts")
        run = ctl(server, *command, '{app="b"}')
        check(run.returncode == 1 and "another export" in run.stderr and "--overwrite-completed-parts" in run.stderr, run.stderr)
        with open(os.path.join(directory, names[0]), "ab") as file:
            file.write(b"changed\n")
        check("changed" in good(server, *command, "--merge-parts", "--keep-parts", '{app="a"}'), "a part that is there is taken as it is")
        check("changed" not in good(server, *command, "--merge-parts", "--overwrite-completed-parts", '{app="a"}'), "--overwrite-completed-parts")
        for arguments, text in [(["--part-path-prefix=x"], "--from and --to"), (["--parallel-max-workers=2", "--merge-parts"], "--part-path-prefix"),
                                ([*RANGE, "--parallel-max-workers=2", "--parallel-duration=x"], "--parallel-duration")]:
            run = ctl(server, "query", *arguments, '{app="a"}')
            check(run.returncode == 1 and text in run.stderr, f"{arguments}: {run.stderr}")
        # The server goes away in the middle.
        server.kill()
        run = ctl(server, "query", *RANGE, *parallel, f"--part-path-prefix={prefix}2", '{app="a"}')
        check(run.returncode == 1 and "no server answers" in run.stderr and "the same command goes on" in run.stderr, run.stderr)


class Recorder:
    """An HTTP server that fails as often as it is told to and keeps what it was asked."""

    def __init__(self, failures=0):
        self.seen = []
        recorder = self
        recorder.failures = failures

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                recorder.seen.append((self.path, dict(self.headers)))
                fails = recorder.failures > 0
                recorder.failures -= 1
                body = b"not now" if fails else b'{"status":"success","data":["a"]}'
                self.send_response(503 if fails else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def connections(directory):
    """Headers, retries and the environment of logcli."""
    recorder = Recorder(failures=2)
    run = ctl(None, "labels", environment={"LOKI_ADDR": recorder.address})
    check(run.returncode == 1 and "503" in run.stderr and "not now" in run.stderr, run.stderr)
    equal(good(None, "--retries=3", "--min-backoff=1ms", "labels", environment={"LOKI_ADDR": recorder.address}), "a\n", "after retries")
    recorder = Recorder()
    token = os.path.join(directory, "token")
    with open(token, "w", encoding="ascii") as file:
        file.write("secret\n")
    everything = {"LOKI_ADDR": recorder.address, "LOKI_ORG_ID": "one", "LOKI_BEARER_TOKEN_FILE": token, "LOKI_AUTH_HEADER": "X-Auth",
                  "LOKI_QUERY_TAGS": "Source=test", "LOKI_NO_CACHE": "true", "http_proxy": "http://127.0.0.1:1"}
    good(None, "labels", environment=everything)
    path, headers = recorder.seen[-1]
    check(path.startswith("/loki/api/v1/labels?start=") and "&end=" in path, path)
    for name, want in {"X-Scope-OrgID": "one", "X-Auth": "Bearer secret", "X-Query-Tags": "Source=test", "Cache-Control": "no-cache"}.items():
        equal(headers.get(name), want, name)
    good(None, "--auth-header=X-Auth", "labels", environment={"LOKI_ADDR": recorder.address, "LOKI_USERNAME": "me", "LOKI_PASSWORD": "pw"})
    equal(recorder.seen[-1][1].get("X-Auth"), "Basic bWU6cHc=", "user and password in another header")
    good(None, "labels", environment={"LOKI_ADDR": "http://127.0.0.1:1", "SKALD_ADDR": recorder.address})
    good(None, "detected-fields", '{app="x"}', "a/b", environment={"LOKI_ADDR": recorder.address})
    check(recorder.seen[-1][0].startswith("/loki/api/v1/detected_field/a%2Fb/values?"), recorder.seen[-1][0])
    run = ctl(None, "--envproxy", "labels", environment=everything)
    check(run.returncode == 1 and "127.0.0.1" in run.stderr, "the environment's proxy counts where --envproxy says so")
    run = ctl(None, "--cert=x", "labels", environment={"LOKI_ADDR": recorder.address})
    check(run.returncode == 1 and "--key" in run.stderr, run.stderr)


def typed(shell, text, environment, wanted):
    """What a shell on a terminal shows after keys are typed, once it shows what is wanted."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(shell[0], shell, {**os.environ, **environment, "TERM": "dumb", "COLUMNS": "200"})
    shown = b""

    def read():
        nonlocal shown
        if select.select([terminal], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):
                shown += os.read(terminal, 65536).replace(b"\a", b"")  # several ways to go on ring the bell
        return shown

    try:
        wait_until("a prompt", lambda: b"READY" in read())
        os.write(terminal, text.encode())
        wait_until(f"{wanted!r} after {text!r}", lambda: wanted.encode() in read()[shown.index(b"READY"):])
    except Failure as failure:
        raise Failure(f"{failure}; there is {shown[-500:]!r}") from None
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def shells_complete(directory):
    try:
        for end in os.openpty():
            os.close(end)
    except OSError as error:  # a chroot without /dev/pts
        print(f"  skipped: this machine gives no terminals: {error}", flush=True)
        return
    with running(Server(directory)) as server:
        load(server)
        server.push_ok([({"appendix": "x"}, [(time.time_ns(), "now")])])
        bin_dir = os.path.join(directory, "bin")
        os.mkdir(bin_dir)
        os.symlink(CTL, os.path.join(bin_dir, "skaldctl"))
        environment = {"PATH": f"{bin_dir}:{os.environ['PATH']}", "SKALD_ADDR": f"http://127.0.0.1:{server.port}", "HOME": directory}
        rc = os.path.join(directory, "rc")
        with open(rc, "w", encoding="utf-8") as file:
            file.write("source <(skaldctl completion bash)\nPS1='READY> '\n")
        cases = [("skaldctl que\t", "skaldctl query "), ("skaldctl query --parallel-m\t", "--parallel-max-workers "),
                 ("skaldctl query --output=js\t", "--output=jsonl "), ("skaldctl query -o ra\t", "-o raw "),
                 ("skaldctl delete ca\t", "delete cancel "), ("skaldctl labels appe\t", "labels appendix "),
                 ("skaldctl rules check /etc/passw\t", "/etc/passwd"), ("skaldctl dele\tli\t", "skaldctl delete list ")]
        bash = ["bash", "--noprofile", "--rcfile", rc, "-i"]
        for keys, want in cases:
            typed(bash, keys, environment, want)
        for shell, begin in (("zsh", ["zsh", "-i"]), ("fish", [])):
            if shutil.which(shell) is None:
                print(f"  {shell} is not there", flush=True)
                continue
            if shell == "zsh":
                zshrc = os.path.join(directory, ".zshrc")
                with open(zshrc, "w", encoding="utf-8") as file:
                    file.write("autoload -Uz compinit && compinit -u -D\nsource <(skaldctl completion zsh)\nPS1='READY> '\n")
                for keys, want in cases[:2] + cases[3:6]:
                    typed(begin, keys, {**environment, "ZDOTDIR": directory}, want.rstrip())
            else:
                out = subprocess.run(["fish", "--no-config", "-c", "skaldctl completion fish | source; complete -C 'skaldctl que'"],
                                     capture_output=True, text=True, check=False, env={**os.environ, **environment}).stdout
                check("query\t" in out, f"fish: {out}")


PROMTAIL = """
server: {http_listen_port: 0, grpc_listen_port: 0, register_instrumentation: true}
clients:
  - url: http://127.0.0.1:1/loki/api/v1/push
    tenant_id: one
    external_labels: {cluster: c1}
scrape_configs:
  - job_name: system
    static_configs:
      - targets: [localhost]
        labels: {job: varlogs, __path__: @/*.log}
    relabel_configs:
      - {source_labels: [job], target_label: team, replacement: "t-$1"}
    pipeline_stages:
      - windows_thing: {}
      - json: {expressions: {level: lvl, msg: message}}
      - labels: {level: ""}
      - match:
          selector: '{level="debug"}'
          action: drop
      - template: {source: out, template: '{{ .msg | ToUpper }}'}
      - output: {source: out}
tracing: {enabled: true}
"""

ALLOY = """
local.file_match "system" { path_targets = [{__path__ = "@/*.log", job = "varlogs"}] }
loki.source.file "system" {
  targets    = local.file_match.system.targets
  forward_to = [loki.process.p.receiver]
}
loki.process "p" {
  forward_to = [loki.write.w.receiver]
  stage.json { expressions = { level = "lvl", msg = "message" } }
  stage.labels { values = { level = "" } }
  stage.match {
    selector = `{level="debug"}`
    action   = "drop"
  }
  stage.static_labels { values = { team = "t-varlogs" } }
  stage.template {
    source   = "out"
    template = "{{ .msg | ToUpper }}"
  }
  stage.output { source = "out" }
}
loki.write "w" { endpoint { url = "http://127.0.0.1:1/loki/api/v1/push" } }
"""

FLUENT_BIT = """
[INPUT]
    Name            tail
    Tag             varlogs
    Path            @/*.log
    Read_from_Head  On
[FILTER]
    Name     grep
    Match    *
    Exclude  log debug
[OUTPUT]
    Name    loki
    Match   *
    Host    127.0.0.1
    Port    1
    Labels  job=fluentbit, team=t-varlogs
"""


def agents_move(directory):
    """The agent takes what migrate writes, without a warning, and does what the old agent did."""
    for name, text, notes in (("promtail.yaml", PROMTAIL, 3), ("config.alloy", ALLOY, 0), ("fluent-bit.conf", FLUENT_BIT, 0)):
        logs = os.path.join(directory, name + ".d")
        os.mkdir(logs)
        with open(os.path.join(logs, "x.log"), "w", encoding="utf-8") as file:
            file.write('{"lvl":"info","message":"first"}\n{"lvl":"debug","message":"second"}\n{"lvl":"warn","message":"third"}\n')
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("@", logs))
        run = ctl(None, "migrate", "agent-config", path)
        equal(run.returncode, 0, f"{name}: {run.stderr}")
        equal(run.stdout.count(f"# {name}:"), notes, f"what {name} has and cannot be carried over:\n{run.stdout}")
        agent = Agent(directory, run.stdout, name=name, flags=["--dry-run"])
        agent.start()
        equal(agent.exit_code(), 0, f"{name}: {agent.log()}")
        shown = [line for line in agent.log().splitlines() if "\t" in line]
        check("ignored" not in agent.log() and "not known" not in agent.log(), agent.log())
        want = ["first", "third"] if name == "fluent-bit.conf" else ["FIRST", "THIRD"]
        equal(len(shown), 2, f"lines of {name}: {agent.log()}")
        for line, text_of_line in zip(shown, want):
            check(text_of_line in line and 'job="varlogs"' in line, f"{name}: {line}")
            if name != "fluent-bit.conf":
                check('team="t-varlogs"' in line and "level=" in line, f"{name}: {line}")
    run = ctl(None, "migrate", "agent-config", "-", stdin="what is this")
    check(run.returncode == 1 and "--format" in run.stderr, run.stderr)
    run = ctl(None, "migrate", "agent-config", "--format=alloy", "-", stdin="loki.write {\n")
    check(run.returncode == 1 and "stdin:2:" in run.stderr, run.stderr)


def clear_errors(directory):
    run = ctl(None, f"--addr=http://127.0.0.1:{free_port()}", "labels")
    check(run.returncode == 1 and "no server answers" in run.stderr and "deploy/run" in run.stderr, f"refused: {run.stderr}")
    for arguments, code, text in [
        (["query", "--since=ages", "{a=\"b\"}"], 1, "--since"),
        (["query", "--from=yesterday", "{a=\"b\"}"], 1, "--from"),
        (["--addr=ftp://x", "labels"], 1, "--addr"),
        (["query"], 2, "query is required"),
        (["nosuchverb"], 2, "no verb nosuchverb"),
        (["query", "--store-config=x", "{a=\"b\"}"], 2, "ask the server"),
        (["query", "--min-backoff=x", "{a=\"b\"}"], 1, "--min-backoff"),
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
    equal(ctl(None, "help", "tail").stdout, ctl(None, "tail", "--help").stdout, "help tail")
    for verb in ("query", "instant-query", "tail", "labels", "series", "stats", "volume", "volume_range", "patterns", "detected-fields", "explain",
                 "fmt", "rules", "delete", "fsck", "migrate", "completion"):
        run = ctl(None, verb, "--help")
        check(run.returncode == 0 and f"skaldctl {verb.split('_')[0]}" in run.stdout and "Examples:" in run.stdout, f"{verb} --help: {run.stdout}")


if __name__ == "__main__":
    main(verbs, lines_from_standard_input, flags_are_taken_back, labels_beside_lines, more_verbs, rules_of_the_server, deletes, fsck_checks_a_stopped_server, exports_go_on_after_kill, connections, shells_complete,
         agents_move, tail_follows, tail_of_no_server, tail_reconnects, tenants_and_environment, clear_errors)
