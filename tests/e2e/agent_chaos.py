#!/usr/bin/python3
"""Agent and server under seeded faults, all at once: each line that was written is found exactly once.

  tests/e2e/agent_chaos.py                 three seeds, which differ from run to run
  tests/e2e/agent_chaos.py --seeds 200     so many, --jobs N at once (default 1); a number for each
  tests/e2e/agent_chaos.py --seed 17       that one (with --seeds N: from that one on)

A seed says which writers there are (pods as the kubelet rotates them, Docker's JSON, plain logs rotated by rename or by copytruncate, all writing in
torn pieces), over which protocol the agent sends (Skald's own, or Loki's push), under which limits it runs (few descriptors, few inotify watches), and
what happens when: kill -9 of either side, SIGTERM, a process that stands still, storms of rotations, a network that hangs, refuses, or takes a
batch and breaks before the answer, answers 429 with Retry-After and 500, or takes a push long after its sender gave up, a full disk under the
agent's state, flipped bytes in it. All the while, and at the end for a number of lines that is known, the agent's own books must balance:
read = acknowledged + in flight + dropped, in lines and in bytes.
"""
import argparse
import collections
import concurrent.futures
import http.client
import http.server
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import Agent, Failure, Server, check, equal, free_port, scratch, wait_until  # noqa: E402
from exactly_once import DockerWriter, PlainWriter, PodWriter, agent_config, each_line_once, end_writing, wait_for_lines  # noqa: E402

SECONDS = float(os.environ.get("SKALD_CHAOS_SECONDS", "8"))
# After a full disk the agent tries to write its state again every few seconds; until it has, a crash would double lines.
STATE_SETTLES = 8
PUSH_TIMEOUT = 3  # of the agent, over Loki's push
LAST_LINES = 20  # of each writer, when all else is over


class Torn:
    """A log that is written in pieces now and then, so that readers meet half a line."""

    def __init__(self, file, random_):
        self.file, self.random = file, random_

    def write(self, data):
        if self.random.random() < 0.1:
            at = self.random.randrange(len(data))
            self.file.write(data[:at])
            time.sleep(self.random.uniform(0, 0.02))
            data = data[at:]
        self.file.write(data)

    def close(self):
        self.file.close()


class TornPods(PodWriter):
    def reopen(self):
        super().reopen()
        self.file = Torn(self.file, self.random)


class TornDocker(DockerWriter):
    # A storm may be over before a reader has had a turn: nothing can read what it has overwritten by then.
    keep = 200

    def write_line(self):
        if not isinstance(self.file, Torn):
            self.file = Torn(self.file, self.random)
        super().write_line()


class TornPlain(PlainWriter):
    keep = 200
    write_line_whole = PlainWriter.write_line

    def write_line(self):
        if not isinstance(self.file, Torn):
            self.file = Torn(self.file, self.random)
        self.write_line_whole()


class CopyTruncate(PlainWriter):
    """logrotate's copytruncate: the same file, emptied after it was copied."""

    def __init__(self, root, random_):
        PlainWriter.__init__(self, os.path.join(root, "copied"), random_)
        self.name, self.query = "copied", '{job="copied"}'
        self.rotated = 0

    def rotate(self):
        # More than one copy within a second is more than copytruncate can do for any reader.
        if time.monotonic() - self.rotated < 3:
            return
        self.rotated = time.monotonic()
        for n in range(4, 0, -1):
            if os.path.exists(f"{self.path}.{n}"):
                os.rename(f"{self.path}.{n}", f"{self.path}.{n + 1}")
        shutil.copyfile(self.path, self.path + ".1")
        os.truncate(self.path, 0)


