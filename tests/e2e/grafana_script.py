#!/usr/bin/python3
"""The calls of Grafana's data source, Logs Drilldown, logcli and loki-canary, recorded in grafana_calls.jsonl, and what is expected of each.

A line: name, path, params and headers ({start_ns} and the like are filled in), status (200), type (Content-Type), text (the whole body) or
answer: JSON of which each member must be there. In it "<text>", "<number>", "<integer>" and "<ns>" stand for any of that kind, and "..." at a
list's end for more. `sort` and `drop` prepare a list whose order is nobody's; `order` is that of data's members, which Grafana reads as a stream;
`lines` counts lines and names the newest and oldest; `without` names members that must not be there.
"""
import gzip
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Failure, Server, check, equal, main, running  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = "querier:\n  query_ingesters_within: 0\nlimits_config:\n  max_query_series: 50\n"


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // NS)) + f".{ns % NS // 10**6:03}Z"


def differs(want, got, where="answer"):
    """None, or the first place where got is not what is wanted."""
    kinds = {"<text>": str, "<number>": (int, float), "<integer>": int}
    if isinstance(want, str) and want in kinds:
        fits = isinstance(got, kinds[want]) and not isinstance(got, bool)
        return None if fits else f"{where}: {want} expected, got {got!r}"
    if want == "<ns>":
        return None if isinstance(got, str) and re.fullmatch(r"\d{19}", got) else f"{where}: nanoseconds expected, got {got!r}"
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return f"{where}: an object expected, got {got!r}"
        for key, value in want.items():
            if key not in got:
                return f"{where}.{key} is missing in {sorted(got)}"
            if text := differs(value, got[key], f"{where}.{key}"):
                return text
        return None
    if isinstance(want, list):
        if not isinstance(got, list):
            return f"{where}: a list expected, got {got!r}"
        more = bool(want) and want[-1] == "..."
        items = want[:-1] if more else want
        if len(got) < len(items) or (len(got) > len(items) and not more):
            return f"{where}: {len(items)} items expected, got {len(got)}: {str(got)[:300]}"
        for n, (a, b) in enumerate(zip(items, got)):
            if text := differs(a, b, f"{where}[{n}]"):
                return text
        return None
    return None if want == got and isinstance(want, type(got)) else f"{where}: {want!r} expected, got {got!r}"


def ask(server, call, words):
    fill = lambda text: re.sub(r"\{(\w+)\}", lambda m: str(words.get(m[1], m[0])), text)  # noqa: E731
    answer = server.get(call["path"], {key: fill(value) for key, value in call["params"].items()}, headers=call.get("headers"))
    body = gzip.decompress(answer.body) if answer.headers.get("Content-Encoding") == "gzip" else answer.body
    text = body.decode()
    equal(answer.status, call.get("status", 200), f"status ({text[:300]})")
    if "type" in call:
        equal(answer.headers.get("Content-Type"), call["type"], "content type")
    if "text" in call:
        equal(text, call["text"], "text")
    if "answer" not in call:
        return
    got = json.loads(text)
    if "order" in call:
        equal(list(got["data"]), call["order"], "order of data")
    for key in call.get("without", []):
        check(key not in got, f"{key} is there")
    if "sort" in call:
        member, by = call["sort"]
        got[member].sort(key=lambda item: item[by])
    for key, values in call.get("drop", {}).items():
        member = call["sort"][0]
        got[member] = [item for item in got[member] if item[key] not in values]
    if text := differs(call["answer"], got):
        raise Failure(text)
    if "lines" in call:
        rows = sorted(tuple(value[:2]) for stream in got["data"]["result"] for value in stream["values"])
        equal(len(rows), call["lines"]["count"], "lines")
        for name, row in (("oldest", rows[0]), ("newest", rows[-1])):
            if name in call["lines"]:
                equal(row[1], call["lines"][name], name)


def calls(directory):
    with open(os.path.join(HERE, "grafana_calls.jsonl"), encoding="utf-8") as file:
        recorded = [json.loads(line) for line in file]
    now = time.time_ns() // (60 * NS) * 60 * NS
    row = now - 600 * NS
    with running(Server(directory, CONFIG)) as server:
        server.push_ok([
            ({"app": "shop", "env": "prod"}, [(row + (n - 30) * NS, f"order={n} took={n}ms level=info", {"trace_id": f"t{n:x}"}) for n in range(60)]),
            ({"app": "cart", "env": "prod", "pod": "7"}, [(row + n * NS, f'{{"n":{n}}}') for n in range(3)]),
        ])
        words = {"start_ns": row - 1800 * NS, "end_ns": now, "start_rfc": rfc3339(row - 1800 * NS), "end_rfc": rfc3339(now),
                 "row_ns": row, "row_minus_2h": row - 7200 * NS, "row_plus_2h": row + 7200 * NS}
        failed = []
        # What the canary writes comes last: it would show in the others' lists.
        for call in sorted(recorded, key=lambda call: "needs" in call):
            if call.get("needs") == "canary":
                server.push_ok([({"app": "canary", "stream": "stdout"}, [(row + n * NS, f"{row + n * NS} ppp") for n in range(1, 11)])])
            try:
                ask(server, call, words)
            except Failure as failure:
                failed.append(f"{call['name']}: {failure}")
        check(not failed, f"{len(failed)} of {len(recorded)} calls:\n" + "\n".join(failed))
        print(f"{len(recorded)} calls", flush=True)


if __name__ == "__main__":
    main(calls)
