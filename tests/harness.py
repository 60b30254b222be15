"""What end-to-end tests share: the real programs as child processes, requests to them, and the encodings of senders.

Only the standard library. The binaries come from SKALD_BIN_DIR (ctest sets it), else build/release/bin.
"""
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN_DIR = os.environ.get("SKALD_BIN_DIR", os.path.join(ROOT, "build", "release", "bin"))
NS = 10**9
# 2026-11-01T12:00:00Z, a whole hour, so that steps and windows of tests are round.
T0 = 1793534400 * NS


class Failure(Exception):
    """A test's own finding; printed without a traceback."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}:\n  want {want!r}\n  got  {got!r}")


def wait_until(what, condition, timeout=30.0, pause=0.05):
    """Answers the first true value of condition(); Failure after the timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"after {timeout:.0f} s still not: {what}")
        time.sleep(pause)


def free_port():
    """A port below the range that the kernel gives to clients: a client that tries to reach a server that is down would else sometimes
    get the server's own port, connect to itself, and keep the server from coming back."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(10240, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port")


def seed():
    """The run's seed: SKALD_SEED, else a fresh one. Printed, so that a failure can be repeated."""
    value = int(os.environ.get("SKALD_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {value} (repeat with SKALD_SEED={value})", flush=True)
    return value


class Process:
    """A child process with its output in a file. Ended by its id, never by name."""

    def __init__(self, name, arguments, log_path, environment=None):
        self.name = name
        self.arguments = arguments
        self.log_path = log_path
        self.environment = {**os.environ, **(environment or {})}
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=self.environment, close_fds=True)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        if self.alive():
            self.child.send_signal(number)

    def kill(self):
        """kill -9, as a crash or the kernel would."""
        if self.child is not None:
            self.signal(signal.SIGKILL)
            self.child.wait()

    def stop(self, timeout=60):
        """SIGTERM; the exit code. Failure when it does not end in time."""
        if self.child is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failure(f"{self.name} did not end within {timeout} s of SIGTERM\n{self.log_tail()}")

    def exit_code(self, timeout=30):
        """Waits for the process to end by itself."""
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {timeout} s\n{self.log_tail()}")

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def log_tail(self, lines=20):
        return f"--- {self.log_path}\n" + "\n".join(self.log().splitlines()[-lines:])

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_peak(self):
        """Bytes of the largest resident set so far."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
        raise Failure("no VmHWM")


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


class Server(Process):
    """One skald on loopback with a data directory of its own."""

    def __init__(self, directory, config="", tenant=None, name="skald", flags=()):
        self.directory = directory
        self.data = os.path.join(directory, f"{name}-data")
        self.port = free_port()
        self.grpc_port = free_port()
        self.tenant = tenant
        os.makedirs(directory, exist_ok=True)
        arguments = [os.path.join(BIN_DIR, "skald"), f"--data-dir={self.data}", f"--http-listen=127.0.0.1:{self.port}",
                     f"--grpc-listen=127.0.0.1:{self.grpc_port}", *flags]
        if config:
            path = os.path.join(directory, f"{name}.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            arguments.insert(1, f"--config={path}")
        super().__init__(name, arguments, os.path.join(directory, f"{name}.log"))

    def start(self, timeout=60):
        super().start()
        self.wait_ready(timeout)
        return self

    def start_unchecked(self):
        super().start()
        return self

    def wait_ready(self, timeout=60):
        def ready():
            if not self.alive():
                raise Failure(f"{self.name} ended with {self.child.returncode} instead of getting ready\n{self.log_tail()}")
            try:
                return self.request("GET", "/ready", timeout=2).status == 200
            except OSError:
                return False
            except http.client.HTTPException:
                return False

        wait_until(f"{self.name} ready", ready, timeout)

    def request(self, method, path, params=None, body=None, headers=None, timeout=120):
        if params:
            path += "?" + urllib.parse.urlencode(params, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = dict(headers or {})
            if self.tenant:
                headers.setdefault("X-Scope-OrgID", self.tenant)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path, params=None, **more):
        return self.request("GET", path, params, **more)

    def push(self, body, content_type="application/json", headers=None, timeout=120):
        return self.request("POST", "/loki/api/v1/push", None, body,
                            {"Content-Type": content_type, **(headers or {})}, timeout)

    def push_json(self, streams, headers=None):
        """streams: [(labels, [(ns, line[, metadata])])]"""
        return self.push(json_push(streams), headers=headers)

    def push_ok(self, streams, headers=None):
        answer = self.push_json(streams, headers)
        check(answer.status == 204, f"push answered {answer.status}: {answer.text}")

    def push_proto(self, streams, headers=None):
        return self.push(snappy_literals(proto_push(streams)), "application/x-protobuf", headers)

    def flush(self, headers=None):
        answer = self.request("POST", "/flush", body=b"", headers=headers)
        check(answer.status in (200, 204), f"flush answered {answer.status}: {answer.text}")

    def query_range(self, query, start=T0, end=T0 + 3600 * NS, headers=None, **params):
        params = {"query": query, "start": start, "end": end, **params}
        return self.get("/loki/api/v1/query_range", params, headers=headers)

    def lines(self, query, start=T0, end=T0 + 3600 * NS, headers=None, limit=5000):
        """[(ns, line)] of a log query, oldest first: all of them, asked for in pages."""
        found, begin = [], start
        while True:
            answer = self.query_range(query, begin, end, headers=headers, limit=limit, direction="forward")
            check(answer.status == 200, f"{query}: {answer.status} {answer.text}")
            page = [(int(value[0]), value[1], json.dumps(stream["stream"], sort_keys=True))
                    for stream in answer.json()["data"]["result"] for value in stream["values"]]
            page.sort(key=lambda row: row[0])
            if len(page) < limit:
                found += page
                break
            # The last time of a full page may be incomplete: it begins the next page.
            last = page[-1][0]
            kept = [row for row in page if row[0] < last]
            check(kept, f"{query}: more than {limit} lines at {last}")
            found += kept
            begin = last
        return [(row[0], row[1]) for row in found]

    def count(self, query, at=T0 + 3600 * NS, span="2h", headers=None):
        """How many lines a log query finds in the span before `at`."""
        answer = self.get("/loki/api/v1/query", {"query": f"sum(count_over_time({query} [{span}]))", "time": at},
                          headers=headers)
        check(answer.status == 200, f"{query}: {answer.status} {answer.text}")
        result = answer.json()["data"]["result"]
        return int(float(result[0]["value"][1])) if result else 0

    def metric(self, name):
        """The sum of a metric of /metrics over its labels; None when it is not there."""
        total = None
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "{"):
                total = (total or 0) + float(line.rsplit(" ", 1)[1])
        return total


class Agent(Process):
    """One skald-agent with a state directory of its own."""

    def __init__(self, directory, config, name="agent", flags=()):
        os.makedirs(directory, exist_ok=True)
        self.port = free_port()
        self.state = os.path.join(directory, f"{name}-state")
        path = os.path.join(directory, f"{name}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        super().__init__(name, [os.path.join(BIN_DIR, "skald-agent"), f"--config={path}", f"--state-dir={self.state}",
                                f"--http-listen=127.0.0.1:{self.port}", *flags],
                         os.path.join(directory, f"{name}.log"))


def certificate(directory, name, ca=None):
    """(cert, key) made by openssl; signed by ca, or a CA itself."""
    key, cert = os.path.join(directory, f"{name}.key"), os.path.join(directory, f"{name}.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}"]
    if ca:
        command += ["-CA", ca[0], "-CAkey", ca[1], "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    check(made.returncode == 0, made.stderr)
    return cert, key


# ------------------------------------------------------------------------------------------------ encodings of senders


def label_text(labels):
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items())) + "}"


def json_push(streams):
    out = []
    for labels, entries in streams:
        values = [[str(entry[0]), entry[1]] + ([entry[2]] if len(entry) > 2 and entry[2] else []) for entry in entries]
        out.append({"stream": labels, "values": values})
    return json.dumps({"streams": out}).encode()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def proto_field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def proto_push(streams):
    """logproto.PushRequest, by hand. A line may be str or bytes; labels a dict or the text itself."""
    request = b""
    for labels, entries in streams:
        text = labels if isinstance(labels, str) else label_text(labels)
        stream = proto_field(1, text.encode())
        for entry in entries:
            ns, line = entry[0], entry[1]
            stamp = b"\x08" + varint(ns // NS) + (b"\x10" + varint(ns % NS) if ns % NS else b"")
            message = proto_field(1, stamp) + proto_field(2, line if isinstance(line, bytes) else line.encode())
            for name, value in sorted((entry[2] if len(entry) > 2 and entry[2] else {}).items()):
                message += proto_field(3, proto_field(1, name.encode()) + proto_field(2, value.encode()))
            stream += proto_field(2, message)
        request += proto_field(1, stream)
    return request


def snappy_literals(data):
    """Snappy's block format without any compression: the length and literals."""
    out = bytearray(varint(len(data)))
    for begin in range(0, len(data), 65536):
        piece = data[begin:begin + 65536]
        if len(piece) <= 60:
            out.append((len(piece) - 1) << 2)
        else:
            out.append(61 << 2)
            out += (len(piece) - 1).to_bytes(2, "little")
        out += piece
    return bytes(out)


