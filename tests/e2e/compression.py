#!/usr/bin/python3
"""Answers as gzip: the same bytes after decompression, only where the client takes them and only where the server is told to."""
import gzip
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running  # noqa: E402

CONFIG = "frontend:\n  compress_responses: true\nlimits_config:\n  reject_old_samples: false\n  max_entries_limit_per_query: 100000\n"
SERIES = "/loki/api/v1/series"
WHOLE = {"match[]": '{app=~".+"}', "start": T0, "end": T0 + 3600 * NS}


def fetch(server, path, params, accept):
    answer = server.get(path, params, headers={"Accept-Encoding": accept})
    headers = {name.lower(): value for name, value in answer.headers.items()}
    equal(answer.status, 200, f"{path}: {answer.text[:200]}")
    encoding = headers.get("content-encoding")
    equal(int(headers["content-length"]), len(answer.body), "Content-Length is that of what is sent")
    body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
    return encoding, headers.get("vary"), body, len(answer.body)


def fill(server):
    for begin in range(0, 20_000, 5_000):
        server.push_ok([({"app": f"app-{n % 100:03d}"}, [(T0 + n * 10**6, f"line {n} caf\u00e9 <&> " + "text " * 20)]) for n in range(begin, begin + 5_000)])


def told_to(directory):
    with running(Server(directory, CONFIG)) as server:
        fill(server)
        plain = fetch(server, SERIES, WHOLE, "identity")
        equal(plain[:2], (None, "Accept-Encoding"), "not asked for")
        for accept, want in (("gzip", "gzip"), ("gzip, deflate, br", "gzip"), ("GZIP;q=0.1", "gzip"), ("gzip;q=0", None), ("*", None), ("br", None)):
            encoding, vary, body, size = fetch(server, SERIES, WHOLE, accept)
            equal((encoding, vary), (want, "Accept-Encoding"), accept)
            check(sorted(body.split(b"},{")) == sorted(plain[2].split(b"},{")) or body == plain[2], f"{accept}: another body")
            if want:
                check(size < len(body) / 3, f"{size} bytes of {len(body)}")
        # Small answers, and errors, go out as they are.
        equal(fetch(server, "/loki/api/v1/labels", {"start": T0, "end": T0 + NS}, "gzip")[0], None, "a small one")
        bad = server.query_range("{app=", headers={"Accept-Encoding": "gzip"})
        check("Content-Encoding" not in bad.headers and bad.status == 400, f"an error: {bad.headers}")
        equal(fetch(server, "/metrics", {}, "gzip")[0], "gzip", "/metrics")

        # Large ones are made elsewhere than where the connections are served: others are answered meanwhile.
        large = {"query": '{app=~".+"}', "start": T0, "end": T0 + 3600 * NS, "limit": 20_000}
        results, failed = [], []

        def one():
            try:
                encoding, _, body, _ = fetch(server, "/loki/api/v1/query_range", large, "gzip")
                results.append((encoding, body.count(b'"line ') - 0))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            equal(server.get("/ready").text, "ready\n", "meanwhile")
        check(not failed, f"{failed}")
        equal(results, [("gzip", 20_000)] * 8, "large answers")


def not_told_to(directory):
    with running(Server(directory)) as server:
        fill(server)
        equal(fetch(server, SERIES, WHOLE, "gzip")[:2], (None, None), "as Loki's default")
        equal(fetch(server, "/metrics", {}, "gzip")[0], "gzip", "/metrics, always")


if __name__ == "__main__":
    main(told_to, not_told_to)
