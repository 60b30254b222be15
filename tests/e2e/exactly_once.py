#!/usr/bin/python3
"""Agent and server under kill -9 at random moments, over logs that are being written and rotated: each line arrives exactly once.

The tree looks like a node's: container logs below pods/ in the CRI format, rotated as the kubelet does it, with lines in pieces and container
restarts; Docker's JSON files; a plain log rotated by rename, as logrotate does it.
"""
import collections
import gzip
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Failure, Server, check, main, seed, wait_until  # noqa: E402

SECONDS = float(os.environ.get("SKALD_CRASH_SECONDS", "40"))
PODS = 4
# Seconds; the kubelet compresses what it rotated before the last time.
GZIP_AFTER = float(os.environ.get("SKALD_GZIP_AFTER", "15"))


def agent_config(root, server):
    return f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: pods
    static_configs:
      - labels:
          __path__: {root}/pods/*/*/*.log
  - job_name: docker
    static_configs:
      - labels:
          job: docker
          __path__: {root}/docker/containers/*/*-json.log
  - job_name: plain
    static_configs:
      - labels:
          job: plain
          __path__: {root}/log/*.log
"""


def cri_time(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // NS)) + f".{ns % NS:09d}Z"


class Writer(threading.Thread):
    """One container's runtime: writes numbered lines and rotates the file now and then."""

    def __init__(self, name, random_, query):
        super().__init__(daemon=True)
        self.name = name
        self.random = random_
        self.query = query  # finds this writer's lines
        self.done = False
        self.sent = []
        self.last_ns = 0
        self.storm = 0  # rotations to be done at once

    def payload(self):
        text = f"{self.name} line {len(self.sent)} " + "".join(self.random.choice("abcdef ") for _ in range(self.random.randrange(120)))
        # What stands at the end of a line is not for this test.
        text = text.rstrip() + "."
        self.sent.append(text)
        return text

    def now(self):
        self.last_ns = max(self.last_ns + 1, time.time_ns())
        return self.last_ns

    def run(self):
        next_rotation = time.monotonic() + self.random.uniform(1, 3)
        while not self.done:
            for _ in range(self.random.randrange(1, 60)):
                self.write_line()
            for _ in range(self.storm):
                self.rotate()
                self.write_line()
            self.storm = 0
            if time.monotonic() > next_rotation:
                self.rotate()
                next_rotation = time.monotonic() + self.random.uniform(1.1, 4)
            time.sleep(self.random.expovariate(20))
        self.close()


class PodWriter(Writer):
    def __init__(self, root, number, random_, gzip_after=GZIP_AFTER):
        super().__init__(f"pod{number}", random_, f'{{pod="web-{number}", container="main"}}')
        self.gzip_after = gzip_after
        self.directory = os.path.join(root, "pods", f"prod_web-{number}_{number:08d}-aaaa-bbbb-cccc-0123456789ab", "main")
        os.makedirs(self.directory)
        self.restarts = 0
        self.rotated = []
        self.reopen()

    def reopen(self):
        self.path = os.path.join(self.directory, f"{self.restarts}.log")
        self.file = open(self.path, "ab", buffering=0)

    def write_line(self):
        text = self.payload()
        stream = self.random.choice(("stdout", "stdout", "stderr"))
        pieces = [text]
        if self.random.random() < 0.1:
            at = self.random.randrange(1, len(text))
            pieces = [text[:at], text[at:]]
        for n, piece in enumerate(pieces):
            tag = "F" if n == len(pieces) - 1 else "P"
            self.file.write(f"{cri_time(self.now())} {stream} {tag} {piece}\n".encode())

    def rotate(self):
        if self.random.random() < 0.2:
            self.file.close()
            self.restarts += 1
            self.reopen()
            return
        old = f"{self.path}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        if os.path.exists(old):
            return
        # The kubelet renames, then tells the runtime, which goes on writing to the old file until it has made the new one.
        os.rename(self.path, old)
        for _ in range(self.random.randrange(3)):
            self.write_line()
        self.file.close()
        self.reopen()
        self.rotated.append((time.monotonic(), old))
        while len(self.rotated) > 1 and time.monotonic() - self.rotated[0][0] > self.gzip_after:
            _, path = self.rotated.pop(0)
            with open(path, "rb") as plain, gzip.open(path + ".tmp", "wb") as packed:
                packed.write(plain.read())
            os.rename(path + ".tmp", path + ".gz")
            os.remove(path)

    def close(self):
        self.file.close()


class DockerWriter(Writer):
    keep = 4  # rotated files; older ones are overwritten

    def __init__(self, root, random_):
        super().__init__("docker", random_, '{job="docker"}')
        container = "0123456789abcdef" * 4
        self.directory = os.path.join(root, "docker", "containers", container)
        os.makedirs(self.directory)
        self.path = os.path.join(self.directory, f"{container}-json.log")
        with open(os.path.join(self.directory, "config.v2.json"), "w", encoding="ascii") as file:
            json.dump({"ID": container, "Name": "/shop", "Config": {"Labels": {}}}, file)
        self.reopen()

    def reopen(self):
        self.file = open(self.path, "ab", buffering=0)

    def write_line(self):
        entry = {"log": self.payload() + "\n", "stream": "stdout", "time": cri_time(self.now())}
        self.file.write(json.dumps(entry).encode() + b"\n")

    def rotate(self):
        self.file.close()
        for n in range(self.keep, 0, -1):
            if os.path.exists(f"{self.path}.{n}"):
                os.rename(f"{self.path}.{n}", f"{self.path}.{n + 1}")
        os.rename(self.path, self.path + ".1")
        self.reopen()

    def close(self):
        self.file.close()


class PlainWriter(DockerWriter):
    def __init__(self, root, random_):
        Writer.__init__(self, "plain", random_, '{job="plain"}')
        os.makedirs(os.path.join(root, "log"))
        self.path = os.path.join(root, "log", "app.log")
        self.reopen()

    def write_line(self):
        self.file.write(self.payload().encode() + b"\n")


def end_writing(writers):
    """How many lines there are in all."""
    for writer in writers:
        writer.done = True
    for writer in writers:
        writer.join(10)
    return sum(len(writer.sent) for writer in writers)


def wait_for_lines(server, writers, written, timeout):
    """Until as many lines are found as were written; each_line_once says which are missing when the time is over."""
    try:
        wait_until("as many lines found as written", lambda: count_all(server, writers) >= written, timeout=timeout, pause=0.5)
    except Failure:
        pass


def each_line_once(server, writers):
    begin, end = time.time_ns() - 3600 * NS, time.time_ns() + 3600 * NS
    for writer in writers:
        got = collections.Counter(line for _, line in server.lines(writer.query, begin, end))
        want = collections.Counter(writer.sent)
        missing, extra = want - got, got - want
        if missing or extra:
            def some(counter):
                return "\n    ".join(repr(line) for line in sorted(counter)[:5])

            raise Failure(f"{writer.name}: {len(writer.sent)} lines written, {sum(missing.values())} missing, {sum(extra.values())} too many\n"
                          f"  missing:\n    {some(missing)}\n  too many:\n    {some(extra)}")


def count_all(server, writers):
    # The count may be asked while the server comes up.
    at = time.time_ns() + 60 * NS
    return sum(server.count(writer.query, at=at) for writer in writers)


def lines_survive_kills(directory):
    random_ = random.Random(seed())
    root = os.path.join(directory, "node")
    os.makedirs(root)
    server = Server(directory, "storage:\n  head_memory: 1MB\n")
    writers = [PodWriter(root, n, random.Random(random_.random())) for n in range(PODS)]
    writers += [DockerWriter(root, random.Random(random_.random())), PlainWriter(root, random.Random(random_.random()))]
    agent = Agent(directory, agent_config(root, server))
    kills = collections.Counter()
    try:
        server.start()
        agent.start()
        for writer in writers:
            writer.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(random_.uniform(0.3, 3))
            victim = random_.choice((agent, server, agent, server, None))
            if victim is None:
                agent.kill()
                server.kill()
                kills["both"] += 1
                time.sleep(random_.uniform(0, 1))
                server.start()
                agent.start()
            elif victim is agent:
                agent.kill()
                kills["agent"] += 1
                time.sleep(random_.uniform(0, 1))
                agent.start()
            else:
                server.kill()
                kills["server"] += 1
                time.sleep(random_.uniform(0, 1))
                server.start()
        written = end_writing(writers)
        print(f"{written} lines written, kills: {dict(kills)}", flush=True)
        wait_for_lines(server, writers, written, 90)
        check(agent.alive() and server.alive(), "a program ended by itself")
        each_line_once(server, writers)
        # And nothing comes again: not after clean restarts either.
        agent.stop()
        server.stop()
        server.start()
        agent.start()
        time.sleep(3)
        each_line_once(server, writers)
    except BaseException:
        print(agent.log_tail(30), server.log_tail(30), sep="\n", flush=True)
        raise
    finally:
        for writer in writers:
            writer.done = True
        agent.kill()
        server.kill()


def slow_agent(directory):
    """Rotated files are compressed and removed before an agent that hangs, and is killed and started again, has read them."""
    random_ = random.Random(seed())
    root = os.path.join(directory, "node")
    os.makedirs(root)
    server = Server(directory)
    writers = [PodWriter(root, n, random.Random(random_.random()), gzip_after=random_.choice((0, 1, 3))) for n in range(PODS)]
    agent = Agent(directory, agent_config(root, server))
    try:
        server.start()
        agent.start()
        for writer in writers:
            writer.start()
        end = time.monotonic() + SECONDS / 2
        while time.monotonic() < end:
            time.sleep(random_.uniform(0, 2))
            agent.signal(signal.SIGSTOP)
            time.sleep(random_.uniform(1, 5))
            if random_.random() < 0.7:
                agent.kill()
                time.sleep(random_.uniform(0, 2))
                agent.start()
            else:
                agent.signal(signal.SIGCONT)
        written = end_writing(writers)
        packed = sum(name.endswith(".gz") for _, _, names in os.walk(root) for name in names)
        print(f"{written} lines written, {packed} files compressed", flush=True)
        check(packed, "nothing was compressed")
        wait_for_lines(server, writers, written, 60)
        each_line_once(server, writers)
        # What is compressed and read is known after a restart.
        agent.kill()
        agent.start()
        time.sleep(3)
        each_line_once(server, writers)
    except BaseException:
        print(agent.log_tail(30), server.log_tail(10), sep="\n", flush=True)
        raise
    finally:
        for writer in writers:
            writer.done = True
        agent.kill()
        server.kill()


def damaged_positions(directory):
    """Whatever happens to the agent's state, it starts, and every line is there."""
    random_ = random.Random(seed())
    for damage in ("flipped byte", "cut in half", "garbage", "removed"):
        where = os.path.join(directory, damage.replace(" ", "-"))
        root = os.path.join(where, "node")
        os.makedirs(root)
        server = Server(where)
        writer = PodWriter(root, 1, random.Random(random_.random()))
        agent = Agent(where, agent_config(root, server))
        try:
            server.start()
            agent.start()
            for _ in range(2000):
                writer.write_line()
            wait_until("the first lines arrive", lambda: count_all(server, [writer]) >= 2000)
            agent.stop()
            damaged = 0
            for folder, _, names in os.walk(agent.state):
                for name in names:
                    path = os.path.join(folder, name)
                    size = os.path.getsize(path)
                    if size == 0:
                        continue
                    damaged += 1
                    if damage == "removed":
                        os.remove(path)
                        continue
                    with open(path, "r+b") as file:
                        if damage == "cut in half":
                            file.truncate(size // 2)
                        elif damage == "garbage":
                            file.write(bytes(random_.randrange(256) for _ in range(size)))
                        else:
                            file.seek(random_.randrange(size))
                            byte = file.read(1)
                            file.seek(-1, os.SEEK_CUR)
                            file.write(bytes([byte[0] ^ 0x10]))
            check(damaged, f"no state below {agent.state}")
            for _ in range(100):
                writer.write_line()
            agent.start()
            wait_until(f"{damage}: the lines after it arrive", lambda: count_all(server, [writer]) >= 2100)
            # Lines that are read again carry their time with them, so that they count once.
            each_line_once(server, [writer])
            check(agent.alive(), f"{damage}: the agent ended")
        except BaseException:
            print(agent.log_tail(30), server.log_tail(10), sep="\n", flush=True)
            raise
        finally:
            agent.kill()
            server.kill()
            writer.close()


if __name__ == "__main__":
    main(lines_survive_kills, slow_agent, damaged_positions)
