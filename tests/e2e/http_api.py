#!/usr/bin/python3
"""Loki's read API as Grafana, Logs Drilldown and logcli call it: forms, texts, live tails, tenants, limits that change while it runs."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import NS, Server, check, equal, main, running, wait_until  # noqa: E402
from web_socket import Closed, WebSocket  # noqa: E402

API = "/loki/api/v1/"
TAIL = API + "tail"
JSON = "application/json; charset=UTF-8"


def answer(server, path, want_status=200, headers=None, **params):
    got = server.get(path if path.startswith("/") else API + path, params, headers=headers)
    equal(got.status, want_status, f"{path} {params}: {got.text[:300]}")
    return got


def entries_of(frame):
    return [(int(stream["values"][0][0]), stream["values"][0][1]) for stream in json.loads(frame)["streams"]]


def seed(server, now):
    server.push_ok([
        ({"app": "j", "env": "p", "pod": "7"}, [(now - 5 * NS + i, json.dumps({"user": {"id": i, "na.me": "x"}, "env": "dup", "took": "5ms", "size": "3 MiB",
                                                                               "ok": True, "f": 1.5, "level": "info"})) for i in range(3)]),
        ({"app": "t", "env": "p", "shard": "12"}, [(now - 5 * NS + i, f"plain <text> a={i}", {"trace": f"t{i}", "weight": "3 MiB"}) for i in range(3)]),
    ])


def detected(directory):
    now = time.time_ns()
    with running(Server(directory)) as server:
        equal(answer(server, "detected_labels").text, "{}\n", "no labels")
        seed(server, now)
        fields = {f["label"]: f for f in answer(server, "detected_fields", query='{app="j"}', start=now - 3600 * NS, end=now).json()["fields"]}
        equal({name: f["type"] for name, f in fields.items()},
              {"detected_level": "string", "user_id": "int", "user_na_me": "string", "env_extracted": "string", "took": "duration", "size": "bytes",
               "ok": "boolean", "f": "float", "level": "string"}, "types")
        equal(fields["user_id"], {"label": "user_id", "type": "int", "cardinality": 3, "parsers": ["json"], "jsonPath": ["user", "id"]}, "a field")
        equal(fields["user_na_me"]["jsonPath"], ["user", "na.me"], "a path")
        equal(fields["detected_level"]["parsers"], None, "parsers of metadata")
        values = lambda name, **more: answer(server, f"detected_field/{name}/values", query='{env="p"}', **more).text  # noqa: E731
        equal(values("size"), '{"limit":1000,"values":["3.1MB"]}\n', "sizes of a line are rewritten")
        equal(values("weight"), '{"limit":1000,"values":["3 MiB"]}\n', "those of metadata are not")
        equal(values("app"), "{}\n", "a label of the index is no field")
        equal(values("trace", limit=2), '{"limit":2,"values":["t2","t1"]}\n', "limit")
        equal(sorted((x["label"], x["cardinality"]) for x in answer(server, "detected_labels").json()["detectedLabels"]),
              [("app", 2), ("env", 1), ("pod", 1), ("service_name", 2)], "numbers alone are no labels worth showing, but a pod's are")
        for path, params, text in [
                ("detected_fields", {"query": ""}, "parse error : syntax error: unexpected $end"),
                ("detected_fields", {"query": 'rate({app="j"}[1m])'}, "only log selector is supported"),
                ("detected_fields", {"query": '{app="j"}', "limit": 0}, "limit must be a positive value"),
                ("detected_fields", {"query": '{app="j"}', "line_limit": 10000},
                 "max entries limit per query exceeded, limit > max_entries_limit_per_query (10000 > 5000)"),
                ("detected_labels", {"start": now, "end": now - NS}, "end timestamp must not be before or equal to start time")]:
            equal(answer(server, path, 400, **params).text, text, f"{path} {params}")


def sizes(directory):
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": app, "n": "1"}, [(now - (100 - i) * NS, "x" * size) for i in range(10)]) for app, size in (("a", 10), ("b", 30), ("c", 30))])
        for stored in (False, True):
            equal(answer(server, "index/stats", query='{n="1"}').text, '{"streams":3,"chunks":3,"bytes":700,"entries":30}\n', f"stats, stored {stored}")
            volume = answer(server, "index/volume", query='{n="1",app=~".+"}').json()["data"]
            equal(volume["resultType"], "vector", "type")
            equal([(r["metric"], r["value"][1]) for r in volume["result"]],
                  [({"app": "b", "n": "1"}, "300"), ({"app": "c", "n": "1"}, "300"), ({"app": "a", "n": "1"}, "100")], "largest first, then by name")
            check("stats" in volume, "stats are there")
            server.flush()
        equal(answer(server, "index/volume", query='{n="1"}', targetLabels="app", limit=1).json()["data"]["result"][0]["metric"], {"app": "b"}, "targetLabels")
        equal({tuple(r["metric"].items()) for r in answer(server, "index/volume", query='{n="1"}', aggregateBy="labels").json()["data"]["result"]},
              {(("app", ""),), (("n", ""),), (("service_name", ""),)}, "aggregateBy=labels")
        ranged = answer(server, "index/volume_range", query='{n="1"}', start=now - 120 * NS, end=now, step="5").json()["data"]
        equal(ranged["resultType"], "matrix", "several buckets")
        check(all(round(t * 1000) % 5000 == 4999 for t, _ in ranged["result"][0]["values"][:-1]), "samples stand at the end of their bucket")
        check(abs(sum(int(v) for _, v in ranged["result"][0]["values"]) - 700) <= 6, "the buckets add up")
        equal(answer(server, "index/volume_range", query='{n="2"}').json()["data"]["resultType"], "vector", "nothing is a vector")
        for params, text in [({"query": '{n="1"}', "limit": -1}, "limit must be a positive value"), ({"query": '{n="1"}', "aggregateBy": "x"}, "invalid aggregation option"),
                             ({"query": '{n="1"} |= "x"'}, "only label matchers are supported"), ({"query": ""}, "parse error : syntax error: unexpected $end")]:
            equal(answer(server, "index/volume", 400, **params).text, text, f"{params}")
        for path in ("index/stats", "index/volume", "index/volume_range"):
            equal(answer(server, path, 400, query='{n="1"}', direction="x").text, "invalid direction 'x'", f"{path}: direction")
        # The length of a question: in whole seconds of a volume's, bucket by bucket of a range's.
        end = now // NS * NS
        for path, length in [("index/stats", "5000h0m0.5s"), ("index/volume", "5000h0m0s"), ("index/volume_range", "999h59m59s")]:
            text = f"the query time range exceeds the limit (query length: {length}, limit: 30d1h)"
            equal(answer(server, path, 400, query='{n="1"}', start=end - 5000 * 3600 * NS - NS // 2, end=end, step="1000h").text, text, f"{path}: length")
        equal(answer(server, "index/volume_range", query='{n="1"}', start=end - 5000 * 3600 * NS, end=end, step="100h").status, 200, "short buckets of a long range")
        shards = answer(server, "index/shards", query='{n="1"}', targetBytesPerShard="600MB").json()
        equal(shards["shards"][0]["stats"]["entries"], 30, "one shard with all")
        equal(answer(server, "index/shards", 400, query='{n="1"}').text, "targetBytesPerShard must be a positive value", "no target")


def tail_forms(directory):
    with running(Server(directory)) as server:
        for params, text in [({"query": '{app="z"'}, "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,"),
                             ({"query": '{app="z"}', "delay_for": 9}, "delay_for can't be greater than 5"),
                             ({"query": '{app="z"}', "limit": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
                             ({"query": '{app="z"}', "limit": 0}, "limit must be a positive value")]:
            refused = WebSocket(server.port, TAIL, params)
            equal((refused.status, refused.body), (400, text), f"{params}")
        equal(WebSocket(server.port, TAIL, {"query": '{app="z"}'}, upgrade=False).body, "Bad Request\n", "no upgrade")
        try:
            WebSocket(server.port, TAIL, {"query": 'rate({app="z"}[1m])'}).message()
            check(False, "a metric query is refused")
        except Closed as closed:
            equal((closed.code, closed.reason), (1011, "only log selector is supported"), "a metric query")

        now = time.time_ns()
        server.push_ok([({"app": "z"}, [(now - NS + i, f"old <{i}> level=info", {"m": "v"}) for i in range(5)])])
        for path, query, headers, live in [
                (TAIL, '{app="z"}', {}, {"stream": {"app": "z", "service_name": "z"}}),
                ("/api/prom/tail", '{app="z"} |= "a="', {}, {"stream": {"app": "z", "service_name": "z", "m": "w", "detected_level": "unknown"}}),
                (TAIL, '{app="z"} | logfmt', {}, {"stream": {"app": "z", "service_name": "z", "m": "w", "detected_level": "unknown", "a": "1"}}),
                (TAIL, '{app="z"} | logfmt', {"X-Loki-Response-Encoding-Flags": "categorize-labels"},
                 {"stream": {"app": "z", "service_name": "z"}, "third": {"structuredMetadata": {"m": "w", "detected_level": "unknown"}, "parsed": {"a": "1"}}})]:
            tail = WebSocket(server.port, path, {"query": query, "limit": 2, "start": now - 2 * NS}, headers)
            equal(tail.status, 101, "upgraded")
            if "|=" not in query:
                frame = tail.message()
                equal([line for _, line in entries_of(frame)][-1][:3], "old" if "live" not in frame else "liv", "the past first")
                check("\\u003c" in frame or "live" in frame, "escaped as everywhere")
            time.sleep(0.3)
            at = time.time_ns()
            server.push_ok([({"app": "z"}, [(at, "live a=1", {"m": "w"})])])
            frame = json.loads(tail.message())
            while str(at) not in json.dumps(frame):
                frame = json.loads(tail.message())
            stream = frame["streams"][-1]
            equal(stream["stream"], live["stream"], f"{path} {query}: labels of a live line")
            equal(stream["values"][0][:2], [str(at), "live a=1"], "its value")
            equal(stream["values"][0][2:], [live["third"]] if "third" in live else [], "its third element")
            equal(frame.get("encodingFlags"), ["categorize-labels"] if headers else None, "flags")
            tail.close()

        tails = [WebSocket(server.port, TAIL, {"query": '{app="q"}'}) for _ in range(10)]
        server.push_ok([({"app": "q"}, [(time.time_ns(), "each of the ten runs")])])
        for tail in tails:
            while "each of the ten runs" not in tail.message():
                pass
        try:
            WebSocket(server.port, TAIL, {"query": '{app="q"}'}).message()
            check(False, "the eleventh tail is refused")
        except Closed as closed:
            equal(closed.reason, "rpc error: code = Code(400) desc = max concurrent tail requests limit exceeded, count > limit (11 > 10)", "too many tails")
        for tail in tails:
            tail.close()

        held = WebSocket(server.port, TAIL, {"query": '{app="d"}', "delay_for": 3})
        time.sleep(1)
        at = time.time_ns()
        server.push_ok([({"app": "d"}, [(at, "late")])])
        equal(held.message(1.5), None, "held back")
        check(held.message(10) is not None, "comes when it is old enough")


def tail_without_gaps(directory):
    """Reconnects under load: every line once, whatever comes between history and live."""
    with running(Server(directory)) as server:
        begin = time.time_ns()
        batch, written = 5, 0
        enough, done = threading.Event(), threading.Event()

        def write():
            nonlocal written
            while written < 4000 or not enough.is_set():
                server.push_ok([({"app": "load"}, [(begin + n, f"line {n}") for n in range(written, written + batch)])])
                written += batch
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        got, connections, next_ns, idle = [], 0, begin, 0
        while not done.is_set() or (len(got) < written and idle < 5):
            tail = WebSocket(server.port, TAIL, {"query": '{app="load"}', "start": next_ns, "limit": 5000})
            connections += 1
            if connections > 3:
                enough.set()
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                frame = tail.message(0.2)
                if frame is None:
                    break
                check("dropped_entries" not in frame, "nothing is dropped")
                got += entries_of(frame)
                next_ns = got[-1][0] + 1
            if done.is_set() and frame is None:
                idle += 1
            tail.close()
        writer.join()
        equal([line for _, line in got], [f"line {n}" for n in range(written)], f"lines over {connections} connections")


def slow_reader(directory):
    """A client that does not read: the server's memory stays, entries are dropped and reported, others are served."""
    with running(Server(directory)) as server:
        slow = WebSocket(server.port, TAIL, {"query": '{app="s"}'}, receive_buffer=4096)
        time.sleep(0.5)
        before = server.memory_peak()
        begin, line = time.time_ns(), "y" * 4000
        total = 16000
        for i in range(0, total, 500):
            server.push_ok([({"app": "s"}, [(begin + n, line) for n in range(i, i + 500)])])
        grown = server.memory_peak() - before
        check(grown < 350 << 20, f"{grown >> 20} MB more")  # the lines themselves are 64 MB of it
        seen, dropped = 0, 0
        while seen + dropped < total:
            frame = slow.message(3)
            if frame is None:
                break
            frame = json.loads(frame)
            seen += len(frame["streams"])
            dropped += len(frame.get("dropped_entries", []))
            for entry in frame.get("dropped_entries", []):
                equal(sorted(entry), ["labels", "timestamp"], "a dropped entry")
        check(seen > 0 and dropped > 0, f"{seen} seen, {dropped} reported as dropped")