# ------------------------------------------------------------------------------------------------------------- running


@contextlib.contextmanager
def scratch(name):
    """A directory for one test; kept and named when the test fails."""
    path = tempfile.mkdtemp(prefix=f"skald-{name}-")
    try:
        yield path
    except BaseException:
        print(f"files kept in {path}", flush=True)
        raise
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(process, **how):
    """Starts a Server or Agent and ends it, whatever happens. Shows the end of its log when the block fails."""
    try:
        process.start(**how)
        yield process
    except BaseException:
        print(process.log_tail(), flush=True)
        raise
    finally:
        process.kill()


def main(*tests):
    """Runs each test function in a scratch directory; a name on the command line runs only the tests with it. Exit code 1 on a failure."""
    wanted = sys.argv[1:]
    failed = 0
    for test in tests:
        if wanted and not any(text in test.__name__ for text in wanted):
            continue
        began = time.monotonic()
        try:
            with scratch(test.__name__) as directory:
                test(directory)
            print(f"ok    {test.__name__}  {time.monotonic() - began:.1f} s", flush=True)
        except (Failure, OSError, http.client.HTTPException) as failure:
            # A program that went away shows as a broken connection: the next test may still say more.
            failed += 1
            kind = "" if isinstance(failure, Failure) else f"{type(failure).__name__}: "
            print(f"FAIL  {test.__name__}: {kind}{failure}", flush=True)
    sys.exit(1 if failed else 0)
