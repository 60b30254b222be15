#!/usr/bin/python3
"""Clients that keep connections and send little, too much, or half: others are answered as before."""
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, json_push, main, running  # noqa: E402

CONFIG = "server:\n  max_connections: 20000\n"


def raise_limit():
    """As many open files as this machine lets us have, for us and the server started from here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def others_are_answered(server, what):
    check(server.alive(), f"{what}: the server died\n{server.log_tail()}")
    begin = time.monotonic()
    server.push_ok([({"app": "other"}, [(T0 + int(begin * 1000), what)])])
    check(server.lines('{app="other"}')[-1][1] == what, f"{what}: the line is not there")
    equal(server.get("/ready").text, "ready\n", what)
    took = time.monotonic() - begin
    check(took < 10, f"{what}: others waited {took:.1f} s")


def connect(server):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return client


def slowloris(directory):
    """Heads and bodies byte by byte."""
    with running(Server(directory, CONFIG)) as server:
        heads = [connect(server) for _ in range(500)]
        bodies = [connect(server) for _ in range(500)]
        for client in bodies:
            client.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        end, byte = time.monotonic() + 25, 0
        head = b"GET /ready HTTP/1.1\r\nX-A: " + b"a" * 10000
        while time.monotonic() < end:
            for client, sent in [(c, head[byte:byte + 1]) for c in heads] + [(c, b"{") for c in bodies]:
                try:
                    client.sendall(sent)
                except OSError:
                    pass
            byte += 1
            others_are_answered(server, f"slowloris {byte}")
            time.sleep(1)
        # A head has its time, however steadily its bytes come.
        closed = 0
        for client in heads:
            client.settimeout(10)
            try:
                client.recv(4096)  # an answer that says so, or the end
                closed += 1
            except ConnectionError:
                closed += 1
            except socket.timeout:
                pass
        equal(closed, len(heads), "slow heads that were ended")
        for client in heads + bodies:
            client.close()
        others_are_answered(server, "after slowloris")


def a_million_headers(directory):
    with running(Server(directory, CONFIG)) as server:
        for what, header in (("short headers", b"a: b\r\n"), ("one endless header", b"a")):
            client = connect(server)
            answer = b""
            try:
                client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n" + (b"X: " if len(header) == 1 else b""))
                for _ in range(1000):
                    client.sendall(header * 1000)
                client.sendall(b"\r\n\r\n")
            except OSError:
                pass  # the server needs not read them all
            try:
                while chunk := client.recv(65536):
                    answer += chunk
            except OSError:
                pass
            client.close()
            check(not answer.startswith(b"HTTP/1.1 200"), f"{what}: answered {answer[:100]}")
            others_are_answered(server, what)


def half_closed(directory):
    with running(Server(directory, CONFIG)) as server:
        body = json_push([({"app": "half"}, [(T0, "half-closed")])])
        body = body.encode() if isinstance(body, str) else body
        # A client that says no more and waits for its answer gets it.
        client = connect(server)
        client.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(4096)
        check(answer.startswith(b"HTTP/1.1 204"), f"half-closed after a whole request: {answer!r}")
        client.close()
        # Halves of requests, left so.
        left = []
        for part in (b"", b"GET", b"GET /ready HTTP/1.1\r\n", b"POST /loki/api/v1/push HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345"):
            for _ in range(100):
                client = connect(server)
                client.sendall(part)
                client.shutdown(socket.SHUT_WR)
                left.append(client)
        others_are_answered(server, "half-closed sockets")
        for client in left:
            client.settimeout(40)
            try:
                while client.recv(4096):
                    pass
            except ConnectionError:
                pass
            client.close()
        others_are_answered(server, "half-closed sockets are gone")


def idle_connections(directory):
    limit = raise_limit()
    # The server and this script have the same limit; some files are for other use.
    count = 10_000
    check(limit >= count + 200, f"{count} connections need more open files than the {limit} that are allowed here (ulimit -Hn)")
    with running(Server(directory, CONFIG)) as server:
        idle = []
        for _ in range(count):
            idle.append(connect(server))
        print(f"{len(idle)} idle connections (limit of open files: {limit})")
        for n in range(5):
            others_are_answered(server, f"idle connections {n}")
        # They are no dead ones either.
        for client in idle[:: max(1, len(idle) // 50)]:
            client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            check(client.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection that is used")
        for client in idle:
            client.close()
        others_are_answered(server, "after idle connections")


if __name__ == "__main__":
    main(slowloris, a_million_headers, half_closed, idle_connections)
