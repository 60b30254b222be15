#!/usr/bin/python3
"""Several tenants on one server: ids that are refused, what may be asked of several at once, limits that change while the server runs, and that
one's load, limits and mistakes are not seen by another."""
import os
import socket
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, wait_until  # noqa: E402

CONFIG = """\
auth_enabled: true
limits_config:
  reject_old_samples: false
"""


def as_tenant(tenant):
    return {"X-Scope-OrgID": tenant}


def ids(directory):
    long = "x" * 151
    rows = [  # header, status and text of a question, status and text of a push
        ("team-a!_.*'()", 204, "", None),
        ("x" * 150, 204, "", None),
        ("", 401, "no org id\n", None),
        ("a/b", 400, "tenant ID 'a/b' contains unsupported character '/'", None),
        ("a b", 400, "tenant ID 'a b' contains unsupported character ' '", None),
        (long, 400, "tenant ID is too long: max 150 characters", None),
        (".", 400, "tenant ID is '.' or '..'", None),
        ("..", 400, "tenant ID is '.' or '..'", None),
    ]
    with running(Server(directory, CONFIG)) as server:
        for header, status, text, _ in rows:
            headers = as_tenant(header) if header else {}
            answer = server.push_json([({"app": "x"}, [(T0, "line")])], headers=headers)
            want = text if not text or text.endswith("\n") else text + "\n"
            equal((answer.status, answer.text), (status, want), f"push as {header!r}")
            asked = server.query_range('{app="x"}', headers=headers)
            if status == 204:
                equal((asked.status, len(asked.json()["data"]["result"])), (200, 1), f"question as {header!r}")
            else:
                equal((asked.status, asked.text.removeprefix("rpc error: code = Code(400) desc = ")), (status, text), f"question as {header!r}")
        # A subtenant is cut off.
        equal(server.count('{app="x"}', headers=as_tenant("team-a!_.*'():anything")), 1, "a:suffix")
        # Several are refused unless the server is told to allow them.
        equal((server.query_range('{app="x"}', headers=as_tenant("a|b")).status), 500, "several in a question")
        for path, method in (("/loki/api/v1/push", "POST"), ("/loki/api/v1/delete", "POST"), ("/loki/api/v1/tail", "GET")):
            answer = server.request(method, path, {"query": '{a="b"}', "start": 1}, b"{}" if method == "POST" else None,
                                    {**as_tenant("a|b"), "Content-Type": "application/json"})
            equal(answer.status, 400, f"several for {path}: {answer.text}")
        for path in ("/ready", "/metrics", "/config", "/services", "/loki/api/v1/status/buildinfo"):
            equal(server.get(path).status, 200, f"{path} needs no tenant")


class Asker(threading.Thread):
    """Asks the same again and again; keeps the slowest time and every answer that is not the wanted one."""

    def __init__(self, ask, want):
        super().__init__(daemon=True)
        self.ask, self.want, self.ending = ask, want, threading.Event()
        self.asked, self.slowest, self.wrong = 0, 0.0, []

    def run(self):
        while not self.ending.is_set():
            began = time.monotonic()
            try:
                got = self.ask()
            except Exception as error:  # whatever it is, the test tells
                got = repr(error)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.asked += 1
            if got != self.want:
                self.wrong.append(got)
            self.ending.wait(0.02)

    def end(self):
        self.ending.set()
        self.join(60)


