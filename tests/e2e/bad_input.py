#!/usr/bin/python3
"""Bad input of every kind against a real server: a clear error, nothing else lost, nothing crashes."""
import glob
import gzip
import http.client
import os
import random
import socket
import sys
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import (NS, T0, Failure, Server, check, equal, free_port, json_push, main, proto_field, proto_push, running,  # noqa: E402
                     seed, snappy_literals, varint)

JSON, PROTO = "application/json", "application/x-protobuf"
CONFIG = """\
push:
  max_bytes: 1MB
  max_decompressed_bytes: 16MB
limits_config:
  max_line_size: 64KB
"""


def sentinel(server):
    """What no bad request may touch."""
    server.push_ok([({"app": "sentinel"}, [(T0 + n * NS, f"sentinel {n}") for n in range(100)])])


def sentinel_stands(server, after):
    check(server.alive(), f"{after}: the server died\n{server.log_tail()}")
    try:
        server.get("/ready")
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"{after}: the server does not answer: {error}\n{server.log_tail()}") from error
    got = server.lines('{app="sentinel"}')
    equal(got, [(T0 + n * NS, f"sentinel {n}") for n in range(100)], f"the lines that were there before: {after}")


def one(labels='{app="x"}', ns=T0, line="x"):
    return proto_push([(labels, [(ns, line)])])


def gzip_bomb(mebibytes):
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()


