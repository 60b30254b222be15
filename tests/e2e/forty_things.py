#!/usr/bin/python3
"""What servers that speak Loki's API usually get wrong, one named check for each (the numbers are those of the list in its contract).

Where Skald differs on purpose, the check says `ours:` and holds what Skald does; docs/api.md has the reasons.
"""
import json
import os
import socket
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (NS, T0, Failure, Server, check, equal, json_push, main, proto_field, proto_push, running,  # noqa: E402
                     snappy_literals)
from web_socket import Closed, WebSocket  # noqa: E402

API = "/loki/api/v1/"
HOUR = 3600 * NS
CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
JSON = {"Content-Type": "application/json"}
PROTO = {"Content-Type": "application/x-protobuf"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIMITS = """
querier:
  query_ingesters_within: 0
limits_config:
  reject_old_samples: true
  reject_old_samples_max_age: 100y
  max_query_series: 3
"""


def get(server, path, want=200, headers=None, **params):
    answer = server.get(path if path.startswith("/") else API + path, params, headers=headers)
    equal(answer.status, want, f"{path} {params}: {answer.text[:300]}")
    return answer


def result(server, query, **params):
    return get(server, "query_range", query=query, **{"start": T0, "end": T0 + HOUR, **params}).json()["data"]["result"]


def instant(server, query, time=T0 + HOUR, **params):
    return get(server, "query", query=query, time=time, **params).json()["data"]["result"]


def stream_of(server, selector):
    return [r["stream"] for r in result(server, selector)]


def empty_answers(s):
    for path in ("labels", "label/nope/values"):
        equal(get(s, path, start=1, end=2).text, '{"status":"success"}\n', path)
    for path in ("detected_labels", "detected_fields", "detected_field/x/values"):
        equal(get(s, path, query='{app="nope"}').text, "{}\n", path)
    equal(get(s, "series", match='{app="nope"}').json()["data"], [], "series")
    equal(get(s, "patterns", query='{app="nope"}').json()["data"], [], "patterns")


def error_forms(s):
    text = "text/plain; charset=utf-8"
    answer = get(s, "query_range", 400, query="{")
    check(not answer.text.endswith("\n") and answer.headers["Content-Type"] == text, "questions: text without a newline")
    answer = s.push(b"[]")
    check(answer.status == 400 and answer.text.endswith("\n") and answer.headers["Content-Type"] == text, "pushes: text with one")
    answer = get(s, "format_query", 400, query="{a=")
    equal(answer.json()["status"], "invalid-query", "format_query: JSON")
    answer = s.request("POST", "/otlp/v1/logs", body=b'{"resourceLogs":[]}', headers=JSON)
    equal((answer.status, answer.body[:1], answer.headers["Content-Type"]), (422, b"\x12", "application/octet-stream"), "OTLP: a Status")


def integer_times(s):
    at = lambda text: instant(s, "vector(1)", time=text)[0]["value"][0]  # noqa: E731
    equal(at("1793534400"), 1793534400, "ten characters are seconds")
    equal(at("1793534400000"), 1793.534, "thirteen are nanoseconds too, of 1970")
    equal(at("1793534400000000000"), 1793534400, "nanoseconds")
    equal(at("1793534400.1239"), 1793534400.124, "decimals are rounded to milliseconds")
    equal(at("2026-11-01T12:00:00.5Z"), 1793534400.5, "RFC 3339")


def default_since(s):
    now = time.time_ns()
    s.push_ok([({"app": "since"}, [(now - 50 * 60 * NS, "50 minutes"), (now - 70 * 60 * NS, "70 minutes")]),
               ({"app": "since-old"}, [(now - 5 * HOUR, "5 hours")])])
    lines = [v[1] for r in get(s, "query_range", query='{app=~"since.*"}').json()["data"]["result"] for v in r["values"]]
    equal(lines, ["50 minutes"], "lines")
    equal([x["app"] for x in get(s, "series", match='{app=~"since.*"}').json()["data"]], ["since"], "series")
    equal(get(s, "labels", query='{app="since-old"}', since="6h").json().get("data"), ["app", "service_name"], "labels with since")


def categorized(s):
    plain = stream_of(s, '{app="meta"} | logfmt')
    equal(sorted(r["k"] for r in plain), ["1", "2"], "parsed labels part the streams")
    check(all(r["trace"] == "t" for r in plain), "metadata is merged")
    got = get(s, "query_range", headers=CATEGORIZE, query='{app="meta"} | logfmt', start=T0, end=T0 + HOUR, direction="forward").json()["data"]["result"]
    equal([r["stream"] for r in got], [{"app": "meta", "service_name": "meta"}], "one stream")
    equal(got[0]["values"][0][2], {"structuredMetadata": {"detected_level": "unknown", "trace": "t"}, "parsed": {"k": "1"}}, "the third element")
    got = get(s, "query_range", headers=CATEGORIZE, query='{app="meta"} | drop trace, detected_level', start=T0, end=T0 + HOUR).json()["data"]["result"]
    equal(got[0]["values"][0][2], {}, "an empty third element is there too")


def encoding_flags(s):
    text = get(s, "query_range", headers=CATEGORIZE, query='{app="meta"}', start=T0, end=T0 + HOUR).text
    keys = list(json.loads(text)["data"])
    equal(keys, ["resultType", "encodingFlags", "result", "stats"], "order")
    keys = list(get(s, "query_range", headers=CATEGORIZE, query='count_over_time({app="meta"}[1m])', start=T0, end=T0 + HOUR).json()["data"])
    equal(keys, ["resultType", "result", "stats"], "none for metrics")
    text = get(s, "query_range", headers={"X-Loki-Response-Encoding-Flags": "a,b"}, query='{app="meta"}', start=T0, end=T0 + HOUR).json()
    equal(text["data"]["encodingFlags"], ["a", "b"], "unknown flags come back")


def aligned_steps(s):
    values = result(s, "vector(1)", start=T0 + 7 * NS, end=T0 + 95 * NS, step="30")[0]["values"]
    equal([t for t, _ in values], [1793534400 + n for n in (0, 30, 60, 90, 120)], "multiples of the step, beyond both ends")


def range_ends(s):
    equal([r["values"] for r in result(s, '{app="edge"}', start=T0, end=T0 + NS)], [[[str(T0), "at the begin"]]], "lines: begin in, end out")
    equal(instant(s, 'count_over_time({app="edge"}[1s])', time=T0 + NS)[0]["value"][1], "1", "windows: left edge out, right edge in")


def empty_range(s):
    equal(result(s, '{app="edge"}', start=T0, end=T0), [], "end == start")
    equal(get(s, "query_range", 400, query='{app="edge"}', start=T0 + 1, end=T0).text,
          "end timestamp must not be before or equal to start time", "end < start")


def too_many_points(s):
    equal(get(s, "query_range", 400, query='{app="edge"}', start=T0, end=T0 + HOUR, step="0.1").text,
          "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter", "of a log query")


def instant_logs(s):
    equal(get(s, "query", 400, query='{app="edge"}').text,
          "log queries are not supported as an instant query type, please change your query to a range query type", "text")


def topk_order(s):
    names = lambda query: [r["metric"]["n"] for r in instant(s, query)]  # noqa: E731
    equal(names('topk(2, sum by (n) (count_over_time({app="top"}[2h])))'), ["b", "c"], "topk: by label")
    equal(names('sort_desc(topk(2, sum by (n) (count_over_time({app="top"}[2h]))))'), ["c", "b"], "sort_desc: by value")
    equal(names('sort(sum by (n) (count_over_time({app="top"}[2h])))'), ["a", "b", "c"], "sort: by value")


def sample_forms(s):
    text = get(s, "query", query="vector(1000000000000)", time=T0).text
    check('"value":[1793534400,"1000000000000"]' in text, "no exponent, whole seconds")
    check('"0.00000001"' in get(s, "query", query="vector(1) / 100000000", time=T0).text, "small ones neither")
    check('"NaN"' in get(s, "query", query="vector(1) / 0", time=T0).text, "no number")
    check('"values":[["' in get(s, "query_range", query='{app="edge"}', start=T0, end=T0 + HOUR).text, "times of lines are texts")
    for pattern in get(s, "patterns", query='{app="many"}', start=T0, end=T0 + HOUR).json()["data"]:
        check(all(isinstance(n, int) for sample in pattern["samples"] for n in sample), "samples of patterns are integers")


def volume_forms(s):
    ask = lambda **more: get(s, "index/volume_range", query='{app="top"}', start=T0, **more).json()["data"]  # noqa: E731
    equal(ask(end=T0 + HOUR, step="2h")["resultType"], "vector", "one bucket")
    data = ask(end=T0 + 60 * NS, step="20", targetLabels="n", limit=0)
    equal(data["resultType"], "matrix", "several")
    times = sorted({t for r in data["result"] for t, _ in r["values"]})
    check(all(round(t * 1000) % 20000 == 19999 for t in times[:-1]), f"buckets end in .999: {times}")
    equal(len(data["result"]), 3, "limit 0 is 100")
    equal(len(ask(end=T0 + HOUR, step="2h", targetLabels="n", limit=1)["result"]), 1, "limit")


def bare_objects(s):
    for path, params in (("index/stats", {"query": '{app="top"}'}), ("detected_labels", {}), ("detected_fields", {"query": '{app="top"}'}),
                         ("status/buildinfo", {})):
        check("status" not in get(s, path, start=T0, end=T0 + HOUR, **params).json(), path)
    check("status" not in get(s, "drilldown-limits", headers={"X-Scope-OrgID": "x"}).json(), "drilldown-limits")


def lookback(directory):
    with running(Server(directory, "limits_config:\n  max_query_lookback: 1h\n", name="lookback")) as s:
        equal(result(s, '{app="x"}'), [], "an old range is an empty success")
        equal(get(s, "labels", 400, start=T0, end=T0 + HOUR).text,
              "this data is no longer available, it is past now - max_query_lookback (1h)", "labels")


def series_limit(s):
    query = 'sum by (k) (count_over_time({app="many"} | logfmt [2h]))'
    check(get(s, "query", 400, query=query, time=T0 + HOUR).text.startswith("maximum number of series (3) reached for a single query; consider"), "error")
    answer = get(s, "query", headers={"X-Query-Tags": "source=Grafana-LokiExplore-App"}, query=query, time=T0 + HOUR).json()
    equal(answer["warnings"], ["maximum number of series (3) reached for a single query; returning partial results"], "Drilldown")
    equal(len(answer["data"]["result"]), 3, "what fits")


def tail_frames(s):
    tail = WebSocket(s.port, API + "tail", {"query": '{app="edge"}', "start": T0, "limit": 10})
    frame = json.loads(tail.message())
    equal([len(x["values"]) for x in frame["streams"]], [1] * len(frame["streams"]), "one entry for each stream object")
    try:
        WebSocket(s.port, API + "tail", {"query": 'rate({app="edge"}[1m])'}).message()
        raise Failure("a metric was tailed")
    except Closed as closed:
        equal((closed.code, closed.reason), (1011, "only log selector is supported"), "an error behind the upgrade")


def whole_or_part(s):
    good, at = {"stream": {"app": "part"}, "values": [[str(T0), "good"]]}, str(T0)
    for bad in ({"stream": {"app": "part"}, "values": [[T0, "number"]]}, {"stream": {"app-x": "part"}, "values": [[at, "labels"]]}):
        equal(s.push(json.dumps({"streams": [good, bad]}).encode()).status, 400, "a number, a bad label")
        equal(result(s, '{app="part"}'), [], "nothing is stored")
    future = str(time.time_ns() + 24 * HOUR)
    answer = s.push(json.dumps({"streams": [{"stream": {"app": "part"}, "values": [[at, "good"], [future, "bad"]]}]}).encode())
    check(answer.status == 400 and "timestamp too new" in answer.text, "a bad entry")
    equal([v[1] for r in result(s, '{app="part"}') for v in r["values"]], ["good"], "the others are stored")


def partial_stores(directory):
    limits = "limits_config:\n  ingestion_rate_mb: 0.001\n  ingestion_burst_size_mb: 0.001\n"
    with running(Server(directory, limits, name="rate")) as s:
        answer = s.push_json([({"app": "rate"}, [(T0, "x" * 5000)])])
        check(answer.status == 429 and answer.text.startswith("ingestion rate limit exceeded for user fake (limit: 1048 bytes/sec)"), answer.text)
        equal(result(s, '{app="rate"}'), [], "nothing is stored")
    with running(Server(directory, "limits_config:\n  max_global_streams_per_user: 1\n", name="streams")) as s:
        s.push_ok([({"app": "first"}, [(T0, "one")])])
        answer = s.push_json([({"app": "first"}, [(T0 + 1, "two")]), ({"app": "second"}, [(T0, "three")])])
        check(answer.status == 429 and "maximum active stream limit exceeded" in answer.text, answer.text)
        equal(len(result(s, '{app="first"}')[0]["values"]), 2, "the other stream is stored")
        # ours: an error of an earlier stream does not hide behind a later one that is stored (21).
        answer = s.push_json([({"app": "second"}, [(T0, "three")]), ({"app": "first"}, [(T0 + 2, "four")])])
        equal(answer.status, 429, "a line that is not stored is told of")


def no_streams(s):
    answer = s.push(b'{"streams":[]}')
    equal((answer.status, answer.text), (422, "error at least one valid stream is required for ingestion\n"), "none")
    equal(s.push(b'{"streams":[{"stream":{"a":"b"},"values":[]}]}').status, 204, "one without entries")


def content_types(s):
    body = snappy_literals(proto_push([({"app": "types"}, [(T0, "x")])]))
    answer = s.request("POST", API + "push", body=body, headers={"Content-Type": ""})
    equal((answer.status, answer.text), (400, "mime: no media type\n"), "none")
    equal(s.push(body, "text/anything").status, 204, "all others are snappy")
    equal(s.push(b"\xff\x06\x00\x00sNaPpY", "application/x-protobuf").text, "snappy: corrupt input\n", "framed snappy")


def service_names(s):
    s.push_ok([({"kind": "svc", "n": "1"}, [(T0, "x")]), ({"kind": "svc", "job": "j", "container": "c"}, [(T0, "x")])])
    equal(sorted(x["service_name"] for x in get(s, "series", match='{kind="svc"}', start=T0, end=T0 + HOUR).json()["data"]), ["c", "unknown_service"], "found in order")
    s.push_ok([({f"l{n}": "x" for n in range(15)}, [(T0, "x")])])
    equal(s.push_json([({f"l{n}": "x" for n in range(16)}, [(T0, "x")])]).status, 400, "16 labels; service_name did not count")


def levels(s):
    rows = [("level=WARN x", "warn"), ('{"severity":"critical"}', "critical"), ("plain", "unknown"), ("[ERROR] x", "error"), ("misc:error", "unknown")]
    s.push_ok([({"app": "lvl"}, [(T0 + i, line) for i, (line, _) in enumerate(rows)]), ({"app": "lvl", "level": "notice"}, [(T0 + 9, "x")])])
    got = {v[1]: r["stream"]["detected_level"] for r in result(s, '{app="lvl"}') for v in r["values"]}
    equal(got, {**dict(rows), "x": "notice"}, "levels")
    check("detected_level" not in get(s, "labels", start=T0, end=T0 + HOUR).json()["data"], "no label of the index")


def metadata_names(s):
    s.push_ok([({"app": "names"}, [(T0, "x", {"a.b": "1", "c__d": "2", "1x": "3"})])])
    got = stream_of(s, '{app="names"}')[0]
    equal({k: got[k] for k in ("a_b", "c_d", "key_1x")}, {"a_b": "1", "c_d": "2", "key_1x": "3"}, "rewritten")
    for name in ("", "--"):
        equal(s.push_json([({"app": "names"}, [(T0, "x", {name: "v"})])]).status, 500, f"{name!r}")


def empty_labels(s):
    s.push_ok([({"app": "empty", "gone": ""}, [(T0, "x")]), ({"app": "empty"}, [(T0 + 1, "y")])])
    equal(get(s, "series", match='{app="empty"}', start=T0, end=T0 + HOUR).json()["data"], [{"app": "empty", "service_name": "empty"}], "one stream")


def repetitions(s):
    for _ in range(2):
        s.push_ok([({"app": "rep"}, [(T0, "same"), (T0, "other"), (T0, "same", {"m": "v"})])])
    lines = [v[1] for r in result(s, '{app="rep"} | drop m, detected_level', direction="forward") for v in r["values"]]
    equal(lines, ["same", "other", "same"], "each once, in order of arrival")


def otlp_answers(s):
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": str(T0), "body": {"stringValue": "x"}}]}]}]}).encode()
    answer = s.request("POST", "/otlp/v1/logs", body=body, headers=JSON)
    equal((answer.status, answer.body), (204, b""), "stored")
    answer = s.request("POST", "/otlp/v1/logs", body=body, headers={"Content-Type": "application/json; charset=utf-8"})
    check(answer.status == 400 and b"content type: application/json; charset=utf-8 is not supported" in answer.body, "exact types")


def any_age(s):
    # ours: a stream takes lines of any age, in any order (30).
    s.push_ok([({"app": "age"}, [(T0, "new")])])
    s.push_ok([({"app": "age"}, [(T0 - 5 * HOUR, "old")])])
    equal(len(result(s, '{app="age"}', start=T0 - 6 * HOUR)[0]["values"]), 2, "both")


def delete_requests(s):
    path, now = API + "delete", int(time.time())
    equal(s.request("POST", path, body=urllib.parse.urlencode({"query": '{app="del"}', "start": now - 60}).encode(), headers=FORM).text,
          "query not set\n", "a body is not read")
    equal(s.request("POST", path, {"query": '{app="del"}', "start": 5}).text,
          "invalid start time: require unix seconds or RFC3339 format\n", "exactly ten digits")
    made = s.request("POST", path, {"query": '{app="del"}', "start": now - 60})
    equal((made.status, len(made.headers["X-Delete-Request-Id"])), (204, 8), "made")
    listed = get(s, "delete").json()[0]
    check(isinstance(listed["start_time"], int) and isinstance(listed["end_time"], int), "times are numbers, and whole ones")
    # ours (43): what would cancel all, or break every question, is refused.
    equal(s.request("DELETE", path).status, 400, "no request_id")
    equal(s.request("POST", path, {"query": "{}", "start": now - 60}).status, 400, "{}")
    equal(s.request("DELETE", path, {"request_id": listed["request_id"]}).status, 204, "cancelled")


def rule_files(directory):
    config = f"ruler:\n  storage:\n    type: local\n    local:\n      directory: {directory}/rules\n"
    with running(Server(directory, config, name="rules")) as s:
        answer = get(s, "rules", 404)
        equal((answer.text, answer.headers["Content-Type"]), ("no rule groups found\n", "text/plain; charset=utf-8"), "none")
        group = "name: g\nrules:\n  - alert: A\n    expr: vector(1) > 0\n    keep_firing_for: 5m\n"
        made = s.request("POST", API + "rules/ns", body=group.encode(), headers={"Content-Type": "application/yaml"})
        equal((made.status, made.json()["status"]), (202, "success"), "made: 202 in JSON")
        answer = get(s, "rules/ns")
        check(answer.headers["Content-Type"] == "application/yaml" and answer.text.startswith("ns:"), f"read: YAML, a map: {answer.text}")
        # ours (33): keep_firing_for is not lost.
        check("keep_firing_for: 5m" in get(s, "rules/ns/g").text, "a group as it was sent")
        state = get(s, "/prometheus/api/v1/rules").json()
        equal((state["errorType"], state["error"], list(state)), ("", "", ["status", "data", "errorType", "error"]), "state")
        answer = s.get("/prometheus/api/v1/rules", {"type": "x"})
        equal((answer.status, answer.headers["Content-Type"]), (400, "text/plain; charset=utf-8"), "JSON errors of the ruler are labelled as text")
        equal(answer.json(), {"status": "error", "data": None, "errorType": "bad_data", "error": 'not supported value "x"'}, "their form")


def tenant_of_limits(s):
    equal(get(s, "drilldown-limits", 401).text, "no org id\n", "drilldown-limits")
    equal(get(s, "/config/tenant/v1/limits", 401).text, "no org id\n", "limits")
    check("max_query_series: 3\n" in get(s, "/config/tenant/v1/limits", headers={"X-Scope-OrgID": "any"}).text, "limits as YAML")


def year_2096(s):
    answer = get(s, "query", query="vector(1)+vector(1)", time=4000000000, direction="backward").json()["data"]
    equal((answer["resultType"], answer["result"]), ("vector", [{"metric": {}, "value": [4000000000, "2"]}]), "Grafana's health check")


def config_modes(s):
    for mode in ("", "diff", "diffs", "defaults"):  # ours (37): no mode fails
        equal(get(s, "/config", mode=mode).headers["Content-Type"], "text/plain; charset=utf-8", f"mode={mode}")


def form_over_url(s):
    body = urllib.parse.urlencode({"query": '{app="edge"}', "start": T0, "end": T0 + HOUR}).encode()
    answer = s.request("POST", API + "query_range", {"query": "{", "end": 5}, body=body, headers=FORM)
    equal((answer.status, len(answer.json()["data"]["result"])), (200, 1), "the body beats the URL")
    answer = s.request("POST", API + "series", {"match[]": '{app="edge"}', "start": T0, "end": T0 + HOUR}, body=b"match[]=%7Bapp%3D%22top%22%7D", headers=FORM)
    equal(len(answer.json()["data"]), 4, "repeatable keys are united")


def shard_labels(s):
    s.push_ok([({"app": "shard", "__stream_shard__": str(n)}, [(T0 + n, f"line {n}")]) for n in range(2)])
    equal(instant(s, 'sum(count_over_time({app="shard"}[2h]))')[0]["value"][1], "2", "without naming it")
    equal(get(s, "label/__stream_shard__/values", start=T0, end=T0 + HOUR).json()["data"], ["0", "1"], "with it")


def sizes_at_once(s):
    # ours (41): what is in memory counts.
    equal(get(s, "index/stats", query='{app="edge"}', start=T0, end=T0 + HOUR).json()["entries"], 2, "lines in memory")


def level_in_tails(s):
    now = time.time_ns()
    s.push_ok([({"app": "tail"}, [(now - NS, "past")])])
    tail = WebSocket(s.port, API + "tail", {"query": '{app="tail"}'})
    equal(json.loads(tail.message())["streams"][0]["stream"], {"app": "tail", "service_name": "tail", "detected_level": "unknown"}, "history")
    s.push_ok([({"app": "tail"}, [(now, "live")])])
    equal(json.loads(tail.message())["streams"][0]["stream"], {"app": "tail", "service_name": "tail"}, "live")


def compression(s):
    answer = get(s, "query_range", headers={"Accept-Encoding": "gzip"}, query='{app="many"}', start=T0, end=T0 + HOUR)
    check("Content-Encoding" not in answer.headers, "not unless it is configured")


# Number in the contract's list, what is checked. 38 is held by ServerTest.LokiPusher of server/integration_test.cc: ours checks a push over
# gRPC like any other.
CHECKS = [
    ((1,), empty_answers), ((2,), error_forms), ((3,), integer_times), ((4,), default_since), ((5,), categorized), ((6,), encoding_flags),
    ((7,), aligned_steps), ((8,), range_ends), ((9,), empty_range), ((10,), too_many_points), ((11,), instant_logs), ((12,), topk_order),
    ((13,), sample_forms), ((14,), volume_forms), ((15,), bare_objects), ((17,), series_limit), ((18,), tail_frames), ((19,), whole_or_part),
    ((22,), no_streams), ((23,), content_types), ((24,), service_names), ((25,), levels), ((26,), metadata_names), ((27,), empty_labels),
    ((28,), repetitions), ((29,), otlp_answers), ((30,), any_age), ((31, 43), delete_requests), ((35,), tenant_of_limits), ((36,), year_2096),
    ((37,), config_modes), ((39,), form_over_url), ((40,), shard_labels), ((41,), sizes_at_once), ((42,), level_in_tails), ((45,), compression),
]
# Those that need a server of their own.
ALONE = [((16,), lookback), ((20, 21), partial_stores), ((32, 33, 34, 44), rule_files)]
ELSEWHERE = {38}


def run(checks, argument):
    failed = []
    for numbers, work in checks:
        try:
            work(argument)
        except Failure as failure:
            failed.append(f"{', '.join(map(str, numbers))} {work.__name__}: {failure}")
    if failed:
        raise Failure("\n".join(failed))


def on_one_server(directory):
    with running(Server(directory, LIMITS)) as server:
        server.push_ok([
            ({"app": "meta"}, [(T0, "k=1", {"trace": "t"}), (T0 + NS, "k=2", {"trace": "t"})]),
            ({"app": "edge"}, [(T0, "at the begin"), (T0 + NS, "at the end")]),
            *[({"app": "top", "n": name}, [(T0 + i * 10 * NS, f"line {i}") for i in range(count)]) for name, count in (("a", 1), ("b", 2), ("c", 3))],
            ({"app": "many"}, [(T0 + i, f"k={i % 5} took") for i in range(100)]),
        ])
        run(CHECKS, server)


def on_their_own(directory):
    run(ALONE, directory)


def none_is_missing(_):
    numbers = {n for row in CHECKS + ALONE for n in row[0]} | ELSEWHERE
    equal(sorted(numbers), list(range(1, 46)), "numbers of the list")


if __name__ == "__main__":
    main(none_is_missing, on_one_server, on_their_own)
