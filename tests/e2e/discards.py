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
            found[name[15:-6], reason] = found.get((name[15:-6], reason), 0) + float(value)
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


BLOCKED = """
auth_enabled: true
runtime_config:
  file: {directory}/overrides.yaml
"""
OVERRIDES = """
overrides:
  blk: {block_ingestion_until: 2100-01-02T03:04:05Z}
  past: {block_ingestion_until: 2020-01-02T03:04:05Z}
  zone: {block_ingestion_until: "2100-01-02T03:04:05.123+02:00", block_ingestion_status_code: 429}
  silent: {block_ingestion_until: 2100-01-02, block_ingestion_status_code: 200}
  enf: {enforced_labels: [team, env]}
  both: {enforced_labels: [team], block_ingestion_until: 2100-01-02T03:04:05Z, max_label_names_per_series: 2}
  policies:
    policy_stream_mapping:
      gold: [{selector: '{app="g"}', priority: 2}, {selector: '{tier="gold"}', priority: 1}]
      silver: [{selector: '{tier=~"s.*"}', priority: 1}]
      alpha: [{selector: '{app="tie"}', priority: 3}]
      beta: [{selector: '{app="tie"}', priority: 3}]
      low: [{selector: '{app=~".+"}', priority: 0}]
    policy_enforced_labels: {gold: [owner], '*': [any], hdr: [hh], alpha: [aa]}
    enforced_labels: [team, team]
    block_ingestion_policy_until: {silver: 2100-01-02T03:04:05Z, '*': 2020-01-02T03:04:05Z}
  star:
    policy_stream_mapping: {gold: [{selector: '{app="g"}', priority: 2}]}
    block_ingestion_policy_until: {'*': 2100-01-02T03:04:05Z}
  ret: {enforced_labels: [zz], retention_period: 50h, retention_stream: [{selector: '{app="g"}', priority: 1, period: 24h}]}
  str: {max_global_streams_per_user: 1}
  psr: {per_stream_rate_limit: 1KB, per_stream_rate_limit_burst: 1KB}
"""
MISSING = "missing required labels '{}' for user '{}' for stream '{}' (policy: '{}')"
UNTIL = "ingestion blocked for user '{}' until '{}' with status code '{}'"
POLICY_UNTIL = "ingestion blocked for user '{}' (policy: '{}') until '{}' with status code '260'"


def discarded(server):
    """{(samples or bytes, reason, policy, format, retention_hours): value} of all tenants together."""
    found = {}
    for line in server.get("/metrics").text.splitlines():
        if line.startswith("loki_discarded_"):
            name, _, rest = line.partition("{")
            labels, _, value = rest.rpartition("} ")
            labels = dict(part.split("=", 1) for part in labels.split(","))
            key = name[15:-6], *(labels[k][1:-1] for k in ("reason", "policy", "format", "retention_hours"))
            found[key] = found.get(key, 0) + float(value)
    return found