class Proxy(threading.Thread):
    """Between agent and server: passes bytes on, holds them, takes none, or takes them and breaks before the answer."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.port = free_port()
        self.mode = "pass"
        self.sockets = set()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.mode == "refuse":
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self.sockets |= {client, server}
            threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, True), daemon=True).start()

    def copy(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                while self.mode == "hang":
                    time.sleep(0.02)
                if answers and self.mode == "swallow":
                    continue
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            self.sockets.discard(one)
            try:
                one.close()
            except OSError:
                pass

    def reset(self):
        for one in list(self.sockets):
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class PushDoor(http.server.ThreadingHTTPServer):
    """Loki's push in front of the server, that answers 429 and 500, and breaks before or after the push was taken."""

    daemon_threads = True

    def __init__(self, server, random_):
        self.server_process, self.random, self.counts = server, random_, collections.Counter()
        self.faults = 0.3
        super().__init__(("127.0.0.1", free_port()), PushRequest)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class PushRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        door = self.server
        fault = None
        if door.random.random() < door.faults:
            fault = door.random.choice(("429", "429", "500", "500", "before", "before", "after", "after", "slow", "slow", "late"))
            door.counts[fault] += 1
        if fault in ("429", "500"):
            self.send_response(int(fault))
            if fault == "429":
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "before":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(door.random.uniform(0.1, 1))
        if fault == "late":
            time.sleep(PUSH_TIMEOUT + 0.5)  # by then the agent has given it up and sends it again
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower().startswith(("content-", "x-scope"))}
            answer = door.server_process.request("POST", self.path, None, body, headers, timeout=10)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if fault == "after":
            self.close_connection = True
            return
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(answer.body)


class Books:
    """What an agent says of itself in one look at its /metrics: lines and bytes, each (read, acknowledged, in flight, dropped, refused)."""

    def __init__(self, text):
        values = collections.Counter()
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name.partition("{")[0]] += float(value)
        self.of = {what: tuple(int(values[name]) for name in (f"agent_read_{what}_total", f"agent_acked_{what}_total", f"agent_in_flight_{what}",
                                                              f"logentry_dropped_{what}_total", f"agent_refused_{what}_total"))
                   for what in ("lines", "bytes")}
        self.lost = int(values["agent_lost_bytes_total"])

    @classmethod
    def ask(cls, agent):
        """None while the agent does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10) as answer:
                return cls(answer.read().decode())
        except (OSError, http.client.HTTPException):
            return None

    def check(self):
        for what, (read, *parts) in self.of.items():
            equal(read, sum(parts), f"{what} read, and acknowledged + in flight + dropped {parts}")


class Bookkeeper(threading.Thread):
    """Looks into the agent's books again and again, whatever happens to it."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.looks, self.failure, self.done = agent, 0, None, threading.Event()

    def run(self):
        while not self.done.wait(0.2) and self.failure is None:
            books = Books.ask(self.agent)
            if books is None:
                continue
            self.looks += 1
            try:
                books.check()
            except Failure as failure:
                self.failure = failure

    def close(self):
        self.done.set()
        if self.is_alive():
            self.join(20)
        if self.failure is not None:
            raise self.failure


def limited(agent, limit):
    """The agent's command under a limit."""
    if limit == "descriptors":
        agent.arguments = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *agent.arguments]
    if limit == "watches":
        agent.arguments = ["unshare", "-Ur", "sh", "-c", 'echo 2 >/proc/sys/user/max_inotify_watches; exec "$@"', "sh", *agent.arguments]


def may_unshare():
    script = "echo 2 >/proc/sys/user/max_inotify_watches"
    try:
        return subprocess.run(["unshare", "-Ur", "sh", "-c", script], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class SmallDisk:
    """A file system of its own for the agent's state, that can be filled up. None where mounting is not allowed."""

    def __init__(self, path):
        os.makedirs(path, exist_ok=True)
        self.path = path
        self.ballast = os.path.join(path, "ballast")
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], capture_output=True, check=False).returncode == 0

    def fill(self):
        try:
            with open(self.ballast, "wb", buffering=0) as file:
                for size in (65536, 4096, 1):
                    try:
                        while file.write(b"\0" * size):
                            pass
                    except OSError:
                        pass
        except OSError:
            pass

    def free(self):
        if os.path.exists(self.ballast):
            os.remove(self.ballast)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)