def pushes(directory):
    good_json, good_proto = json_push([({"app": "x"}, [(T0, "x")])]), snappy_literals(one())
    bomb = gzip_bomb(512)
    check(len(bomb) < 1 << 20, "the bomb is too large to be one")
    deep = b'{"streams":' + b"[" * 100000
    far = time.time_ns() + 86400 * NS
    rows = [
        # what, body, content type, more headers, status, part of the answer
        ("empty JSON", b"", JSON, {}, 400, "EOF"),
        ("empty protobuf", b"", PROTO, {}, 400, "snappy: corrupt input"),
        ("truncated JSON", good_json[:-7], JSON, {}, 400, ""),
        ("garbage JSON", b"\x00\xff garbage", JSON, {}, 400, ""),
        ("JSON that is no object", b"[]", JSON, {}, 400, ""),
        ("JSON with a number for a time", b'{"streams":[{"stream":{"a":"b"},"values":[[1,"x"]]}]}', JSON, {}, 400, ""),
        ("JSON with a word for a time", b'{"streams":[{"stream":{"a":"b"},"values":[["now","x"]]}]}', JSON, {}, 400, ""),
        ("JSON with a number for a line", b'{"streams":[{"stream":{"a":"b"},"values":[["1",2]]}]}', JSON, {}, 400, ""),
        ("JSON with metadata that is no object", b'{"streams":[{"stream":{"a":"b"},"values":[["1","x","y"]]}]}', JSON, {}, 400, ""),
        ("JSON nested 100,000 deep", deep, JSON, {}, 400, ""),
        ("no streams, JSON", b'{"streams":[]}', JSON, {}, 422, "at least one valid stream is required"),
        ("no streams, protobuf", b"\x00", PROTO, {}, 422, "at least one valid stream is required"),
        ("truncated snappy", good_proto[:-3], PROTO, {}, 400, "snappy: corrupt input"),
        ("raw protobuf without snappy", one(), PROTO, {}, 400, ""),
        ("framed snappy", b"\xff\x06\x00\x00sNaPpY" + good_proto, PROTO, {}, 400, "snappy: corrupt input"),
        ("snappy that promises 4 GB", varint(0xFFFFFFFF) + b"\x00x", PROTO, {}, 400, ""),
        ("snappy of garbage", snappy_literals(b"\x07garbage\xff\xff\xff\xff\xff\xff"), PROTO, {}, 400, ""),
        ("protobuf with a length past its end", snappy_literals(b"\x0a\xff\x7fx"), PROTO, {}, 400, ""),
        ("no content type", good_proto, None, {}, 400, "mime: no media type"),
        ("unknown content encoding", good_json, JSON, {"Content-Encoding": "br"}, 400, 'Content-Encoding "br" not supported'),
        ("truncated gzip", gzip.compress(good_json)[:-10], JSON, {"Content-Encoding": "gzip"}, 400, ""),
        ("gzip that is none", good_json, JSON, {"Content-Encoding": "gzip"}, 400, ""),
        ("gzip bomb as JSON", bomb, JSON, {"Content-Encoding": "gzip"}, 400, ""),
        ("gzip bomb as protobuf", bomb, PROTO, {"Content-Encoding": "gzip"}, 400, ""),
        ("larger than allowed, protobuf", bytes(2 << 20), PROTO, {}, 413, "too large"),
        ("larger than allowed, JSON", b'{"streams":[' + b" " * (2 << 20), JSON, {}, (400, 413), ""),
        ("label name with a dash", json_push([({"a-b": "x"}, [(T0, "x")])]), JSON, {}, 400, "couldn't parse labels"),
        ("labels without an end", snappy_literals(one('{app="x"')), PROTO, {}, 400, "couldn't parse labels"),
        ("labels that are a sentence", snappy_literals(one("no labels at all")), PROTO, {}, 400, "couldn't parse labels"),
        ("duplicate label", snappy_literals(one('{a="1", a="2"}')), PROTO, {}, 400, ""),
        ("label value too long", json_push([({"a": "x" * 5000}, [(T0, "x")])]), JSON, {}, 400, "label value too long"),
        ("label name too long", json_push([({"a" * 5000: "x"}, [(T0, "x")])]), JSON, {}, 400, "label name too long"),
        ("too many labels", json_push([({f"l{n}": "x" for n in range(40)}, [(T0, "x")])]), JSON, {}, 400, "label names; limit 15"),
        ("line too long", json_push([({"app": "x"}, [(T0, "x" * 70000)])]), JSON, {}, 400, "max entry size '65536' bytes exceeded"),
        ("line of tomorrow", json_push([({"app": "x"}, [(far, "x")])]), JSON, {}, 400, "has timestamp too new"),
    ]
    with running(Server(directory, CONFIG)) as server:
        sentinel(server)
        before = server.memory_peak()
        for what, body, kind, headers, status, text in rows:
            headers = {**headers, **({"Content-Type": kind} if kind else {})}
            answer = server.request("POST", "/loki/api/v1/push", body=body, headers=headers)
            wanted = status if isinstance(status, tuple) else (status,)
            check(answer.status in wanted and text in answer.text,
                  f"{what}: want {status} with {text!r}, got {answer.status} {answer.text[:300]!r}")
            check(answer.text.strip(), f"{what}: an error without a word")
            sentinel_stands(server, what)
        grown = server.memory_peak() - before
        # Sanitizers keep several bytes of their own for each of the program's.
        allowed = (1000 if os.environ.get("SKALD_SANITIZE") else 200) << 20
        check(grown < allowed, f"peak memory grew by {grown >> 20} MiB")
        equal(server.stop(), 0, "exit code after SIGTERM")


def good_lines_beside_bad_ones(directory):
    far = time.time_ns() + 86400 * NS
    with running(Server(directory, CONFIG)) as server:
        answer = server.push_json([
            ({"app": "mixed"}, [(T0, "first"), (T0 + 1, "x" * 70000), (T0 + 2, "second"), (far, "tomorrow"), (T0 + 3, "third")]),
            ({f"l{n}": "x" for n in range(40)}, [(T0, "too many labels")]),
            ({"app": "after"}, [(T0, "fourth")]),
        ])
        equal(answer.status, 400, "status of a push with bad entries")
        for text in ("max entry size", "too new", "label names; limit"):
            check(text in answer.text, f"{text!r} is not named in {answer.text!r}")
        equal([line for _, line in server.lines('{app="mixed"}')], ["first", "second", "third"], "good entries of a stream")
        equal([line for _, line in server.lines('{app="after"}')], ["fourth"], "a good stream behind a bad one")