def legacy(directory):
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": "z"}, [(now - NS, "one <1>"), (now - NS + 1, "two")])])
        got = answer(server, "/api/prom/query", query='{app="z"}', regexp="one", limit=5)
        equal(got.headers["Content-Type"], JSON, "type")
        stream = got.json()["streams"][0]
        equal(stream["labels"], '{app="z", detected_level="unknown", service_name="z"}', "labels")
        equal([e["line"] for e in stream["entries"]], ["one <1>"], "entries")
        check(stream["entries"][0]["ts"].endswith("Z"), "times are texts")
        equal(answer(server, "/api/prom/query", 400, query='rate({app="z"}[1m])').text,
              "rpc error: code = Code(400) desc = legacy endpoints only support streams result type", "metric query")
        equal(answer(server, "/api/prom/label").text, '{"values":["app","service_name"]}\n', "names")
        equal(answer(server, "/api/prom/label/app/values").text, '{"values":["z"]}\n', "values")
        equal(answer(server, "/api/prom/label", query='{app="no"}').text, "{}\n", "none")
        equal(answer(server, "/api/prom/series", match='{app="z"}').json(), {"status": "success", "data": [{"app": "z", "service_name": "z"}]}, "series")


def tenants(directory):
    now = time.time_ns()
    with running(Server(directory, config="auth_enabled: true\nquerier:\n  multi_tenant_queries_enabled: true\n")) as server:
        for tenant in ("a", "b"):
            server.push_ok([({"app": "x", "of": tenant}, [(now - NS, f"line of {tenant}")])], headers={"X-Scope-OrgID": tenant})
        both = {"X-Scope-OrgID": "b|a|"}
        result = server.query_range('{app="x"}', now - 60 * NS, now, headers=both).json()["data"]["result"]
        equal(sorted((r["stream"]["__tenant_id__"], r["values"][0][1]) for r in result), [("a", "line of a"), ("b", "line of b")], "lines of both")
        result = server.query_range('{app="x", __tenant_id__="b"}', now - 60 * NS, now, headers=both).json()["data"]["result"]
        equal([r["stream"]["of"] for r in result], ["b"], "one of them")
        equal(answer(server, "labels", headers=both).json()["data"], ["__tenant_id__", "app", "of", "service_name"], "names")
        equal(answer(server, "label/__tenant_id__/values", headers=both).json()["data"], ["a", "b"], "tenants")
        equal(len(answer(server, "series", headers=both, match='{app="x"}').json()["data"]), 2, "series")
        equal(answer(server, "index/stats", headers=both, query='{app="x"}').json()["streams"], 2, "stats")
        value = answer(server, "query", headers=both, query='sum by (__tenant_id__) (count_over_time({app="x"}[1m]))', time=now).json()["data"]["result"]
        equal([(r["metric"]["__tenant_id__"], r["value"][1]) for r in value], [("a", "1"), ("b", "1")], "a sum by tenant")
        equal(server.push_json([({"app": "x"}, [(now, "x")])], both).status, 400, "a push has one tenant")
        equal(WebSocket(server.port, TAIL, {"query": '{app="x"}'}, both).body, "multiple org IDs present", "a tail has one tenant")
        equal(answer(server, "labels", 401).text, "no org id\n", "no tenant")
        equal(answer(server, "labels", 400, headers={"X-Scope-OrgID": "a/b"}).text, "tenant ID 'a/b' contains unsupported character '/'", "a bad one")


