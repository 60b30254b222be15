#!/usr/bin/python3
"""A dashboard of 20 panels opened by 10 people at once: nobody is told to come back later, one person's slow panels do not keep the others
waiting, who leaves frees what was done for him, and who reads slowly does not hold memory."""
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, wait_until  # noqa: E402

CONFIG = "limits_config:\n  reject_old_samples: false\n  max_entries_limit_per_query: 100000\n  query_timeout: 60s\n"
SANITIZED = bool(os.environ.get("SKALD_SANITIZE"))
SLOW = f'{{app="slow"}} | line_format `{{{{range 1000000000}}}}{{{{end}}}}`'


def fill(server):
    for app in range(5):
        for begin in range(0, 20_000, 5_000):
            server.push_ok([({"app": f"app-{app}"}, [(T0 + n * NS // 10, json.dumps({"level": "error" if n % 9 == 0 else "info", "took": n % 500, "n": n}))
                                                     for n in range(begin, begin + 5_000)])])
    server.push_ok([({"app": "slow"}, [(T0 + n * NS, f"line {n}") for n in range(10)])])


def panels():
    """20 questions as a dashboard asks them, with the number of series or lines that each must find."""
    out = []
    for app in range(5):
        selector = f'{{app="app-{app}"}}'
        out += [(f'sum by (level) (count_over_time({selector} | json [5m]))', 2), (f'sum(rate({selector} |= "error" [5m]))', 1),
                (f'quantile_over_time(0.99, {selector} | json | unwrap took [5m]) by (app)', 1), (f'{selector} |= "error"', None)]
    return out


def ask(server, person, query):
    """Past kept results: each question is work."""
    return server.query_range(query, T0, T0 + 2000 * NS, headers={"X-Grafana-User": person, "Cache-Control": "no-cache"}, step="60s", limit=1000)


def everybody(directory):
    with running(Server(directory, CONFIG)) as server:
        fill(server)
        server.flush()
        problems, slowest = [], {}

        def panel(person, query, series):
            began = time.monotonic()
            try:
                answer = ask(server, person, query)
                if answer.status != 200:
                    problems.append(f"{person}: {query}: {answer.status} {answer.text[:100]}")
                else:
                    result = answer.json()["data"]["result"]
                    got = len(result) if series else sum(len(stream["values"]) for stream in result)
                    if got != (series or 1000):
                        problems.append(f"{person}: {query}: {got}")
            except Exception as error:
                problems.append(f"{person}: {query}: {error!r}")
            slowest[person] = max(slowest.get(person, 0), time.monotonic() - began)

        threads = [threading.Thread(target=panel, args=(f"person-{p}", query, series)) for p in range(10) for query, series in panels()]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"  {len(threads)} panels in {time.monotonic() - began:.1f} s; each person's slowest: {', '.join(f'{s:.1f}' for s in slowest.values())} s")
        check(not problems, f"{len(problems)} panels: {problems[:5]}")
        # All have the same to ask, so nobody waits much longer than the others.
        check(max(slowest.values()) < 5 * min(slowest.values()) + 5, f"{slowest}")


def fairness(directory):
    """One person's many questions wait behind another's few, not the other way round."""
    with running(Server(directory, CONFIG, flags=("--query-concurrency=2",))) as server:
        fill(server)
        server.flush()
        query = 'sum by (level) (count_over_time({app=~"app-.*"} | json | took > 100 [5m]))'
        done = []

        def one(person):
            equal(ask(server, person, query).status, 200, person)
            done.append(person)

        greedy = [threading.Thread(target=one, args=("greedy",)) for _ in range(60)]
        for thread in greedy:
            thread.start()
        wait_until("greedy's questions wait", lambda: (server.metric("skald_queries_waiting") or 0) > 30)
        modest = [threading.Thread(target=one, args=("modest",)) for _ in range(3)]
        for thread in modest:
            thread.start()
        for thread in modest:
            thread.join()
        ahead = done.count("greedy")
        for thread in greedy:
            thread.join()
        print(f"  modest's 3 were done when {ahead} of greedy's 60 were")
        check(ahead < 45, f"{ahead} of greedy's questions came first")


def leaving(directory):
    """Who leaves frees threads and memory at once, whether his question runs or waits."""
    with running(Server(directory, CONFIG, flags=("--query-concurrency=2",))) as server:
        fill(server)
        path = "/loki/api/v1/query_range?" + urllib.parse.urlencode({"query": SLOW, "start": T0, "end": T0 + 3600 * NS})
        sockets = []
        for _ in range(20):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            sockets.append(s)

        def counts():
            # /metrics itself needs no thread of the questions.
            return server.metric("skald_queries_running"), server.metric("skald_queries_waiting")

        wait_until("two run, the others wait", lambda: counts() == (2, 18))
        began = time.monotonic()
        for s in sockets:
            s.close()
        wait_until("nothing runs or waits", lambda: counts() == (0, 0), 20 if not SANITIZED else 60)
        took = time.monotonic() - began
        print(f"  all free {took:.2f} s after they left")
        equal(len(server.lines('{app="slow"}')), 10, "others are answered")


def slow_readers(directory):
    """Large answers that nobody reads: they are bounded, and given up when nothing moves."""
    with running(Server(directory, CONFIG)) as server:
        server.push_ok([({"app": "wide"}, [(T0 + n * NS, f"{n} " + "w" * 20_000) for n in range(1000)])])
        path = "/loki/api/v1/query_range?" + urllib.parse.urlencode({"query": '{app="wide"}', "start": T0, "end": T0 + 3600 * NS, "limit": 1000})
        sockets = []
        for _ in range(60):  # of 20 MB each
            s = socket.create_connection(("127.0.0.1", server.port))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            sockets.append(s)
        wait_until("every question was worked on", lambda: (server.metric("skald_queries_running"), server.metric("skald_queries_waiting")) == (0, 0), 120)
        held = server.metric("skald_http_answer_bytes")
        peak = server.memory_peak()
        print(f"  {held / 1e6:.0f} MB of answers wait, memory peak {peak >> 20} MiB")
        check(held <= 512 << 20, f"{held} bytes of answers")
        if not SANITIZED:
            check(peak < 1500 << 20, f"memory peak {peak >> 20} MiB")
        equal(len(server.lines('{app="wide"} |= "999 "', limit=10)), 1, "others are answered")
        for s in sockets:
            s.close()
        wait_until("what they held is free", lambda: server.metric("skald_http_answer_bytes") == 0)


if __name__ == "__main__":
    main(everybody, fairness, leaving, slow_readers)