def blocked(directory):
    """Streams that may not come in at all: enforced labels, blocked ingestion, policies. As a real Loki answers."""
    now = time.time_ns()
    one = lambda labels, *entries: (labels, list(entries) or [(now, "x")])  # noqa: E731
    text = lambda labels: "{" + ", ".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}"  # noqa: E731
    refused = lambda tenant, labels, missing, policy="": MISSING.format(missing, tenant, text(labels), policy)  # noqa: E731
    a = {"app": "a", "service_name": "a"}
    block = "blocked_ingestion"
    # tenant, streams, headers, status, text, {(reason, policy): (lines, bytes)}
    rows = [
        ("blk", [one({"app": "a"}, (now, "x"), (now + 1, "yy", {"k": "v"})), one({"app": "b"}, (now, "z"))], {}, 260, UNTIL.format("blk", "2100-01-02T03:04:05Z", 260), {(block, ""): (3, 6)}),
        ("blk", [], {}, 422, "error at least one valid stream is required for ingestion", {}),
        ("blk", [({"app": "a"}, [])], {}, 204, "", {}),
        ("blk", [one({"app": "a", "l" * 2000: "x"}, (now, "x", {"k": "v"}))], {}, 400, "stream '{app=", {("label_name_too_long", ""): (1, 3), ("invalid_labels", ""): (1, 3)}),
        ("past", [one({"app": "a"})], {}, 204, "", {}),
        ("zone", [one({"app": "a"})], {}, 429, UNTIL.format("zone", "2100-01-02T03:04:05+02:00", 429), {(block, ""): (1, 1)}),
        ("silent", [one({"app": "a"})], {}, 204, "", {(block, ""): (1, 1)}),
        ("enf", [one({"app": "a"})], {}, 400, refused("enf", a, "team,env"), {("missing_enforced_labels", ""): (1, 1)}),
        ("enf", [one({"app": "a"}, (now, "x"), (now, "y")), one({"app": "a", "env": "e"}), one({"app": "a", "env": "e", "team": ""}), one({"app": "a", "env": "e", "team": "t"})], {}, 400,
         "1 errors like: " + refused("enf", a, "team,env") + "; 2 errors like: " + refused("enf", {**a, "env": "e"}, "team"), {("missing_enforced_labels", ""): (4, 4)}),
        ("enf", [one({"app": "a", "__aggregated_metric__": "x"})], {}, 204, "", {}),
        ("both", [one({"app": "a"}), one({"team": "t"})], {}, 400, refused("both", a, "team"), {("missing_enforced_labels", ""): (1, 1), (block, ""): (1, 1)}),
        ("both", [one({"app": "a", "b": "c", "d": "e"})], {}, 400, "entry for stream", {("max_label_names_per_series", ""): (1, 1), ("invalid_labels", ""): (1, 1)}),
        ("policies", [one({"app": "g"})], {}, 400, refused("policies", {"app": "g", "service_name": "g"}, "team,any,owner", "gold"), {("missing_enforced_labels", "gold"): (1, 1)}),
        ("policies", [one({"app": "g", "owner": "o", "team": "t", "any": "z"})], {}, 204, "", {}),
        ("policies", [one({"app": "a", "tier": "gold", "team": "t"})], {}, 400, refused("policies", {**a, "team": "t", "tier": "gold"}, "any,owner", "gold"), {("missing_enforced_labels", "gold"): (1, 1)}),
        ("policies", [one({"app": "tie", "any": "z"})], {}, 400, refused("policies", {"any": "z", "app": "tie", "service_name": "tie"}, "team,aa", "alpha"), {("missing_enforced_labels", "alpha"): (1, 1)}),
        ("policies", [one({"app": "a", "any": "z"})], {}, 400, refused("policies", {**a, "any": "z"}, "team", "low"), {("missing_enforced_labels", "low"): (1, 1)}),
        ("policies", [one({"app": "g", "any": "z", "team": "t"})], {"X-Loki-Ingestion-Policy": "hdr"}, 400, refused("policies", {"any": "z", "app": "g", "service_name": "g", "team": "t"}, "hh", "hdr"), {("missing_enforced_labels", "hdr"): (1, 1)}),
        ("policies", [one({"tier": "silver", "team": "t", "any": "z"}), one({"tier": "gold", "team": "t", "any": "z", "owner": "o"})], {}, 260, POLICY_UNTIL.format("policies", "silver", "2100-01-02T03:04:05Z"), {("blocked_ingestion_policy", "silver"): (1, 1)}),
        ("policies", [one({"tier": "silver", "team": "t", "any": "z"}), one({"tier": "gold", "team": "t", "any": "z", "owner": "o"}, (now, "x"), (now + DAY, "x"))], {}, 400, "entry for stream",
         {("blocked_ingestion_policy", "silver"): (1, 1), ("too_far_in_future", "gold"): (1, 1)}),
        ("star", [one({"app": "h"})], {}, 260, POLICY_UNTIL.format("star", "", "2100-01-02T03:04:05Z"), {("blocked_ingestion_policy", ""): (1, 1)}),
        ("star", [one({"app": "g"})], {}, 204, "", {}),
        ("star", [one({"app": "h"})], {"X-Loki-Ingestion-Policy": "gold"}, 204, "", {}),
    ]
    with open(os.path.join(directory, "overrides.yaml"), "w") as f:
        f.write(OVERRIDES)
    with running(Server(directory, BLOCKED.replace("{directory}", directory))) as server:
        for tenant, streams, headers, status, want, counted in rows:
            before = discarded(server)
            answer = server.push(json_push(streams), headers={"X-Scope-OrgID": tenant, **headers})
            equal(answer.status, status, f"{tenant} {streams}: {answer.text}")
            check(answer.text.startswith(want), f"{tenant} {streams}:\n  want {want}\n  got  {answer.text}")
            grown = {k: v - before.get(k, 0) for k, v in discarded(server).items() if v != before.get(k, 0)}
            equal(grown, {(what, reason, policy, "loki", "0"): amount for (reason, policy), amounts in counted.items() for what, amount in zip(("samples", "bytes"), amounts)}, f"{tenant} {streams}")

        log = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": str(now), "body": {"stringValue": "x"}}]}]}]}
        before = discarded(server)
        answer = server.request("POST", "/otlp/v1/logs", body=json.dumps(log).encode(), headers={"X-Scope-OrgID": "blk", "Content-Type": "application/json"})
        equal((answer.status, answer.body[2:].decode()), (260, UNTIL.format("blk", "2100-01-02T03:04:05Z", 260)), "OTLP")
        key = ("samples", block, "", "otlp", "0")
        equal(discarded(server).get(key, 0) - before.get(key, 0), 1, "OTLP is counted as such")

        # how long the stream would have been kept
        server.push(json_push([one({"app": "g"}), one({"app": "h"})]), headers={"X-Scope-OrgID": "ret"})
        found = discarded(server)
        equal([found.get(("samples", "missing_enforced_labels", "", "loki", hours)) for hours in ("24", "50")], [1, 1], "retention_hours")

        equal(server.push(json_push([one({"app": "a"})]), headers={"X-Scope-OrgID": "str"}).status, 204, "the first stream")
        answer = server.push(json_push([one({"app": "b"}, (now, "x"), (now + 1, "yy", {"k": "v"}))]), headers={"X-Scope-OrgID": "str"})
        equal((answer.status, answer.text), (429, 'maximum active stream limit exceeded when trying to create stream {app="b", service_name="b"}, reduce the number of active streams (reduce labels or reduce label values), '
                                             "or contact your Loki administrator to see if the limit can be increased, user: 'str'\n"), "the second")
        found = discarded(server)
        equal([found[what, "stream_limit", "", "", "0"] for what in ("samples", "bytes")], [2, 5], "stream_limit")

        at = 1795263484637808270
        answer = server.push(json_push([({"app": "a"}, [(at + n, "x" * 100, {"k": "v"}) for n in range(12)])]), headers={"X-Scope-OrgID": "psr"})
        each = ("entry with timestamp 2026-11-21 12:18:04.{} +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: 1KB/sec) while attempting to ingest for stream '{{app=\"a\", service_name=\"a\"}}' "
                "totaling 102B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\n")
        want = "".join(each.format(str(637808270 + n).rstrip("0")) for n in range(10)) + "user 'psr', total ignored: 12 out of 12 for stream: {app=\"a\", service_name=\"a\"}\n"
        equal((answer.status, answer.text), (429, want), "per_stream_rate_limit")
        found = discarded(server)
        equal([found[what, "per_stream_rate_limit", "", "", "0"] for what in ("samples", "bytes")], [12, 1224], "per_stream_rate_limit")