def lines_of_any_bytes(directory):
    lines = [b"\xff\xfe broken", b"\x80", b"a\x00b", "ok é".encode(), b"\xed\xa0\x80 surrogate", b"cut \xe6\x97"]
    with running(Server(directory, CONFIG)) as server:
        answer = server.push_proto([({"app": "bytes"}, [(T0 + n, line) for n, line in enumerate(lines)])])
        equal((answer.status, answer.text), (204, ""), "push")
        # An invalid byte comes back as one U+FFFD.
        want = ["\ufffd\ufffd broken", "\ufffd", "a\x00b", "ok é", "\ufffd\ufffd\ufffd surrogate", "cut \ufffd\ufffd"]
        for where in ("in memory", "in a segment"):
            equal([line for _, line in server.lines('{app="bytes"}')], want, where)
            equal(server.count('{app="bytes"} |= "broken"'), 1, f"{where}: search beside an invalid byte")
            server.flush()


def queries(directory):
    hour = {"start": T0, "end": T0 + 3600 * NS}
    long_query = '{app="x"} |= "' + "y" * 131072 + '"'
    nested = "(" * 3000 + "1" + ")" * 3000
    rows = [
        ("query_range", {"query": ""}, 400, "parse error : syntax error: unexpected $end"),
        ("query_range", {}, 400, "parse error"),
        ("query_range", {"query": '{app="x"'}, 400, "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,"),
        ("query_range", {"query": '{app="x}'}, 400, "literal not terminated"),
        ("query_range", {"query": '{app=~"("}'}, 400, "error parsing regexp"),
        ("query_range", {"query": '{app="x"} | frobnicate'}, 400, "parse error"),
        ("query_range", {"query": '{app="x"} |= "a" |'}, 400, "parse error"),
        ("query_range", {"query": "{}"}, 400, "queries require at least one regexp or equality matcher"),
        ("query_range", {"query": "\x00"}, 400, "parse error"),
        ("query_range", {"query": nested}, 400, ""),
        ("query_range", {"query": 'rate({app="x"}[5x])'}, 400, 'unknown unit "x" in duration "5x"'),
        ("query_range", {"query": '{app="x"}', "start": "we"}, 400, "could not parse 'start' parameter"),
        ("query_range", {"query": '{app="x"}', "limit": "-1"}, 400, "limit must be a positive value"),
        ("query_range", {"query": '{app="x"}', "limit": "x"}, 400, 'strconv.Atoi: parsing "x": invalid syntax'),
        ("query_range", {"query": '{app="x"}', "direction": "up"}, 400, "invalid direction 'up'"),
        ("query_range", {"query": '{app="x"}', "step": "-1"}, 400, "zero or negative query resolution step"),
        ("query_range", {"query": '{app="x"}', "step": "0.001"}, 400, "exceeded maximum resolution of 11,000 points"),
        ("query_range", {"query": '{app="x"}', "start": T0 + 1, "end": T0}, 400, "end timestamp must not be before"),
        ("query", {"query": '{app="x"}'}, 400, "log queries are not supported as an instant query type"),
        ("query", {"query": "1 +"}, 400, "parse error"),
        ("query", {"query": "1", "time": "soon"}, 400, 'strconv.ParseInt: parsing "soon": invalid syntax'),
        ("labels", {"query": "{"}, 400, "parse error"),
        ("series", {"match[]": '{app=~".*"}'}, 400, "queries require at least one"),
        ("series", {"match[]": '{app="x"} |= "y"'}, 400, "only label matchers are supported"),
    ]
    with running(Server(directory, CONFIG)) as server:
        sentinel(server)
        for path, params, status, text in rows:
            answer = server.get(f"/loki/api/v1/{path}", {**hour, **params})
            what = f"{path} {str(params)[:120]}"
            check(answer.status == status and text in answer.text,
                  f"{what}: want {status} with {text!r}, got {answer.status} {answer.text[:300]!r}")
            equal(answer.headers.get("Content-Type"), "text/plain; charset=utf-8", f"{what}: content type")
        body = b"query=" + long_query.replace('"', "%22").encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = server.request("POST", "/loki/api/v1/query_range", body=body, headers=form)
        check(answer.status == 400 and "input size too long" in answer.text, f"long query: {answer.status} {answer.text[:200]}")
        for method, path, status in [("GET", "/no/such/path", 404), ("DELETE", "/loki/api/v1/labels", 405),
                                     ("GET", "/loki/api/v1/push", 405), ("GET", "/loki/api/v1/query_range/", 404)]:
            equal(server.request(method, path).status, status, f"{method} {path}")
        sentinel_stands(server, "bad queries")


