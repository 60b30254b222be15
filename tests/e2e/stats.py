#!/usr/bin/python3
"""The stats object of an answer says what was done: lines, bytes, blocks, what passed the filters, what was in memory and what in segments, and
how long it took."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running  # noqa: E402

CONFIG = "limits_config:\n  reject_old_samples: false\n  discover_log_levels: false\n"
LINES = [f"line {n:05d} {'odd' if n % 2 else 'even'} " + "text " * (n % 7) for n in range(4000)]
BYTES = sum(len(line) for line in LINES)
ODD = sum("odd" in line for line in LINES)


def stats(server, path, **params):
    began = time.monotonic()
    answer = server.get(f"/loki/api/v1/{path}", {"start": T0, "end": T0 + 3600 * NS, "limit": 5000, **params} if path == "query_range" else params)
    took = time.monotonic() - began
    equal(answer.status, 200, f"{params}: {answer.text[:300]}")
    out = answer.json()["data"]["stats"]
    summary = out["summary"]
    check(0 < summary["execTime"] <= took, f"execTime {summary['execTime']} of {took}")
    check(0 <= summary["queueTime"] <= took, f"queueTime {summary['queueTime']}")
    for total, rate in (("totalBytesProcessed", "bytesProcessedPerSecond"), ("totalLinesProcessed", "linesProcessedPerSecond")):
        want = summary[total] / summary["execTime"]
        check(abs(summary[rate] - want) <= 1 + want * 1e-6, f"{rate} {summary[rate]}, not {want}")
    for key in ("subqueries", "splits", "shards"):
        equal(summary[key], 0, key)
    return out


def some(summary, lines, size, passed, returned, what):
    equal((summary["totalLinesProcessed"], summary["totalBytesProcessed"], summary["totalPostFilterLines"], summary["totalEntriesReturned"]),
          (lines, size, passed, returned), what)


def truths(directory):
    with running(Server(directory, CONFIG)) as server:
        for begin in range(0, 4000, 1000):
            server.push_ok([({"app": "a"}, [(T0 + (n + 1) * NS // 2, LINES[n]) for n in range(begin, begin + 1000)])])
        server.push_ok([({"app": "b"}, [(T0 + n * NS, "other") for n in range(100)])])
        for where in ("memory", "segment"):
            if where == "segment":
                server.flush()
            everything = stats(server, "query_range", query='{app="a"}')
            some(everything["summary"], 4000, BYTES, 4000, 4000, f"all lines, {where}")
            odd = stats(server, "query_range", query='{app="a"} |= "odd"')
            some(odd["summary"], 4000, BYTES, ODD, ODD, f"a filter, {where}")
            counted = stats(server, "query", query='sum(count_over_time({app="a"}[1h]))', time=T0 + 3600 * NS)
            some(counted["summary"], 4000, BYTES, 4000, 1, f"a count, {where}")
            label = stats(server, "query", query='sum(count_over_time({app="a"} | logfmt | x="y" [1h]))', time=T0 + 3600 * NS)
            some(label["summary"], 4000, BYTES, 0, 0, f"nothing passes, {where}")
            twice = stats(server, "query", query='sum(count_over_time({app="a"} |= "odd" [1h])) + sum(count_over_time({app="a"} |= "odd" [1h]))', time=T0 + 3600 * NS)
            some(twice["summary"], 4000, BYTES, ODD, 1, f"a selector that stands twice is read once, {where}")
            both = stats(server, "query_range", query='{app=~"a|b"}')
            some(both["summary"], 4100, BYTES + 500, 4100, 4100, f"two streams, {where}")
            equal((both["index"]["totalStreams"], everything["index"]["totalStreams"]), (2, 1), "streams")
            for one in (everything, odd, label):
                heads, stored = one["ingester"], one["querier"]["store"]
                in_memory = {"headChunkLines": 4000, "headChunkBytes": BYTES} if where == "memory" else {"headChunkLines": 0, "headChunkBytes": 0}
                on_disk = {"decompressedLines": 4000, "decompressedBytes": BYTES} if where == "segment" else {"decompressedLines": 0, "decompressedBytes": 0}
                chunk = heads["store"]["chunk"]
                equal({key: chunk[key] for key in in_memory}, in_memory, f"in memory, {where}")
                equal({key: stored["chunk"][key] for key in on_disk}, on_disk, f"on disk, {where}")
                if where == "memory":
                    check(heads["totalChunksMatched"] > 0 and heads["totalReached"] == 1, f"{heads}")
                    equal((stored["totalChunksDownloaded"], stored["chunk"]["compressedBytes"]), (0, 0), "nothing was read from disk")
                else:
                    equal((heads["totalChunksMatched"], heads["totalReached"]), (0, 0), "nothing in memory")
                    check(0 < stored["totalChunksDownloaded"] <= stored["totalChunksRef"], f"{stored}")
                    check(0 < stored["chunk"]["compressedBytes"] < BYTES, f"{stored['chunk']}")
                equal(one["index"]["totalChunks"], stored["totalChunksRef"], "blocks in the range")
                check(one["index"]["postFilterChunks"] <= one["index"]["totalChunks"], f"{one['index']}")
        # What no block can hold costs nothing but a look at their summaries.
        absent = stats(server, "query_range", query='{app="a"} |= "no such text anywhere"')
        some(absent["summary"], 0, 0, 0, 0, "a text that stands nowhere")
        equal(absent["querier"]["store"]["chunk"]["decompressedLines"], 0, "nothing was decoded")
        # A limit ends the reading.
        few = stats(server, "query_range", query='{app="a"}', limit=10)
        equal(few["summary"]["totalEntriesReturned"], 10, "ten lines")
        check(few["summary"]["totalLinesProcessed"] < 4000, f"{few['summary']}")
        # What is sent again is counted as such.
        server.push_ok([({"app": "a"}, [(T0 + (n + 1) * NS // 2, LINES[n]) for n in range(500)])])
        repeated = stats(server, "query_range", query='{app="a"}')
        equal((repeated["summary"]["totalEntriesReturned"], repeated["querier"]["store"]["chunk"]["totalDuplicates"]), (4000, 500), "repetitions")
        # Structured metadata.
        server.push_ok([({"app": "m"}, [(T0 + n * NS, "x", {"trace": f"id-{n}"}) for n in range(50)])])
        with_metadata = stats(server, "query_range", query='{app="m"} | trace="id-7"')
        check(with_metadata["summary"]["totalStructuredMetadataBytesProcessed"] > 0 and with_metadata["querier"]["store"]["queryReferencedStructuredMetadata"],
              f"{with_metadata['summary']}")


if __name__ == "__main__":
    main(truths)
