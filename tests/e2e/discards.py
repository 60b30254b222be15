#!/usr/bin/python3
"""What of a push is refused: the answer, that the rest is stored, and Loki's counters, for each reason."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, json_push, main, proto_push, running, snappy_literals  # noqa: E402

CONFIG = """
limits_config:
  reject_old_samples: true
  reject_old_samples_max_age: 7d
  max_line_size: 100
  max_label_name_length: 20
  max_label_value_length: 30
  max_label_names_per_series: 5
  max_structured_metadata_size: 50
  max_structured_metadata_entries_count: 3
"""
DAY = 86400 * NS
STREAM = '{app="bad", service_name="bad"}'


def counters(server):
    found = {}
    for line in server.get("/metrics").text.splitlines():
        if line.startswith("loki_discarded_"):
            name, _, rest = line.partition("{")
            labels, _, value = rest.rpartition("} ")
            reason = next(part[8:-1] for part in labels.split(",") if part.startswith("reason="))
            found[name[15:-6], reason] = float(value)
    return found


def reasons(directory):
    now = time.time_ns()
    rfc = lambda ns: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // NS))  # noqa: E731
    of_app = lambda *entries: [({"app": "bad"}, list(entries))]  # noqa: E731
    # reason, push, text of the answer, lines and bytes that are counted, whether the whole stream is refused
    rows = [
        ("greater_than_max_sample_age", of_app((now - 8 * DAY, "old")), f"entry for stream '{STREAM}' has timestamp too old: {rfc(now - 8 * DAY)}", 1, 3, False),
        ("too_far_in_future", of_app((now + DAY, "new!")), f"entry for stream '{STREAM}' has timestamp too new: {rfc(now + DAY)}", 1, 4, False),
        ("line_too_long", of_app((now, "x" * 101)), f"max entry size '100' bytes exceeded for stream '{STREAM}' while adding an entry with length '101' bytes", 1, 101, False),
        ("structured_metadata_too_large", of_app((now, "m", {"k": "v" * 50})),
         f"stream '{STREAM}' has structured metadata too large: '51' bytes, limit: '50' bytes. Please see `limits_config.max_structured_metadata_size`", 1, 52, False),
        ("structured_metadata_too_many", of_app((now, "m", {f"k{n}": "v" for n in range(4)})),
         f"stream '{STREAM}' has too many structured metadata labels: '4', limit: '3'. Please see `limits_config.max_structured_metadata_entries_count`", 1, 13, False),
        ("max_label_names_per_series", [({"app": "bad", **{f"l{n}": "x" for n in range(5)}}, [(now, "a"), (now + 1, "bc")])],
         'entry for stream \'{app="bad", l0="x", l1="x", l2="x", l3="x", l4="x", service_name="bad"}\' has 6 label names; limit 5', 2, 3, True),
        ("label_name_too_long", [({"app": "bad", "l" * 21: "x"}, [(now, "a")])],
         f"stream '{{app=\"bad\", {'l' * 21}=\"x\", service_name=\"bad\"}}' has label name too long: '{'l' * 21}'", 1, 1, True),
        ("label_value_too_long", [({"app": "bad", "l": "x" * 31}, [(now, "a")])],
         f"stream '{{app=\"bad\", l=\"{'x' * 31}\", service_name=\"bad\"}}' has label value too long: '{'x' * 31}'", 1, 1, True),
        ("duplicate_label_names", [('{app="bad", app="worse"}', [(now, "a"), (now + 1, "b")])],
         'stream \'{app="bad", app="worse", service_name="bad"}\' has duplicate label name: \'app\'', 2, 2, True),
    ]
    with running(Server(directory, CONFIG)) as server:
        good, invalid = 0, [0, 0]
        for reason, streams, text, lines, size, whole in rows:
            for form in ("json", "protobuf"):
                if form == "json" and reason == "duplicate_label_names":
                    continue  # of equal names in JSON the last one wins
                good += 1
                before = counters(server)
                all_streams = [({"app": "good"}, [(now + good, f"{reason} {form}")]), *streams]
                answer = server.push(json_push(all_streams)) if form == "json" else server.push_proto(all_streams)
                equal(answer.status, 400, f"{reason} {form}: {answer.text}")
                check(answer.text.startswith(text) and answer.text.endswith("\n"), f"{reason} {form}:\n  want {text}\n  got  {answer.text}")
                after = counters(server)
                for name, want in (("samples", lines), ("bytes", size)):
                    equal(after.get((name, reason), 0) - before.get((name, reason), 0), want, f"{reason} {form}: {name}")
                if whole:
                    invalid = [invalid[0] + lines, invalid[1] + size]
        found = counters(server)
        equal([found["samples", "invalid_labels"], found["bytes", "invalid_labels"]], invalid, "streams that are refused as a whole count twice")
        stored = server.query_range('{app="good"}', start=now - NS, end=now + NS).json()["data"]["result"]
        equal(sum(len(r["values"]) for r in stored), good, "the lines beside the refused ones")
        equal(server.query_range('{app="bad"}', start=now - 9 * DAY, end=now + NS).json()["data"]["result"], [], "those")


def received(directory):
    """What comes in is counted before it is judged."""
    with running(Server(directory, "limits_config:\n  ingestion_rate_mb: 0.001\n  ingestion_burst_size_mb: 0.001\n")) as server:
        equal(server.push_json([({"app": "a"}, [(T0, "x" * 2000, {"k": "vw"}), (T0 + 1, "y")])]).status, 429, "too much at once")
        equal((server.metric("loki_distributor_lines_received_total"), server.metric("loki_distributor_bytes_received_total"),
               server.metric("loki_distributor_structured_metadata_bytes_received_total")), (2, 2004, 3), "received")
        found = counters(server)
        equal((found["samples", "rate_limited"], found["bytes", "rate_limited"]), (2, 2004), "refused")


def whole_pushes(directory):
    """Pushes of which nothing is stored."""
    at = str(T0)
    one = lambda stream, values: json.dumps({"streams": [{"stream": {"app": "a"}, "values": [[at, "good"]]}, {"stream": stream, "values": values}]})  # noqa: E731
    rows = [
        (one({"a-b": "c"}, [[at, "x"]]), 400, "couldn't parse labels: 1:3: parse error: unexpected character inside braces: '-'"),
        (one({"a b": "c"}, [[at, "x"]]), 400, 'couldn\'t parse labels: 1:4: parse error: unexpected identifier "b" in label set, expected "="'),
        (one({"a:b": "c"}, [[at, "x"]]), 400, "couldn't parse labels: 1:3: parse error: unexpected character inside braces: ':'"),
        (one({"a": "b"}, [[T0, "x"]]), 400, "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like Number/Boolean/None"),
        (one({"a": "b"}, [[at, 5]]), 400, "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value is string, but can't find closing"),
        (one({"a": "b"}, [["abc", "x"]]), 400, "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like Number/Boolean/None"),
        (one({"a": "b"}, [[at, "x", {"k": 5}]]), 400, "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value is string"),
        (one({"a": "b"}, [[at, "x", None]]), 400, "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: Value looks like object"),
        (one({"a": "b"}, [[at, "x", {"--": "v"}]]), 500, 'normalization for label name "--" resulted in invalid name "_"'),
        ("", 400, "EOF"),
        ("[]", 400, "readObjectStart: expect { or n"),
    ]
    with running(Server(directory, "querier:\n  query_ingesters_within: 0\n")) as server:
        for body, status, text in rows:
            answer = server.push(body.encode())
            check(answer.status == status and answer.text.startswith(text), f"{body}:\n  want {status} {text}\n  got  {answer.status} {answer.text}")
        bad_time = b"\x0a" + bytes([32]) + b'\x0a\x07{a="b"}\x12\x15\x0a\x10\x08\x87\xc5\x85\xd8\x06\x10\x80\xa8\xd6\xb9\x07\x18\x00\x18\x00\x12\x01x'
        answer = server.push(snappy_literals(bad_time), "application/x-protobuf")
        check(answer.status == 400 and answer.text.endswith("nanos not in range [0, 1e9)\n"), answer.text)
        answer = server.push(snappy_literals(proto_push([("{a=\"b\",,}", [(T0, "x")])])), "application/x-protobuf")
        equal(answer.text, 'couldn\'t parse labels: 1:8: parse error: unexpected "," in label set, expected identifier or "}"\n', "a label text")
        equal(server.get("/loki/api/v1/labels", {"start": T0 - NS, "end": T0 + NS}).json().get("data"), None, "nothing is stored")


if __name__ == "__main__":
    main(reasons, received, whole_pushes)