GENERIC = """
querier:
  query_ingesters_within: 0
limits_config:
  discover_generic_fields:
    fields:
      trace: [trace_id, traceid, "user.trace"]
      org: [org, org_id]
      arr: ["list[0]", "a.b.c", '["x.y"]']
      "bad name": [bn, "not a path"]
      detected_level: [lv]
"""


def generic_fields(directory):
    """discover_generic_fields: labels before metadata before the line. As a real Loki stores it."""
    # line, labels, metadata, what is found
    rows = [
        ('{"trace_id":"J1"}', {}, {}, {"trace": "J1"}),
        ('{"traceid":"J2","org":5}', {}, {}, {"org": "5", "trace": "J2"}),
        ('{"user":{"trace":"J3"},"list":["l0","l1"]}', {}, {}, {"arr": "l0", "detected_level": "trace", "trace": "J3"}),
        ('{"a":{"b":{"c":"abc"}}}', {}, {}, {"arr": "abc"}),
        ('{"x.y":"xy"}', {}, {}, {"arr": "xy"}),
        ('{"org":{"k":"v"}}', {}, {}, {"org": '{"k":"v"}'}),
        ('{"org":null}', {}, {}, {"org": "null"}),
        ('{"org":"","org_id":"x"}', {}, {}, {}),
        ('{"org":1.50}', {}, {}, {"org": "1.50"}),
        ('{"org":"a\\nb\\u00e9"}', {}, {}, {"org": "a\\nb\\u00e9"}),
        (' {"org":"blank"} ', {}, {}, {"org": "blank"}),
        ('{"org":"broken"', {}, {}, {}),
        ('{"a":1 "org":"x"}', {}, {}, {"org": "x"}),
        ('{"ORG":"upper"}', {}, {}, {}),
        ("ORG=lf trace_id=T9", {}, {}, {"org": "lf", "trace": "T9"}),
        ('org="q v" x', {}, {}, {"org": "q v"}),
        ("user.trace=dot", {}, {}, {"trace": "dot"}),
        ("org_id=second org=first", {}, {}, {"org": "first"}),
        ('{"org_id":"second","org":"first"}', {}, {}, {"org": "first"}),
        ("org=a org=b", {}, {}, {"org": "a"}),
        ("plain org text", {}, {}, {}),
        ('{"list":[]}', {}, {}, {}),
        ("bn=5", {}, {}, {"bad_name": "5"}),
        ("lv=ERR x", {}, {}, {"detected_level": "ERR"}),
        ("lv=warn", {}, {"detected_level": "error"}, {"detected_level": "warn"}),
        ("x", {"lv": "ERROR"}, {}, {"detected_level": "ERROR"}),
        ('{"trace_id":"J"}', {"trace_id": "LBL"}, {"traceid": "META"}, {"trace": "LBL", "traceid": "META"}),
        ('{"trace_id":"J"}', {}, {"traceid": "META"}, {"trace": "META", "traceid": "META"}),
        ('{"trace_id":"J"}', {}, {"trace": "OWN"}, {"trace": "J"}),
        ('{"org":"J"}', {"org_id": "L2"}, {"org": "M1"}, {"org": "L2"}),
    ]
    now = time.time_ns()
    with running(Server(directory, GENERIC)) as server:
        equal(server.push_json([({"n": f"{n:02}", **labels}, [(now, line, metadata)]) for n, (line, labels, metadata, _) in enumerate(rows)]).status, 204, "push")
        answer = server.query_range('{n=~".+"}', start=now - NS, end=now + NS, limit=1000, headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
        found = {stream["stream"]["n"]: value[2]["structuredMetadata"] for stream in answer.json()["data"]["result"] for value in stream["values"]}
        for n, (line, labels, metadata, want) in enumerate(rows):
            equal(found[f"{n:02}"], {"detected_level": "unknown", **want}, f"{line} {labels} {metadata}")


def too_large(directory):
    """Bodies over push.max_bytes are counted by their bytes."""
    with running(Server(directory, "push:\n  max_bytes: 1000\n")) as server:
        rows = [("/loki/api/v1/push", "application/x-protobuf", 413, b"request body too large: message size too large than max (1500 vs 1000)\n", "loki"),
                ("/otlp/v1/logs", "application/x-protobuf", 413, b"\x12Frequest body too large: message size too large than max (1001 vs 1000)", "otlp")]
        for path, content_type, status, want, form in rows:
            answer = server.request("POST", path, body=b"x" * 1500, headers={"Content-Type": content_type})
            equal((answer.status, answer.body), (status, want), path)
            equal(discarded(server).get(("bytes", "request_body_too_large", "", form, "")), 1500, path)
        answer = server.push(b'{"streams":[' + b" " * 1500 + b"]}")
        equal(answer.status, 400, "JSON beyond it")


if __name__ == "__main__":
    main(reasons, received, whole_pushes, blocked, generic_fields, too_large)
