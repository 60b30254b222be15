#!/usr/bin/python3
"""Patterns: the counts of a stream's patterns add up to its lines, step by step, wherever the lines are: in memory, in segments, replayed
after kill -9, in part late, repeated or deleted."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, seed  # noqa: E402

S = T0 // NS
CONFIG = "limits_config:\n  reject_old_samples: false\n"
WORDS = "open close read write fail retry start stop accept deny".split()


def patterns(server, query, start=S, end=S + 3600, step="10s", headers=None):
    answer = server.get("/loki/api/v1/patterns", {"query": query, "start": start, "end": end, "step": step}, headers=headers)
    equal((answer.status, answer.headers.get("Content-Type")), (200, "application/json; charset=UTF-8"), f"patterns of {query}: {answer.text[:300]}")
    body = answer.json()
    equal((list(body), body["status"]), (["status", "data"], "success"), "the envelope")
    for element in body["data"]:
        equal(list(element), ["pattern", "level", "samples"], "an element")
        times = [t for t, _ in element["samples"]]
        check(times == sorted(set(times)), f"times {times}")
    totals = [sum(n for _, n in element["samples"]) for element in body["data"]]
    check(totals == sorted(totals, reverse=True), f"not the largest first: {totals}")
    return body["data"]


def by_time(data, level=None):
    out = {}
    for element in data:
        if level in (None, element["level"]):
            for t, n in element["samples"]:
                out[t] = out.get(t, 0) + n
    return out


def line_of(n, rng):
    kind = n % 4
    if kind == 0:
        return f'level=info msg="request done" status={rng.choice((200, 404))} took={n}ms'
    if kind == 1:
        return f'{{"level":"error","msg":"cannot connect to <db>","attempt":{n}}}'
    if kind == 2:
        return f'10.0.0.{n % 250} - - "GET /a/{n} HTTP/1.1" 200'
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))


def want_by_time(lines, step=10):
    """Lines are counted in tens of seconds, and those at multiples of the step."""
    out = {}
    for t, _ in lines:
        at = t // NS // 10 * 10 // step * step
        out[at] = out.get(at, 0) + 1
    return out


def lives(directory):
    rng = random.Random(seed())
    lines = {app: [(T0 + rng.randrange(0, 3500) * NS + n, line_of(n, rng)) for n in range(4000)] for app in ("a", "b")}
    late = {app: [(T0 + rng.randrange(0, 3500) * NS + 5000 + n, line_of(n, rng)) for n in range(1500)] for app in ("a", "b")}

    def agree(server, when):
        for app, own in lines.items():
            query = f'{{app="{app}"}}'
            equal(by_time(patterns(server, query)), want_by_time(own), f"{when}: {app}")
            equal(by_time(patterns(server, query, step="45s")), want_by_time(own, 45), f"{when}: {app}, other steps")
            infos = server.count(query + ' | detected_level="info"')
            equal(sum(by_time(patterns(server, query), "info").values()), infos, f"{when}: {app}, one level")
        together = {}
        for own in lines.values():
            for t, n in want_by_time(own).items():
                together[t] = together.get(t, 0) + n
        equal(by_time(patterns(server, '{app=~".+"}')), together, f"{when}: both")

    with running(Server(directory, CONFIG)) as server:
        for begin in range(0, 4000, 500):
            server.push_ok([({"app": app}, sorted(lines[app][begin:begin + 500])) for app in lines])
        agree(server, "in memory")
        data = patterns(server, '{app="a"}')
        texts = {(e["pattern"], e["level"]) for e in data}
        for want in (('level=info msg="request done" status=<_> took=<_>', "info"),
                     ('{"level":"error","msg":"cannot connect to <db>","attempt":<_>}', "error"),
                     ('<_> - - "GET <_> HTTP/1.1" 200', "unknown")):
            check(want in texts, f"no {want} among {sorted(texts)}")
        server.kill()
        server.start()
        agree(server, "replayed after kill -9")
        server.flush()
        agree(server, "in a segment")
        for app in lines:
            server.push_ok([({"app": app}, sorted(late[app]))])
            # Sent again: what is in a segment and what is in memory are the same lines.
            server.push_ok([({"app": app}, sorted(lines[app][:700]))])
            lines[app] += late[app]
        agree(server, "late and repeated lines")
        server.flush()
        server.stop()
        server.start()
        agree(server, "after a restart")
        told = server.metric("skald_pattern_blocks_total")
        check(told and told > 0, f"blocks asked: {told}")

        # Lines that are deleted do not count, at once.
        answer = server.request("POST", "/loki/api/v1/delete", {"query": '{app="a"} |= "request done"', "start": S, "end": S + 1800})
        equal(answer.status, 204, "delete")
        lines["a"] = [(t, line) for t, line in lines["a"] if not ("request done" in line and t <= (S + 1800) * NS)]
        agree(server, "after a delete")


def ranges_and_errors(directory):
    with running(Server(directory, CONFIG)) as server:
        server.push_ok([({"app": "a"}, [(T0 + n * NS, f"took {n} ms") for n in range(100)])])
        # Steps of ten seconds that begin within [start, end).
        equal(by_time(patterns(server, '{app="a"}', S + 20, S + 50)), {S + 20: 10, S + 30: 10, S + 40: 10}, "whole steps")
        equal(by_time(patterns(server, '{app="a"}', S + 21, S + 51)), {S + 30: 10, S + 40: 10, S + 50: 10}, "cut steps")
        equal(by_time(patterns(server, '{app="a"}', S, S + 100, "1m")), {S: 60, S + 60: 40}, "minutes")
        equal(patterns(server, '{app="a"}', S + 50, S + 20), [], "end before start")
        equal(patterns(server, '{app="nobody"}'), [], "no stream")
        equal(server.get("/loki/api/v1/patterns", {"query": '{app="nobody"}'}).text, '{"status":"success","data":[]}\n', "nothing")
        for params, text in (({"query": '{app="a"} |= "x"'}, "only label matchers are supported"),
                             ({"query": 'rate({app="a"}[1m])'}, "only label matchers are supported"),
                             ({"query": '{app="a"}', "step": "-1"}, "zero or negative query resolution step widths are not accepted. Try a positive integer"),
                             ({"query": '{app="a"}', "step": "abc"}, 'cannot parse "abc" to a valid duration'),
                             ({"query": '{app="a"}', "step": "1ms"},
                              "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter"),
                             ({"query": ""}, "parse error : syntax error: unexpected $end")):
            answer = server.get("/loki/api/v1/patterns", params)
            equal((answer.status, answer.text), (400, text), f"{params}")
        # Neither limit nor max_query_length are looked at.
        equal(server.get("/loki/api/v1/patterns", {"query": '{app="a"}', "limit": "x", "start": S - 40 * 86400, "end": S + 100, "step": "1h"}).status, 200,
              "40 days")
        check(server.get("/loki/api/v1/drilldown-limits", headers={"X-Scope-OrgID": "fake"}).json()["pattern_ingester_enabled"], "Drilldown is not told")


def many_kinds(directory):
    """More kinds of lines than an answer has places: the rest is one pattern, and nothing is lost."""
    with running(Server(directory, CONFIG)) as server:
        rng = random.Random(1)
        for stream in range(20):
            rows = [(T0 + n * NS, "".join(rng.choice("abcdefghij") for _ in range(12)) + " x" * (n % 40)) for n in range(400)]
            server.push_ok([({"app": "many", "part": str(stream)}, rows)])
        data = patterns(server, '{app="many"}', end=S + 3600)
        check(len(data) <= 300, f"{len(data)} patterns")
        equal(sum(by_time(data).values()), 8000, "lines")
        server.flush()
        equal(sum(by_time(patterns(server, '{app="many"}')).values()), 8000, "lines, stored")


def tenants(directory):
    config = CONFIG + "auth_enabled: true\nquerier:\n  multi_tenant_queries_enabled: true\n"
    with running(Server(directory, config)) as server:
        for tenant, n in (("a", 50), ("b", 70)):
            server.push_ok([({"app": "x"}, [(T0 + k * NS, f"took {k} ms") for k in range(n)])], headers={"X-Scope-OrgID": tenant})
        for tenant, want in (("a", 50), ("b", 70), ("a|b", 120), ("c", 0)):
            for _ in range(2):
                data = patterns(server, '{app="x"}', headers={"X-Scope-OrgID": tenant})
                equal(sum(by_time(data).values()), want, f"tenant {tenant}")
            server.flush(headers={"X-Scope-OrgID": tenant})
        equal(server.get("/loki/api/v1/patterns", {"query": '{app="x"}'}).status, 401, "no tenant")


if __name__ == "__main__":
    main(lives, ranges_and_errors, many_kinds, tenants)
