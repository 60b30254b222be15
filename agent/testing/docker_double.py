#!/usr/bin/python3
"""Docker's API on a Unix socket, as far as the agent asks: what it tells stands in a file, and each change of the file is an event.

docker_double.py SOCKET STATE: STATE is {"containers": [as /containers/json has them, with LogPath and LogConfig beside], "filtered": [ids], "down": bool,
"services": [as /services has them] where the node is a Swarm's manager, "services_status": an error's status in their place}.
"""
import json
import os
import socketserver
import sys
import time
import urllib.parse

from json_handler import JsonHandler, read_state

SOCKET, STATE = sys.argv[1:3]


def state():
    return read_state(STATE)


class Handler(JsonHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        now = state()
        if now.get("down"):
            self.close_connection = True
            return
        containers = now["containers"]
        if url.path == "/containers/json":
            if "filters" in query:
                json.loads(query["filters"][0])
                containers = [one for one in containers if one["Id"] in now["filtered"]]
            self.answer(containers)
        elif url.path.startswith("/containers/"):
            found = [one for one in containers if one["Id"] == url.path.split("/")[2]]
            if not found:
                self.answer({"message": "No such container"}, 404)
                return
            self.answer({"Id": found[0]["Id"], "LogPath": found[0].get("LogPath", ""),
                         "HostConfig": {"LogConfig": {"Type": found[0].get("Driver", "json-file")}}})
        elif url.path == "/services":
            status = now.get("services_status", 200)
            if status != 200:
                self.answer({"message": "rpc error: The swarm does not have a leader."}, status)
            elif "services" in now:
                self.answer(now["services"])
            else:
                self.answer({"message": "This node is not a swarm manager. Use \"docker swarm init\" to connect this node to swarm."}, 503)
        elif url.path == "/events":
            self.events(query)
        else:
            self.answer({"message": "page not found"}, 404)

    def events(self, query):
        kind = json.loads(query["filters"][0])["type"]
        assert kind in (["container"], ["service"]), kind
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        before = os.stat(STATE).st_mtime_ns
        while True:
            time.sleep(0.01)
            now = os.stat(STATE).st_mtime_ns
            if now == before:
                continue
            before = now
            if state().get("down"):
                self.close_connection = True
                return
            line = json.dumps({"Type": kind[0], "Action": "update"}).encode() + b"\n"
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            except OSError:
                return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


Server(SOCKET, Handler).serve_forever()
