#!/usr/bin/python3
"""A Nomad agent's HTTP API, as far as ours asks: what it tells stands in a file, and each change of the file answers requests that wait for it.

nomad_double.py STATE [PORT_OR_SOCKET]: STATE is {"node": its id, "allocations": [as /v1/node/ID/allocations has them], "token": "" or the one that is wanted,
"hides_itself": bool}. Listens at 127.0.0.1 and prints the port, or on a Unix socket.
"""
import http.server
import socketserver
import sys
import time
import urllib.parse

from json_handler import JsonHandler, read_state

STATE = sys.argv[1]
AT = sys.argv[2] if len(sys.argv) > 2 else "0"


def state():
    return read_state(STATE)


class Handler(JsonHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        now = state()
        token = self.headers.get("X-Nomad-Token") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if now.get("token", "") != token:
            self.answer("Permission denied", 403)
        elif url.path == "/v1/agent/self":
            if now.get("hides_itself"):
                self.answer("Permission denied", 403)
            else:
                self.answer({"config": {}, "stats": {"client": {"node_id": now["node"]}}})
        elif url.path == "/v1/nodes":
            self.answer([{"ID": "another", "Name": "n2"}, {"ID": now["node"], "Name": "n1"}])
        elif url.path == f"/v1/node/{now['node']}/allocations":
            index = int(query.get("index", ["0"])[0])
            end = time.monotonic() + int(query.get("wait", ["0s"])[0].removesuffix("s"))
            newest = lambda: max((one["ModifyIndex"] for one in now["allocations"]), default=0)  # noqa: E731
            while index > 0 and newest() == index and time.monotonic() < end:
                time.sleep(0.01)
                now = state()
            self.answer(now["allocations"])
        else:
            self.answer("404 page not found", 404)


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if "/" in AT:
    SERVER = UnixServer(AT, Handler)
else:
    SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", int(AT)), Handler)
    SERVER.daemon_threads = True
    print(SERVER.server_address[1], flush=True)
SERVER.serve_forever()