def broken_http(directory):
    random_ = random.Random(seed())
    pieces = [
        b"\x16\x03\x01\x02\x00garbage of another protocol" * 20,
        b"GET /ready HTTP/9.9\r\n\r\n",
        b"GET " + b"/x" * 100000 + b" HTTP/1.1\r\n\r\n",
        b"POST /loki/api/v1/push HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /loki/api/v1/push HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /loki/api/v1/push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nxx",
        b"GET /ready HTTP/1.1\r\n" + b"X-Header: " + b"y" * 200000 + b"\r\n\r\n",
        b"GET /loki/api/v1/query?query=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(random_.randrange(256) for _ in range(5000)),
    ]
    with running(Server(directory, CONFIG)) as server:
        sentinel(server)
        open_sockets = []
        for piece in pieces:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
                try:
                    s.sendall(piece)
                    s.settimeout(1)
                    s.recv(65536)
                except OSError:
                    pass
            sentinel_stands(server, repr(piece[:40]))
        # Clients that begin a request and go silent, or leave in the middle, hold up nobody.
        for _ in range(50):
            s = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            s.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"str")
            open_sockets.append(s)
        sentinel_stands(server, "50 silent clients")
        for s in open_sockets:
            s.close()
        sentinel_stands(server, "50 clients that left")


def refuses_to_start(server, *texts):
    server.start_unchecked()
    try:
        code = server.exit_code(30)
    finally:
        server.kill()
    check(code not in (0, None) and code > 0, f"exit code {code}, a plain error code was expected\n{server.log_tail()}")
    for text in texts:
        check(text in server.log(), f"{text!r} is not in its words:\n{server.log_tail()}")


def bad_start(directory):
    # Also root cannot make a directory below a file, or in /proc.
    file_path = os.path.join(directory, "file")
    with open(file_path, "w", encoding="ascii") as file:
        file.write("x")
    for name, data in (("under-a-file", os.path.join(file_path, "data")), ("in-proc", "/proc/skald-data")):
        server = Server(directory, name=name)
        server.arguments = [argument if not argument.startswith("--data-dir") else f"--data-dir={data}"
                            for argument in server.arguments]
        refuses_to_start(server, data)
    for name, config, text in (
        ("wrong-type", "limits_config:\n  max_line_size: many\n", "many"),
        ("no-yaml", "a: [b\n", ".yaml"),
    ):
        refuses_to_start(Server(directory, config, name=name), text)
    unknown_flag = Server(directory, name="unknown-flag", flags=("--no-such-flag",))
    refuses_to_start(unknown_flag, "no-such-flag")
    # A file made for Loki may hold keys of other versions: they are named, with what was probably meant, and the server starts.
    with running(Server(directory, "limits_config:\n  max_lime_size: 1\n", name="unknown-key")) as server:
        check("max_lime_size" in server.log() and "max_line_size" in server.log(), f"no word about it\n{server.log_tail()}")

    with running(Server(directory)) as first:
        sentinel(first)
        second = Server(directory, name="same-port")
        second.arguments = [a.replace(str(second.port), str(first.port)) for a in second.arguments]
        refuses_to_start(second, str(first.port))
        third = Server(directory, name="same-directory")
        third.arguments = [a.replace(third.data, first.data) for a in third.arguments]
        refuses_to_start(third, first.data)
        sentinel_stands(first, "two others tried to take its place")


def newest(pattern):
    files = sorted(glob.glob(pattern))
    check(files, f"no file {pattern}")
    return files[-1]


