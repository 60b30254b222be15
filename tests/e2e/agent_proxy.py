#!/usr/bin/python3
"""Lines that go out through a real proxy: Loki's push as a request to the proxy, over TLS through a tunnel, and Skald's own protocol; with a password,
and past it for hosts that need none."""
import base64
import http.server
import os
import shutil
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Process, Server, certificate, check, equal, free_port, main, running, wait_until  # noqa: E402


class Proxy(Process):
    """tinyproxy with a password, for loopback alone."""

    def __init__(self, directory):
        self.port = free_port()
        path = os.path.join(directory, "tinyproxy.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"Port {self.port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 600\nLogLevel Connect\nMaxClients 50\nBasicAuth user s3cret\n")
        super().__init__("tinyproxy", [shutil.which("tinyproxy"), "-d", "-c", path], os.path.join(directory, "tinyproxy.log"))

    def requests(self):
        """What was asked for: [(method, target)]."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            lines = [line.split("): ", 1)[1].split() for line in file if "Request (file descriptor" in line and "): " in line]
        return [(words[0], words[1]) for words in lines if len(words) > 1]


class TlsEnd:
    """Takes pushes over TLS."""

    def __init__(self, cert):
        self.bodies = []
        end = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                end.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def through_a_proxy(directory):
    with open(f"{directory}/a.log", "w", encoding="utf-8") as file:
        file.write("".join(f"line {i}\n" for i in range(100)))
    ca = certificate(directory, "ca")
    tls_end = TlsEnd(certificate(directory, "server", ca))
    proxy = Proxy(directory)
    servers = {name: Server(directory, name=name) for name in ("push", "own", "past")}
    with running(proxy), running(servers["push"]), running(servers["own"]), running(servers["past"]):
        url = f"http://user:s3cret@127.0.0.1:{proxy.port}"
        push = "/loki/api/v1/push"
        config = f"""\
clients:
  - {{name: push, url: 'http://127.0.0.1:{servers["push"].port}{push}', proxy_url: '{url}'}}
  - {{name: tls, url: 'https://127.0.0.1:{tls_end.port}{push}', proxy_url: '{url}', tls_config: {{ca_file: {ca[0]}}}}}
  - {{name: own, url: 'grpc://127.0.0.1:{servers["own"].grpc_port}', proxy_url: '{url}'}}
  - {{name: past, url: 'http://127.0.0.1:{servers["past"].port}{push}', proxy_url: '{url}', no_proxy: '127.0.0.0/8,example.com'}}
  - {{name: refused, url: 'http://127.0.0.1:{servers["push"].port}{push}', proxy_url: 'http://user:wrong@127.0.0.1:{proxy.port}'}}
scrape_configs:
  - job_name: a
    static_configs: [{{labels: {{job: a, __path__: {directory}/a.log}}}}]
"""

        def lines(server):
            now = time.time_ns()
            return sorted(line for _, line in server.lines('{job="a"}', now - 3600 * NS, now + NS))

        want = sorted(f"line {i}" for i in range(100))
        agent = Agent(directory, config)
        with running(agent):
            for name, server in servers.items():
                wait_until(f"all lines at {name}", lambda: lines(server) == want)
            wait_until("the end with TLS has something", lambda: tls_end.bodies)
            asked = proxy.requests()
            for request in (("POST", f"http://127.0.0.1:{servers['push'].port}{push}"), ("CONNECT", f"127.0.0.1:{tls_end.port}"),
                            ("CONNECT", f"127.0.0.1:{servers['own'].grpc_port}")):
                check(request in asked, f"{request} is not among {set(asked)}")
            check(not any(str(servers["past"].port) in target for _, target in asked), f"what needs no proxy went through it: {set(asked)}")
            with open(agent.log_path, encoding="utf-8") as file:
                log = file.read()
            check("s3cret" not in log and base64.b64encode(b"user:s3cret").decode() not in log, "a password is in the log")
            # A proxy that goes takes the lines with it until it is back.
            proxy.kill()
            with open(f"{directory}/a.log", "a", encoding="utf-8") as file:
                file.write("while it is away\n")
            want = sorted([*want, "while it is away"])
            wait_until("a line past the proxy", lambda: lines(servers["past"]) == want)
            check("while it is away" not in lines(servers["push"]), "a line went out without its proxy")
            proxy.start()
            for name, server in servers.items():
                wait_until(f"the line at {name}", lambda: lines(server) == want, timeout=120)


if shutil.which("tinyproxy") is None:
    print("skipped: there is no tinyproxy")
    sys.exit(77)
main(through_a_proxy)