def overrides(directory):
    path = os.path.join(directory, "overrides.yaml")
    os.makedirs(directory, exist_ok=True)
    write = lambda text: open(path, "w", encoding="utf-8").write(text)  # noqa: E731
    write("overrides:\n  small:\n    max_entries_limit_per_query: 10\n    volume_enabled: false\n")
    with running(Server(directory, config=f"auth_enabled: true\nruntime_config:\n  file: {path}\n  period: 200ms\n")) as server:
        def status(tenant, limit):
            return server.query_range('{a="b"}', headers={"X-Scope-OrgID": tenant}, limit=limit).status

        equal((status("small", 10), status("small", 11), status("other", 11)), (200, 400, 200), "a tenant's own limit")
        equal(answer(server, "index/volume", 404, headers={"X-Scope-OrgID": "small"}, query='{a="b"}').text, "not found", "volume is off")
        equal(answer(server, "drilldown-limits", headers={"X-Scope-OrgID": "small"}).json()["limits"]["max_entries_limit_per_query"], 10, "shown")
        write("overrides:\n  small:\n    max_entries_limit_per_query: 20\n")
        wait_until("the new limit", lambda: status("small", 20) == 200)
        equal(answer(server, "index/volume", headers={"X-Scope-OrgID": "small"}, query='{a="b"}').status, 200, "volume is on again")
        write("overrides:\n  small:\n    max_entries_limit_per_query: many\n")
        wait_until("the error is logged", lambda: "overrides not taken" in server.log())
        equal((status("small", 20), status("small", 21)), (200, 400), "a file with a mistake changes nothing")

        write("overrides:\n  small:\n    max_line_size: 10\n    ingestion_rate_mb: 0.001\n    otlp_config:\n      resource_attributes:\n"
              "        attributes_config: [{action: index_label, attributes: [team]}]\n")

        def push(tenant, line, count=1):
            now = time.time_ns()
            return server.push_json([({"app": "p"}, [(now - i, line) for i in range(count)])], headers={"X-Scope-OrgID": tenant})

        wait_until("the shorter line", lambda: push("small", "more than ten").status == 400)
        check("max entry size '10' bytes exceeded" in push("small", "more than ten").text, "a tenant's own line size")
        equal(push("other", "more than ten").status, 204, "that of the others")
        equal((push("small", "123456789", 200).status, push("other", "123456789", 200).status), (429, 204), "a tenant's own rate")
        record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": "short"}}
        body = {"resourceLogs": [{"resource": {"attributes": [{"key": "team", "value": {"stringValue": "t"}}]}, "scopeLogs": [{"logRecords": [record]}]}]}
        for tenant, labels in (("small", {"team": "t", "service_name": "unknown_service"}), ("other", {"service_name": "unknown_service"})):
            headers = {"X-Scope-OrgID": tenant, "Content-Type": "application/json"}
            sent = server.request("POST", "/otlp/v1/logs", body=json.dumps(body).encode(), headers=headers)
            check(sent.status in (200, 204), f"OTLP of {tenant}: {sent.status} {sent.text}")
            found = answer(server, "series", headers={"X-Scope-OrgID": tenant}, match='{service_name="unknown_service"}').json()["data"]
            equal(found, [labels], f"otlp_config of {tenant}")


