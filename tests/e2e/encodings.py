#!/usr/bin/python3
"""The same lines, sent in every encoding that senders use, give the same answers."""
import gzip
import json
import os
import random
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import (NS, T0, Server, check, equal, json_push, main, proto_push, running, seed,  # noqa: E402
                     snappy_literals)

CONFIG = "auth_enabled: true\nquerier:\n  query_ingesters_within: 0\n"
WORDS = ["error", "timeout", "GET /login", "déjà vu", "日本語", '"quoted"', "tab\there", "a=1 b=2", '{"level":"warn","n":3}',
         "level=debug x=y", "", " ", "\\backslash", "\u2028", "<html>&amp;", "line one\nline two"]


def streams(random_):
    out = []
    for app in ("api", "web", "db"):
        entries = []
        for n in range(200):
            line = f"{n} " + " ".join(random_.choice(WORDS) for _ in range(random_.randrange(1, 5)))
            metadata = {"trace_id": f"t{n % 7}", "k.dotted": "v"} if n % 3 == 0 else None
            entries.append((T0 + n * NS + random_.randrange(NS), line, metadata))
        out.append(({"app": app, "env": "prod", "path": 'C:\\x "y"'}, entries))
    return out


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def snappy_with_copies(data):
    """Snappy's block format with back references of 2-byte offsets, as real encoders write them."""
    out = bytearray()
    n = len(data)
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    seen, at, literal = {}, 0, 0

    def flush(end):
        begin = literal
        while begin < end:
            piece = data[begin:min(end, begin + 60)]
            out.append((len(piece) - 1) << 2)
            out.extend(piece)
            begin += len(piece)

    while at + 4 <= len(data):
        key = data[at:at + 4]
        found = seen.get(key)
        seen[key] = at
        if found is not None and at - found < 65536:
            length = 4
            while length < 64 and at + length < len(data) and data[found + length] == data[at + length]:
                length += 1
            flush(at)
            out.append((length - 1) << 2 | 2)
            out.extend((at - found).to_bytes(2, "little"))
            at += length
            literal = at
        else:
            at += 1
    flush(len(data))
    return bytes(out)


QUESTIONS = [
    ("query_range", {"query": '{env="prod"}', "limit": 1000}),
    ("query_range", {"query": '{env="prod"}', "limit": 1000, "direction": "forward"}),
    ("query_range", {"query": '{app="api"} |= "error" | logfmt'}),
    ("query_range", {"query": '{app="web"} | json | n > 2'}),
    ("query_range", {"query": '{env="prod"} | trace_id="t3"', "limit": 1000}),
    ("query_range", {"query": 'sum by (app, detected_level) (count_over_time({env="prod"}[1m]))', "step": 60}),
    ("query", {"query": 'sum by (app) (bytes_over_time({env="prod"}[1h]))', "time": T0 + 3600 * NS}),
    ("labels", {}),
    ("label/app/values", {}),
    ("series", {"match[]": '{app=~".+"}'}),
]


def answers(server, tenant):
    out = []
    for path, params in QUESTIONS:
        answer = server.get(f"/loki/api/v1/{path}", {"start": T0, "end": T0 + 3600 * NS, **params},
                            headers={"X-Scope-OrgID": tenant})
        check(answer.status == 200, f"{path} {params}: {answer.status} {answer.text}")
        body = answer.json()
        if isinstance(body["data"], dict):
            body["data"].pop("stats", None)
        out.append(json.dumps(body, sort_keys=True))
    return out


def same_answers_in_every_encoding(directory):
    load = streams(random.Random(seed()))
    as_json, as_proto = json_push(load), proto_push(load)
    proto = "application/x-protobuf"
    senders = {
        "json": (as_json, "application/json", None),
        "json-charset": (as_json, "application/json; charset=utf-8", None),
        "json-gzip": (gzip.compress(as_json), "application/json", "gzip"),
        "json-deflate": (raw_deflate(as_json), "application/json", "deflate"),
        "snappy": (snappy_literals(as_proto), proto, None),
        "snappy-named": (snappy_literals(as_proto), proto, "snappy"),
        "snappy-copies": (snappy_with_copies(as_proto), proto, None),
        "snappy-gzip": (gzip.compress(snappy_literals(as_proto)), proto, "gzip"),
        "other-type": (snappy_with_copies(as_proto), "application/octet-stream", None),
    }
    with running(Server(directory, CONFIG)) as server:
        for tenant, (body, kind, encoding) in senders.items():
            headers = {"X-Scope-OrgID": tenant}
            if encoding:
                headers["Content-Encoding"] = encoding
            answer = server.push(body, kind, headers)
            equal((answer.status, answer.text), (204, ""), f"push as {tenant}")
        for where in ("in memory", "in segments"):
            want = answers(server, "json")
            check(len(json.loads(want[0])["data"]["result"]) > 3, "nothing was found")
            for tenant in senders:
                for (path, params), got, wanted in zip(QUESTIONS, answers(server, tenant), want):
                    equal(got, wanted, f"{tenant} {where}: {path} {params}")
            server.flush({"X-Scope-OrgID": "json"})


def every_line_comes_back_as_it_was_sent(directory):
    load = streams(random.Random(seed()))
    with running(Server(directory, CONFIG, tenant="t")) as server:
        answer = server.push_proto(load)
        equal(answer.status, 204, "push")
        for labels, entries in load:
            got = server.lines(f'{{app="{labels["app"]}"}}')
            equal(got, sorted((ns, line) for ns, line, _ in entries), f"lines of {labels['app']}")


if __name__ == "__main__":
    main(same_answers_in_every_encoding, every_line_comes_back_as_it_was_sent)
