#!/usr/bin/python3
"""A real kube-apiserver for tests, built once from its Go module and kept in ~/.cache/skald-tests, with Debian's etcd behind it.

  tests/tools/kube_apiserver.py         builds it if need be and prints where it lies

In a test:

    reason = kube_apiserver.missing()     # None, or why it cannot be had here
    with kube_apiserver.running(directory) as api:
        api.request("POST", "/api/v1/namespaces", {...})
"""
import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from go_tools import CACHE, built, go_program, locked, module_directory  # noqa: E402
from harness import Failure, Process, check, free_port, wait_until  # noqa: E402

VERSION = "1.31.4"
BINARY = os.path.join(CACHE, f"kube-apiserver-{VERSION}")
TOKEN = "test-of-manifests"

MAIN = """package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
"""


def missing():
    """Why there is no apiserver to be had on this machine; None if there is."""
    if shutil.which("etcd") is None:
        return "no etcd on this machine (Debian's etcd-server)"
    if os.path.exists(BINARY):
        return None
    if go_program() is None:
        return "no go on this machine to build kube-apiserver with"
    try:
        build()
    except (Failure, subprocess.TimeoutExpired) as failure:
        return f"kube-apiserver cannot be built here: {str(failure)[-300:]}"
    return None


def build():
    """Builds BINARY unless it is there. Two tests at once build it once."""
    with locked("kube-apiserver"):
        if os.path.exists(BINARY):
            return BINARY
        # The module's own parts are replaced by directories that only its repository has: the same parts are released by themselves, as v0.x.
        upstream = module_directory("k8s.io/kubernetes", f"v{VERSION}")
        with open(os.path.join(upstream, "go.mod"), encoding="utf-8") as file:
            parts = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", file.read(), re.M)
        check(parts, "k8s.io/kubernetes names no parts of its own")
        released = "v0" + VERSION[VERSION.index("."):]
        replaced = "".join(f"\t{part} => {part} {released}\n" for part in parts)
        made = built("kube-apiserver-latest", {"main.go": MAIN, "go.mod":
                     f"module apiserver\n\ngo 1.22\n\nrequire k8s.io/kubernetes v{VERSION}\n\nreplace (\n{replaced})\n"})
        os.rename(made, BINARY)
    return BINARY


class ApiServer:
    def __init__(self, port):
        self.port = port
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def request(self, method, path, body=None, content_type="application/json", timeout=60):
        """(status, answer); the answer is JSON where it is any."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)
        try:
            data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, data, {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type, "Accept": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode("utf-8", "replace")

    def ready(self):
        try:
            return self.request("GET", "/readyz", timeout=5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


@contextlib.contextmanager
def running(directory, flags=()):
    """etcd and an apiserver on loopback, both in `directory`, ended by their ids."""
    directory = os.path.join(directory, "kube")
    os.makedirs(directory)
    token = os.path.join(directory, "tokens.csv")
    with open(token, "w", encoding="ascii") as file:
        file.write(f"{TOKEN},tester,1,system:masters\n")
    key = os.path.join(directory, "service-accounts.key")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd = Process("etcd", ["etcd", f"--data-dir={directory}/etcd", f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
                            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}", f"--listen-peer-urls=http://127.0.0.1:{peer_port}"],
                   os.path.join(directory, "etcd.log"))
    api = Process("kube-apiserver", [BINARY, f"--etcd-servers=http://127.0.0.1:{etcd_port}", f"--secure-port={port}", "--bind-address=127.0.0.1",
                                     f"--cert-dir={directory}/certificates", f"--token-auth-file={token}", "--authorization-mode=RBAC",
                                     "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
                                     f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
                                     "--disable-admission-plugins=ServiceAccount", *flags],
                  os.path.join(directory, "kube-apiserver.log"))
    client = ApiServer(port)
    try:
        etcd.start()
        api.start()

        def ready():
            for process in (etcd, api):
                check(process.alive(), f"{process.name} ended\n{process.log_tail()}")
            return client.ready()

        wait_until("the apiserver is ready", ready, timeout=180, pause=0.2)
        yield client
    finally:
        api.kill()
        etcd.kill()


if __name__ == "__main__":
    print(build())
