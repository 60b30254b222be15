#!/usr/bin/python3
"""The pods of a Kubernetes API server, over HTTPS, with the faults that are put into it; /pods is a kubelet's, without them.

kubernetes_double.py DIRECTORY: makes a certificate (ca.crt) there, listens at 127.0.0.1, and prints its port. A request needs the token "t1". POST /control takes
{"put": pod} {"delete": uid} {"bookmark": true} {"compact": true} {"fault": "", "hang", "refuse", "error", "reset"} {"close": true}; GET /log gives the requests so far.
"""
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

from json_handler import JsonHandler

DIRECTORY = sys.argv[1]


class State:
    def __init__(self):
        self.changed = threading.Condition()
        self.version = 100
        self.oldest = 100
        self.pods = {}
        self.events = []  # (version, event)
        self.fault = ""
        self.closings = 0
        self.requests = []

    def put(self, pod, kind=None):
        self.version += 1
        uid = pod["metadata"]["uid"]
        pod["metadata"]["resourceVersion"] = str(self.version)
        kind = kind or ("MODIFIED" if uid in self.pods else "ADDED")
        if kind == "DELETED":
            del self.pods[uid]
        else:
            self.pods[uid] = pod
        self.events.append((self.version, {"type": kind, "object": pod}))

    def control(self, command):
        with self.changed:
            if "put" in command:
                self.put(command["put"])
            if "delete" in command:
                self.put(self.pods[command["delete"]], "DELETED")
            if "bookmark" in command:
                self.version += 50
                self.events.append((self.version, {"type": "BOOKMARK", "object": {
                    "kind": "Pod", "metadata": {"resourceVersion": str(self.version)}}}))
            if "compact" in command:
                self.version += 1
                self.oldest = self.version
                self.events.clear()
            if "fault" in command:
                self.fault = command["fault"]
            if "close" in command:
                self.closings += 1
            self.changed.notify_all()


STATE = State()


def selected(pod, query):
    for term in query.get("fieldSelector", [""])[0].split(","):
        if term.startswith("spec.nodeName=") and pod["spec"].get("nodeName") != term.split("=")[1]:
            return False
    return True


class Handler(JsonHandler):
    def status(self, code, reason):
        self.answer({"kind": "Status", "status": "Failure", "reason": reason, "code": code}, code)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        STATE.control(json.loads(body))
        self.answer({})

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/log":
            self.answer(STATE.requests)
            return
        if url.path == "/pods":  # as the kubelet of node n1, which no fault of the server touches
            with STATE.changed:
                items = [pod for pod in STATE.pods.values() if pod["spec"].get("nodeName") == "n1"]
            if self.headers.get("Authorization") != "Bearer t1":
                self.status(401, "Unauthorized")
            else:
                self.answer({"kind": "PodList", "metadata": {}, "items": items})
            return
        with STATE.changed:
            STATE.requests.append(self.path)
            fault = STATE.fault
        if fault == "hang":
            with STATE.changed:
                STATE.changed.wait_for(lambda: STATE.fault != "hang")
            self.close_connection = True
        elif fault == "reset":
            self.close_connection = True
        elif fault == "refuse" or self.headers.get("Authorization") != "Bearer t1":
            self.status(403, "Forbidden")
        elif fault == "error":
            self.status(500, "InternalError")
        elif url.path != "/api/v1/pods":
            self.status(404, "NotFound")
        elif query.get("watch"):
            self.watch(query)
        else:
            with STATE.changed:
                items = [pod for pod in STATE.pods.values() if selected(pod, query)]
                self.answer({"kind": "PodList", "metadata": {"resourceVersion": str(STATE.version)}, "items": items})

    def watch(self, query):
        seen = int(query["resourceVersion"][0])
        with STATE.changed:
            if seen < STATE.oldest:
                self.status(410, "Expired")
                return
            closings = STATE.closings
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = time.monotonic() + int(query["timeoutSeconds"][0])
        while time.monotonic() < end:
            with STATE.changed:
                news = [(version, event) for version, event in STATE.events if version > seen]
                if not news and STATE.closings == closings and STATE.fault != "reset" and seen >= STATE.oldest:
                    STATE.changed.wait(0.2)
                    continue
                gone = seen < STATE.oldest and not news
                stop = STATE.closings != closings or STATE.fault == "reset"
                events = [event for version, event in news if event["type"] == "BOOKMARK" or selected(event["object"], query)]
                seen = max([seen] + [version for version, _ in news])
                if gone:
                    events = [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}]
            try:
                for event in events:
                    line = json.dumps(event).encode() + b"\n"
                    # In two pieces, as a network may have it.
                    for piece in (line[:7], line[7:]):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        self.wfile.flush()
                if gone or stop:
                    if not stop:
                        self.wfile.write(b"0\r\n\r\n")
                    self.close_connection = True
                    return
            except OSError:
                return
        self.wfile.write(b"0\r\n\r\n")


def main():
    certificate, key = os.path.join(DIRECTORY, "ca.crt"), os.path.join(DIRECTORY, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
