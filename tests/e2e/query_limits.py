#!/usr/bin/python3
"""The limits of questions: Loki's error beyond each of them, and with `X-Skald-Partial: allow` the part that was found, a warning, and a header
that a program can read."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running  # noqa: E402

# One tenant for each limit: no other stands in its way.
CONFIG = """\
auth_enabled: true
runtime_config:
  file: {overrides}
query:
  memory: 256MB
  memory_per_query: 24MB
limits_config:
  reject_old_samples: false
  discover_service_name: []
  discover_log_levels: false
  max_query_series: 0
  max_entries_limit_per_query: 100000
"""
OVERRIDES = """\
overrides:
  entries: {max_entries_limit_per_query: 50}
  series: {max_query_series: 5}
  length: {max_query_length: 1h}
  bytes: {max_query_bytes_read: 10KB}
  time: {query_timeout: 2s}
  memory: {}
"""
LINES = 1000
MANY = 60_000
END = T0 + LINES * NS
ENDLESS = "{{range 1000000000}}{{end}}"


def ask(server, tenant, path, allow=False, **params):
    headers = {"X-Scope-OrgID": tenant}
    if allow:
        headers["X-Skald-Partial"] = "allow"
    return server.get(f"/loki/api/v1/{path}", params, headers=headers)


def partly(server, tenant, want_header, want_warning, path, **params):
    answer = ask(server, tenant, path, True, **params)
    equal(answer.status, 200, f"{tenant}, in part: {answer.text[:300]}")
    equal(answer.headers.get("X-Skald-Partial"), want_header, f"{tenant}: the header")
    warnings = answer.json().get("warnings", [])
    check(any(re.fullmatch(want_warning, text) for text in warnings), f"{tenant}: {warnings}")
    return answer.json()["data"]["result"]


def whole(server, tenant, path, **params):
    """Below the limit nothing is said, allowed or not."""
    for allow in (False, True):
        answer = ask(server, tenant, path, allow, **params)
        equal((answer.status, answer.headers.get("X-Skald-Partial"), answer.json().get("warnings")), (200, None, None), f"{tenant}, whole: {answer.text[:200]}")


def refused(server, tenant, status, text, path, **params):
    answer = ask(server, tenant, path, **params)
    equal(answer.status, status, f"{tenant}: {answer.text[:300]}")
    check(re.fullmatch(text, answer.text), f"{tenant}: {answer.text!r}")


def each(directory):
    overrides = os.path.join(directory, "overrides.yaml")
    with open(overrides, "w", encoding="utf-8") as file:
        file.write(OVERRIDES)
    with running(Server(directory, CONFIG.format(overrides=overrides))) as server:
        for tenant in ("entries", "series", "length", "bytes", "time"):
            server.push_ok([({"app": "a", "pod": str(pod)}, [(T0 + n * NS, f"line {n:04d} " + "x" * 90) for n in range(pod, LINES, 10)]) for pod in range(10)],
                           headers={"X-Scope-OrgID": tenant})
        for begin in range(0, 200_000, 10_000):
            server.push_ok([({"app": "a"}, [(T0 + n * 10**6, f'id="{n:07d}"') for n in range(begin, begin + 10_000)])], headers={"X-Scope-OrgID": "memory"})
        # So many that no machine is through with a template that never ends within the time.
        for begin in range(0, MANY, 5_000):
            server.push_ok([({"app": "many"}, [(T0 + n * 10**6, f"line {n}") for n in range(begin, begin + 5_000)])], headers={"X-Scope-OrgID": "time"})
        server.flush({"X-Scope-OrgID": "bytes"})
        logs = {"query": '{app="a"}', "start": T0, "end": END}

        refused(server, "entries", 400, re.escape("max entries limit per query exceeded, limit > max_entries_limit_per_query (100 > 50)"),
                "query_range", limit=100, **logs)
        result = partly(server, "entries", "entries=50", re.escape("maximum number of entries (50) reached for a single query; returning partial results"),
                        "query_range", limit=100, **logs)
        found = sorted(int(value[0]) for stream in result for value in stream["values"])
        equal(found, [T0 + n * NS for n in range(LINES - 50, LINES)], "the newest 50")
        whole(server, "entries", "query_range", limit=50, **logs)

        by_pod = {"query": 'sum by (pod) (count_over_time({app="a"}[1h]))', "time": END}
        refused(server, "series", 400, re.escape("maximum number of series (5) reached for a single query; consider reducing query cardinality by adding more "
                                                 "specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()"),
                "query", **by_pod)
        equal(len(partly(server, "series", "series=5", re.escape("maximum number of series (5) reached for a single query; returning partial results"),
                         "query", **by_pod)), 5, "series")
        whole(server, "series", "query", query='sum(count_over_time({app="a"}[1h]))', time=END)

        long = {"query": '{app="a"}', "start": END - 2 * 3600 * NS, "end": END, "limit": 5000}
        text = re.escape("the query time range exceeds the limit (query length: 2h0m0s, limit: 1h)")
        refused(server, "length", 400, text, "query_range", **long)
        result = partly(server, "length", "length=1h", text + "; returning partial results", "query_range", **long)
        equal(sum(len(stream["values"]) for stream in result), LINES, "the last hour")
        whole(server, "length", "query_range", limit=10, **logs)

        refused(server, "bytes", 400, r"the query would read too many bytes \(query: \d+ KiB, limit: 10 KiB\); consider adding more specific stream selectors "
                                      r"or reduce the time range of the query", "query_range", limit=5000, **logs)
        refused(server, "bytes", 400, "the query would read too many bytes .*", "query", query='sum(count_over_time({app="a"}[1h]))', time=END)
        text = re.escape("maximum bytes read (10 KiB) reached for a single query; returning partial results")
        result = partly(server, "bytes", "bytes=10240", text, "query_range", limit=5000, **logs)
        got = sum(len(value[1]) for stream in result for value in stream["values"])
        check(got <= 10240, f"{got} bytes of lines")
        count = partly(server, "bytes", "bytes=10240", text, "query", query='count_over_time({app="a"}[1h])', time=END)
        check(sum(int(series["value"][1]) for series in count) <= 102, f"{count}")
        whole(server, "bytes", "query_range", query='{app="a", pod="0"}', start=T0, end=T0 + 10 * NS)

        slow = f'{{app="many"}} | line_format `{ENDLESS}`'
        refused(server, "time", 504, "request timed out, .*", "query_range", query=slow, start=T0, end=END, limit=MANY, direction="forward")
        began = time.monotonic()
        text = re.escape("maximum time (2s) reached for a single query; returning partial results")
        partly(server, "time", "time=2s", text, "query_range", query=slow, start=T0, end=END, limit=MANY, direction="forward")
        partly(server, "time", "time=2s", text, "query", query=f'sum(count_over_time({slow} |= "q" [1h]))', time=END)
        check(time.monotonic() - began < 30, f"two partial answers took {time.monotonic() - began:.0f} s")
        whole(server, "time", "query_range", **logs)

        hungry = {"query": 'sum by (id) (count_over_time({app="a"} | logfmt [1h]))', "time": END}
        refused(server, "memory", 400, "query: out of memory budget: .*", "query", **hungry)
        result = partly(server, "memory", f"memory={24 << 20}", "query: out of memory budget: .*; returning partial results", "query", **hungry)
        check(0 < len(result) < 200_000, f"{len(result)} series in part")
        whole(server, "memory", "query", query='sum(count_over_time({app="a"} | logfmt [1h]))', time=END)
        shown = server.get("/loki/api/v1/drilldown-limits", headers={"X-Scope-OrgID": "bytes"}).json()["limits"]
        equal(shown["max_query_bytes_read"], "10KB", "drilldown-limits")


if __name__ == "__main__":
    main(each)