def surprises(directory):
    """The forms that clients depend on and servers like this one get wrong."""
    now = time.time_ns()
    with running(Server(directory)) as server:
        equal(answer(server, "labels").text, '{"status":"success"}\n', "no data key")
        equal(answer(server, "label/x/values").text, '{"status":"success"}\n', "no data key")
        equal(answer(server, "series").text, '{"status":"success","data":[]}\n', "but here")
        # Grafana's save & test: 10 characters are seconds, the year 2096.
        got = answer(server, "query", query="vector(1)+vector(1)", direction="backward", time="4000000000").json()["data"]
        equal((got["resultType"], got["result"]), ("vector", [{"metric": {}, "value": [4000000000, "2"]}]), "health")
        server.push_ok([({"app": "z", "level": "x<y"}, [(now - 10 * NS, "a=1 <b>", {"t": "1<2"}), (now - 10 * NS, "second"), (now - 9 * NS, "third")])])
        window = {"start": now - 10 * NS, "end": now - 9 * NS}
        plain = answer(server, "query_range", query='{app="z"}', **window)
        equal(plain.headers["Content-Type"], JSON, "type")
        check(plain.text.endswith("\n") and "u003cb" in plain.text and '"t":"1<2"' in plain.text, "lines are escaped, labels are not")
        check("third" not in plain.text and "second" in plain.text, "start is in, end is out")
        flagged = answer(server, "query_range", query='{app="z"} | logfmt', headers={"X-Loki-Response-Encoding-Flags": "categorize-labels,other"}, **window).text
        check(flagged.index('"resultType"') < flagged.index('"encodingFlags":["categorize-labels","other"]') < flagged.index('"result":') < flagged.index('"stats"'),
              "order of keys")
        check(',{"structuredMetadata":{' in flagged and '"parsed":{"a":"1"}' in flagged, "three elements")
        equal(answer(server, "query", 400, query='{app="z"}').text,
              "log queries are not supported as an instant query type, please change your query to a range query type", "instant")
        equal(answer(server, "query_range", 400, query='{app="z"}', start=now, end=now - 1).text, "end timestamp must not be before or equal to start time", "end")
        answer(server, "query_range", query='{app="z"}', start=now, end=now)
        equal(answer(server, "query_range", 400, query='{app="z"}', since="3h", step="900ms").text,
              "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter", "points, log queries too")
        wrong = server.get(API + "query_range", {"query": "{"})
        check(wrong.status == 400 and wrong.headers["Content-Type"] == "text/plain; charset=utf-8" and not wrong.text.endswith("\n"), "plain errors")
        equal(wrong.headers["X-Content-Type-Options"], "nosniff", "nosniff")
        matrix = answer(server, "query_range", query='count_over_time({app="z"}[10s])', step="7", start=now - 30 * NS, end=now).json()["data"]["result"]
        check(all(t % 7 == 0 for t, _ in matrix[0]["values"]), "steps stand on multiples")
        formatted = answer(server, "format_query", query='{app= "z"}')
        equal(formatted.text, '{"status":"success","data":"{app=\\"z\\"}"}\n', "format_query")
        bad = answer(server, "format_query", 400, query='{app="z')
        equal((bad.headers["Content-Type"], bad.json()["status"]), ("application/json; charset=utf-8", "invalid-query"), "its errors are JSON")
        for path in ("status/buildinfo", "drilldown-limits"):
            got = answer(server, path, headers={"X-Scope-OrgID": "any"})
            equal(got.headers["Content-Type"], "application/json", path)
            check("version" in got.json(), path)
        equal(answer(server, "drilldown-limits", 401).text, "no org id\n", "the header, even without tenants")
        body = server.request("POST", API + "query_range?query=%7Ba%3D%22b%22%7D", body="query=%7Bapp%3D%22z%22%7D&limit=1",
                              headers={"Content-Type": "application/x-www-form-urlencoded"})
        equal(len(body.json()["data"]["result"]), 1, "the body beats the URL")
        stats = body.json()["data"]["stats"]
        equal(sorted(stats), ["cache", "index", "ingester", "querier", "summary"], "stats")
        check(stats["summary"]["totalLinesProcessed"] >= 1 and isinstance(stats["summary"]["totalBytesProcessed"], int), "true numbers")
        for method, path, status in [("DELETE", API + "query", 405), ("GET", "/nothing", 404), ("GET", API + "labels/", 404), ("GET", "//loki/api/v1/labels", 301)]:
            equal(server.request(method, path).status, status, f"{method} {path}")
        # Logs Drilldown
        drill = {"X-Query-Tags": "Source=grafana-lokiexplore-app"}
        iso = lambda ns: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(ns // NS))  # noqa: E731
        volume = answer(server, "index/volume", headers=drill, query="{service_name=~`.+`}", limit=5000, start=iso(now - 900 * NS), end=iso(now + NS)).json()
        equal([(r["metric"], r["value"][1]) for r in volume["data"]["result"]], [({"service_name": "z"}, "18")], "volume of services")
        histogram = answer(server, "query_range", query='sum by (level, detected_level) (count_over_time({app="z"} | drop __error__[1m]))', step="60000ms",
                           start=now - 900 * NS, end=now).json()["data"]
        equal(histogram["resultType"], "matrix", "the histogram over the logs")
        check("app" in answer(server, "detected_labels", headers=drill, query="").text, "an empty query is all")


if __name__ == "__main__":
    main(detected, sizes, tail_forms, tail_without_gaps, slow_reader, legacy, tenants, overrides, surprises)