def flip_a_byte(directory, random_):
    """In the newest file of the state."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names if name.startswith("state-")]
    path = max(files, key=os.path.basename)
    with open(path, "r+b") as file:
        at = random_.randrange(os.path.getsize(path))
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << random_.randrange(8)]))


class Run:
    """One seed."""

    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.directory = directory
        self.root = os.path.join(directory, "node")
        os.makedirs(self.root)
        pick = self.random.random
        self.by_http = pick() < 0.25
        self.flips = pick() < 0.2
        self.limit = self.random.choice((None, None, "descriptors", "watches"))
        if self.limit == "watches" and not may_unshare():
            self.limit = None
        self.server = Server(directory, "storage:\n  head_memory: 1MB\n")
        self.proxy = Proxy(self.server.grpc_port)
        self.door = PushDoor(self.server, random.Random(pick()))
        config = agent_config(self.root, self.server).replace(f":{self.server.grpc_port}", f":{self.proxy.port}")
        if self.by_http:
            at = config.index("scrape_configs")
            config = f"clients: [{{url: 'http://127.0.0.1:{self.door.server_port}/loki/api/v1/push', timeout: {PUSH_TIMEOUT}s}}]\n" + config[at:]
        config += f"  - job_name: copied\n    static_configs: [{{labels: {{job: copied, __path__: {self.root}/copied/log/*.log}}}}]\n"
        flags = self.random.choice(((), ("--batch-bytes=4KB", "--batch-wait=20ms"), ("--batch-bytes=64KB", "--rotate-grace=100ms")))
        self.agent = Agent(directory, config, flags=flags)
        limited(self.agent, self.limit)
        self.disk = SmallDisk(self.agent.state) if pick() < 0.15 and not self.by_http else None
        self.writers = [TornPods(self.root, n, random.Random(pick()), gzip_after=self.random.choice((0, 1, 3, 15)))
                        for n in range(self.random.randrange(1, 4))]
        self.writers.append(TornDocker(self.root, random.Random(pick())))
        # Plain lines have the time at which they are read: what is read again after the state was damaged, or sent again to an end that knows no
        # sequences by another process, is another line.
        if not self.by_http and not self.flips:
            self.writers += [TornPlain(self.root, random.Random(pick())), CopyTruncate(self.root, random.Random(pick()))]
        self.faults = collections.Counter()
        self.bookkeeper = Bookkeeper(self.agent)

    def describe(self):
        kinds = "+".join(sorted({type(writer).__name__ for writer in self.writers}))
        return f"{'http' if self.by_http else 'grpc'} {self.limit or 'no limit'}{' small disk' if self.disk and self.disk.mounted else ''} {kinds}"

    def fault(self):
        choices = ["kill agent", "kill agent", "kill server", "end agent", "stand still", "stand still", "storm"]
        choices += [] if self.by_http else ["hang", "swallow", "swallow", "refuse"]
        choices += ["flip"] * 3 if self.flips else []
        choices += ["full disk"] * 4 if self.disk is not None and self.disk.mounted else []
        name = self.random.choice(choices)
        self.faults[name] += 1
        pause = self.random.uniform(0.05, 1)
        if name == "kill agent":
            self.agent.kill()
            time.sleep(pause)
            self.agent.start()
        elif name == "kill server":
            self.server.kill()
            time.sleep(pause)
            self.server.start()
        elif name == "end agent":
            self.agent.stop()
            self.agent.start()
        elif name == "stand still":
            process = self.random.choice((self.agent, self.server))
            process.signal(signal.SIGSTOP)
            time.sleep(pause * 2)
            process.signal(signal.SIGCONT)
        elif name == "storm":
            writer = self.random.choice(self.writers)
            writer.storm = 10
        elif name in ("hang", "swallow", "refuse"):
            if name == "refuse":
                self.proxy.reset()
            self.proxy.mode = name
            time.sleep(pause)
            if name == "swallow":
                self.proxy.reset()
            self.proxy.mode = "pass"
        elif name == "flip":
            self.agent.kill()
            flip_a_byte(self.agent.state, self.random)
            self.agent.start()
        elif name == "full disk":
            self.disk.fill()
            time.sleep(pause * 2)
            self.disk.free()
            time.sleep(STATE_SETTLES)

    def last_lines(self):
        """Lines that are known, read by an agent that has nothing else to read: each is in its books, and nothing else. How many there are."""
        before = None if self.flips else Books.ask(self.agent)
        lines, size = 0, 0
        for writer in self.writers:
            writer.reopen()
            for _ in range(LAST_LINES):
                writer.write_line()
            writer.close()
            lines += LAST_LINES
            size += sum(len(text) for text in writer.sent[-LAST_LINES:])
        wait_for_lines(self.server, self.writers, sum(len(writer.sent) for writer in self.writers), 60)
        wait_until("nothing is in flight", lambda: (books := Books.ask(self.agent)) is not None and books.of["lines"][2] == 0)
        books = Books.ask(self.agent)
        books.check()
        for what, want in (("lines", lines), ("bytes", size)):
            if before is not None:
                equal(books.of[what], (want, want, 0, 0, 0), f"{what} read, acknowledged, in flight, dropped, refused since the last start")
                equal(before.of[what][0], 0, f"{what} read again after an end in peace")
        equal(books.lost, 0, "lost bytes since the last start")
        return lines

    def go(self):
        try:
            self.server.start()
            self.agent.start()
            wait_until("the agent runs", lambda: "agent runs" in self.agent.log(), 60)
            for writer in self.writers:
                writer.start()
            self.bookkeeper.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(self.random.uniform(0.1, 1))
                self.fault()
            written = end_writing(self.writers)
            self.door.faults = 0
            wait_for_lines(self.server, self.writers, written, 90)
            check(self.agent.alive() and self.server.alive(), "a program ended by itself")
            each_line_once(self.server, self.writers)
            # Nothing comes again.
            self.agent.stop()
            self.agent.start()
            time.sleep(1)
            each_line_once(self.server, self.writers)
            written += self.last_lines()
            self.bookkeeper.close()
            check(self.bookkeeper.looks > 0, "the agent's books were never seen")
            each_line_once(self.server, self.writers)
            return written
        except BaseException:
            print(self.agent.log_tail(25), self.server.log_tail(10), sep="\n", flush=True)
            raise
        finally:
            for writer in self.writers:
                writer.done = True
            self.bookkeeper.done.set()
            self.agent.signal(signal.SIGCONT)
            self.server.signal(signal.SIGCONT)
            self.agent.kill()
            self.server.kill()
            self.proxy.listener.close()
            self.proxy.reset()
            self.door.shutdown()
            self.door.server_close()
            if self.disk is not None:
                self.disk.close()


def one_seed(seed):
    """What there is to say of it; lines and faults, None where it failed."""
    began, run = time.monotonic(), None
    try:
        with scratch("chaos") as directory:
            run = Run(directory, seed)
            written = run.go()
    except (Failure, OSError, http.client.HTTPException) as failure:
        return f"FAIL  seed {seed}: {run and run.describe()}, {run and dict(run.faults)}\n{type(failure).__name__}: {failure}", None, {}
    return f"ok    seed {seed}: {written} lines, {time.monotonic() - began:.0f} s, {run.describe()}, {dict(run.faults)}", written, run.faults


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seeds", type=int)
    p.add_argument("--seed", type=int)
    p.add_argument("--jobs", type=int, default=1)
    a = p.parse_args()
    first = a.seed if a.seed is not None else random.SystemRandom().randrange(1 << 30)
    count = a.seeds or (1 if a.seed is not None else 3)
    failed, lines, faults = [], 0, collections.Counter()
    seeds = range(first, first + count)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for seed, (text, written, of_seed) in zip(seeds, pool.map(one_seed, seeds)):
            print(text, flush=True)
            if written is None:
                failed.append(seed)
            lines += written or 0
            faults.update(of_seed)
    print(f"{count - len(failed)} of {count} seeds: {lines} lines, each once; faults {dict(faults)}" + (f"; failed: {failed}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