def load_of_another(directory):
    """`noisy` fills every thread with long questions, uses up its memory, its rate and its streams, and sends what is broken."""
    overrides = os.path.join(directory, "overrides.yaml")
    with open(overrides, "w", encoding="utf-8") as file:
        file.write("overrides:\n  noisy:\n    ingestion_rate_mb: 1\n    max_global_streams_per_user: 50\n    query_timeout: 5s\n")
    config = CONFIG + f"runtime_config:\n  file: {overrides}\n  period: 1s\nquery:\n  memory: 256MB\n  memory_per_query: 160MB\n"
    endless = urllib.parse.urlencode({"query": 'sum(count_over_time({app="big"} | line_format `{{range 1000000000}}{{end}}` |= "q" [1h]))',
                                      "time": T0 + 3600 * NS})
    hungry = urllib.parse.urlencode({"query": 'sum by (id) (count_over_time({app="big"} | json [1h]))', "time": T0 + 3600 * NS})
    with running(Server(directory, config)) as server:
        quiet, noisy = as_tenant("quiet"), as_tenant("noisy")
        server.push_ok([({"app": "small"}, [(T0 + n * NS, f"line {n}") for n in range(100)])], headers=quiet)

        def push_big():
            for begin in range(0, 60_000, 5_000):
                rows = [(T0 + n * 10**6, f'{{"id":"{n:06d}","text":"some text that takes its place in memory"}}') for n in range(begin, begin + 5_000)]
                wait_until("noisy's own rate allows it", lambda: server.push_json([({"app": "big"}, rows)], headers=noisy).status == 204)

        push_big()
        found = [0]

        def ask_quietly():
            return server.count('{app="small"} |= "line"', headers=quiet), len(server.lines('{app="small"} |= "line 9"', headers=quiet))

        def push_quietly():
            found[0] += 1
            return server.push_json([({"app": "more"}, [(T0 + found[0] * NS, "x" * 1000)])], headers=quiet).status

        askers = [Asker(ask_quietly, (100, 11)), Asker(push_quietly, 204)]
        statuses, ending = {}, threading.Event()

        def disturb(what, one):
            while not ending.is_set():
                try:
                    status = one()
                except OSError:
                    status = "closed"
                statuses[(what, status)] = statuses.get((what, status), 0) + 1
                ending.wait(0.01)

        disturbances = [("long questions", lambda: server.get("/loki/api/v1/query?" + endless, headers=noisy).status)] * 12 + [
            ("large questions", lambda: server.get("/loki/api/v1/query?" + hungry, headers=noisy).status)] * 6 + [
            ("too much", lambda: server.push_json([({"app": "flood"}, [(T0, "y" * 200_000)] * 3)], headers=noisy).status),
            ("too many streams", lambda: server.push_json([({"app": f"s{n}"}, [(T0, "z")]) for n in range(200)], headers=noisy).status),
            ("broken pushes", lambda: server.push(b"\x00nonsense", "application/x-protobuf", noisy).status),
            ("broken questions", lambda: server.query_range('{app=', headers=noisy).status)]
        threads = [threading.Thread(target=disturb, args=d, daemon=True) for d in disturbances]
        for thread in threads + askers:
            thread.start()
        needed = {("long questions", 504), ("large questions", 400), ("too much", 429), ("too many streams", 429),
                  ("broken pushes", 400), ("broken questions", 400)}
        wait_until("noisy has met each of its limits", lambda: needed <= set(statuses), 180)
        before = askers[0].asked
        wait_until("quiet goes on", lambda: askers[0].asked > before + 20)
        ending.set()
        for asker in askers:
            asker.end()
        print("  noisy:", {f"{what} {status}": n for (what, status), n in sorted(statuses.items(), key=str)})
        print(f"  quiet: {askers[0].asked} answers, the slowest {askers[0].slowest:.2f} s; {askers[1].asked} pushes, the slowest {askers[1].slowest:.2f} s")
        for asker in askers:
            check(not asker.wrong, f"quiet saw {len(asker.wrong)} wrong answers: {asker.wrong[:3]}")
            # Noisy's questions hold no thread that quiet would have to wait for.
            check(asker.slowest < 10, f"quiet waited {asker.slowest:.1f} s")
        equal(server.count('{app="more"}', headers=quiet), askers[1].asked, "what quiet pushed")


def overrides_of_one(directory):
    path = os.path.join(directory, "overrides.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("overrides: {}\n")
    with running(Server(directory, CONFIG + f"runtime_config:\n  file: {path}\n  period: 1s\n")) as server:
        quiet, noisy, overrides = as_tenant("quiet"), as_tenant("noisy"), path
        # A mistake in the file changes nothing for anybody; a right one holds without a restart, for that tenant alone.
        with open(overrides, "w", encoding="utf-8") as file:
            file.write("overrides:\n  noisy:\n    ingestion_rate_mb: much\n")
        wait_until("the mistake is told", lambda: server.metric("loki_runtime_config_last_reload_successful") == 0)
        equal(server.query_range('{app="small"}', headers=quiet, limit=5000).status, 200, "quiet after the mistake")
        with open(overrides, "w", encoding="utf-8") as file:
            file.write("overrides:\n  noisy:\n    max_entries_limit_per_query: 7\n")
        wait_until("noisy's new limit holds", lambda: server.query_range('{app="big"}', headers=noisy, limit=8).status == 400)
        equal(server.query_range('{app="small"}', headers=quiet, limit=5000).status, 200, "quiet has the limits it had")


def memory_of_pushes(directory):
    """`noisy` holds all the memory that it can get with pushes it never finishes; others' are taken as before."""
    limit = 8 << 20
    with running(Server(directory, CONFIG + f"push:\n  memory: {limit}\n")) as server:
        quiet, noisy = as_tenant("quiet"), as_tenant("noisy")
        held, refused = [], b""
        while not refused:
            check(len(held) < 100, "noisy may take as much as it likes")
            sender = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            sender.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: noisy\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
            answer = sender.recv(4096)
            if answer.startswith(b"HTTP/1.1 100"):
                held.append(sender)
            else:
                refused = answer
        check(refused.startswith(b"HTTP/1.1 503"), refused)
        equal(len(held), 4, "noisy has half of the memory at most")
        equal(server.push_json([({"app": "n"}, [(T0, "x")])], headers=noisy).status, 204, "what fits still goes")
        for n in range(20):
            equal(server.push_json([({"app": "q"}, [(T0 + n, "x" * 50_000)] * 20)], headers=quiet).status, 204, "quiet's pushes of 1 MB")
        for sender in held:
            sender.close()
        rows = [(T0 + n, "x" * 50_000) for n in range(30)]
        wait_until("noisy has its memory again", lambda: server.push_json([({"app": "n"}, rows)], headers=noisy).status == 204)


if __name__ == "__main__":
    main(ids, load_of_another, overrides_of_one, memory_of_pushes)