def torn_log(directory):
    random_ = random.Random(seed())
    for damage in ("garbage", "zeros", "half a record", "a cut"):
        with running(Server(directory, name=f"torn-{damage.replace(' ', '-')}")) as server:
            sentinel(server)
            server.push_ok([({"app": "last"}, [(T0, "the last line")])])
            server.kill()
            log = newest(os.path.join(server.data, "wal", "*.log"))
            with open(log, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if damage == "garbage":
                    file.write(bytes(random_.randrange(256) for _ in range(1000)))
                elif damage == "zeros":
                    file.write(bytes(4096))
                elif damage == "half a record":
                    file.seek(0)
                    whole = file.read()
                    file.seek(size)
                    file.write(whole[size // 2:size // 2 + 100])
                else:
                    file.truncate(size - 5)
            server.start()
            sentinel_stands(server, f"torn log: {damage}")
            if damage != "a cut":
                equal([line for _, line in server.lines('{app="last"}')], ["the last line"], f"{damage}: the last line")
            # And it goes on from there, over another crash.
            server.push_ok([({"app": "more"}, [(T0, "after the damage")])])
            server.kill()
            server.start()
            equal([line for _, line in server.lines('{app="more"}')], ["after the damage"], f"{damage}: a new line")
            sentinel_stands(server, f"{damage}, second start")


def flipped_byte(directory):
    random_ = random.Random(seed())
    with running(Server(directory)) as server:
        sentinel(server)
        server.flush()
        known = set(glob.glob(os.path.join(server.data, "segments", "*.seg")))
        lines = [f"victim {n} {random_.getrandbits(64):016x}" for n in range(20000)]
        server.push_ok([({"app": "victim"}, [(T0 + n * 10**6, line) for n, line in enumerate(lines)])])
        server.flush()
        fresh = sorted(set(glob.glob(os.path.join(server.data, "segments", "*.seg"))) - known)
        check(fresh, "the flush made no segment")
        segment = max(fresh, key=os.path.getsize)
        for attempt in range(8):
            server.stop()
            size = os.path.getsize(segment)
            at = random_.randrange(size)
            with open(segment, "r+b") as file:
                file.seek(at)
                old = file.read(1)
                file.seek(at)
                file.write(bytes([old[0] ^ 0x41]))
            server.start()
            what = f"byte {at} of {size} flipped"
            sentinel_stands(server, what)
            answer = server.query_range('{app="victim"}', limit=5000, direction="forward")
            check(server.alive(), f"{what}: the server died\n{server.log_tail()}")
            if answer.status == 200:
                wanted = set(lines)
                for stream in answer.json()["data"]["result"]:
                    for _, line in stream["values"]:
                        check(line in wanted, f"{what}: a line that was never sent: {line!r}")
            else:
                check(answer.status == 500 and answer.text, f"{what}: {answer.status} {answer.text[:200]!r}")
            sentinel_stands(server, f"{what}, asked")
            with open(segment, "r+b") as file:
                file.seek(at)
                file.write(old)
        server.stop()
        server.start()
        equal(server.count('{app="victim"}'), len(lines), "lines after the byte is as it was")


def lost_index(directory):
    with running(Server(directory)) as server:
        sentinel(server)
        server.flush()
        server.stop()
        for damage in ("removed", "garbage"):
            index = os.path.join(server.data, "index")
            for path in glob.glob(os.path.join(index, "*")):
                if damage == "removed":
                    os.remove(path)
                else:
                    with open(path, "r+b") as file:
                        file.write(b"garbage" * 20)
            server.start()
            sentinel_stands(server, f"index {damage}")
            equal(server.get("/loki/api/v1/label/app/values", {"start": T0, "end": T0 + 3600 * NS}).json().get("data"), ["sentinel"],
                  f"index {damage}: label values")
            server.stop()


if __name__ == "__main__":
    main(pushes, good_lines_beside_bad_ones, lines_of_any_bytes, queries, broken_http, bad_start, torn_log, flipped_byte, lost_index)
