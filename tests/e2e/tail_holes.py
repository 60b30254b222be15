#!/usr/bin/python3
"""Ways in which tailers are known to lose, double or spoil lines, one test each."""
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Server, check, equal, main, wait_until  # noqa: E402
from agent_chaos import limited, may_unshare  # noqa: E402


class Node:
    """A server, and an agent that tails <root>/*.log, or another pattern there."""

    def __init__(self, directory, pattern="*.log", more=""):
        self.root = os.path.join(directory, "logs")
        os.makedirs(self.root)
        self.path = os.path.join(self.root, "app.log")
        self.server = Server(directory)
        self.agent = Agent(directory, f"""\
server:
  address: 127.0.0.1:{self.server.grpc_port}
scrape_configs:
  - job_name: app
{more}    static_configs: [{{labels: {{job: app, __path__: {self.root}/{pattern}}}}}]
""", flags=("--rotate-grace=300ms",))

    def __enter__(self):
        self.server.start()
        self.start_agent()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.agent.log_tail(20), self.server.log_tail(5), sep="\n", flush=True)
        self.agent.signal(signal.SIGCONT)
        self.agent.kill()
        self.server.kill()

    def start_agent(self):
        before = self.agent.log().count("agent runs")
        self.agent.start()
        wait_until("the agent runs", lambda: self.agent.log().count("agent runs") > before)

    def write(self, lines, name="app.log", mode="ab"):
        with open(os.path.join(self.root, name), mode) as file:
            file.write("".join(line + "\n" for line in lines).encode())

    def lines(self, query='{job="app"}'):
        begin, end = time.time_ns() - 3600 * NS, time.time_ns() + 3600 * NS
        return [line for _, line in self.server.lines(query, begin, end)]

    def expect(self, want, timeout=60):
        """Exactly these, each once, and nothing more a while later."""
        wait_until(f"{len(want)} lines", lambda: len(self.lines()) >= len(want), timeout, 0.2)
        equal(sorted(self.lines()), sorted(want), "lines")
        time.sleep(1)
        equal(len(self.lines()), len(want), "lines, a while later")


def numbered(what, count):
    return [f"{what} {n}" for n in range(count)]


def hole_a_rotated_between_open_and_the_first_end(directory):
    """The file is renamed away while its beginning is being read: a reader that compares with the name stays on the old file."""
    with Node(directory) as node:
        old, new = numbered("old" + "x" * 200, 100_000), numbered("new", 100)
        staged = os.path.join(directory, "staged")
        with open(staged, "wb") as file:
            file.write("".join(line + "\n" for line in old).encode())
        os.rename(staged, node.path)
        os.rename(node.path, node.path + ".1")
        node.write(new)
        wait_until("all lines", lambda: node.server.count('{job="app"}', at=time.time_ns() + 60 * NS) >= len(old) + len(new), 90, 0.3)
        equal(node.server.count('{job="app"} |= "new"', at=time.time_ns() + 60 * NS), 100, "new lines")
        equal(node.server.count('{job="app"}', at=time.time_ns() + 60 * NS), len(old) + len(new), "all lines")


def hole_b_rotated_twice_while_behind(directory):
    with Node(directory) as node:
        node.write(["first"])
        node.expect(["first"])
        node.agent.signal(signal.SIGSTOP)
        want = ["first"]
        for generation in range(3):
            lines = numbered(f"generation {generation}", 500)
            node.write(lines)
            want += lines
            for n in range(3, 0, -1):
                if os.path.exists(f"{node.path}.{n}"):
                    os.rename(f"{node.path}.{n}", f"{node.path}.{n + 1}")
            os.rename(node.path, node.path + ".1")
        node.write(["last"])
        node.agent.signal(signal.SIGCONT)
        node.expect(want + ["last"])


def hole_c_written_to_after_it_was_renamed(directory):
    """Between rename and reopen the writer goes on in the old file."""
    with Node(directory) as node, open(node.path, "ab", buffering=0) as file:
        file.write(b"before\n")
        node.expect(["before"])
        os.rename(node.path, node.path + ".1")
        want = ["before"]
        for n in range(20):
            file.write(f"after the rename {n}\n".encode())
            want.append(f"after the rename {n}")
            time.sleep(0.1)
        node.write(["in the new file"])
        node.expect(want + ["in the new file"])


def hole_d_another_file_under_the_same_name(directory):
    with Node(directory) as node:
        node.write(numbered("old", 10))
        node.expect(numbered("old", 10))
        node.agent.stop()
        os.remove(node.path)
        node.write(numbered("a longer line of another file", 100))
        node.start_agent()
        node.expect(numbered("old", 10) + numbered("a longer line of another file", 100))


def hole_e_killed_between_reading_and_delivery(directory):
    with Node(directory) as node:
        node.write(["first"])
        node.expect(["first"])
        node.server.kill()
        node.write(numbered("while the server is away", 2000))
        time.sleep(1)  # they are read by now
        node.agent.kill()
        node.server.start()
        node.start_agent()
        node.expect(["first"] + numbered("while the server is away", 2000))


def hole_f_gone_from_the_pattern_while_behind(directory):
    """The pod's directory is deleted, as the kubelet does it, while the reader is behind."""
    with Node(directory, "*/app.log") as node:
        os.makedirs(os.path.join(node.root, "pod"))
        node.write(["first"], "pod/app.log")
        node.expect(["first"])
        node.agent.signal(signal.SIGSTOP)
        node.write(numbered("last words", 1000), "pod/app.log")
        shutil.rmtree(os.path.join(node.root, "pod"))
        node.agent.signal(signal.SIGCONT)
        node.expect(["first"] + numbered("last words", 1000))


def hole_g_pattern_matches_rotated_names(directory):
    with Node(directory, "app.log*") as node:
        want = []
        for generation in range(4):
            lines = numbered(f"generation {generation}", 100)
            node.write(lines)
            want += lines
            node.expect(want)
            for n in range(4, 0, -1):
                if os.path.exists(f"{node.path}.{n}"):
                    os.rename(f"{node.path}.{n}", f"{node.path}.{n + 1}")
            os.rename(node.path, node.path + ".1")
        # Compressed, it is the same file too.
        with open(node.path + ".1", "rb") as plain, gzip.open(node.path + ".1.gz", "wb") as packed:
            packed.write(plain.read())
        os.remove(node.path + ".1")
        node.write(["last"])
        node.expect(want + ["last"])
        node.agent.kill()
        node.start_agent()
        node.expect(want + ["last"])


def hole_h_bytes_that_are_no_text(directory):
    """Bytes that are not of the encoding neither end the reader nor take a line away."""
    with Node(directory) as node:
        with open(node.path, "wb") as file:
            file.write(b"before\n\xff\xfe\x00broken \xc3\x28 bytes\n" + bytes(range(128, 256)) + b"\nafter\n")
        wait_until("four lines", lambda: len(node.lines()) >= 4)
        lines = node.lines()
        equal((lines[0], lines[-1], len(lines)), ("before", "after", 4), "lines")
        check("broken" in lines[1] and "bytes" in lines[1], f"{lines[1]!r}")
        check(node.agent.alive(), "the agent ended")


def hole_i_newline_bytes_within_characters(directory):
    """UTF-16, where a newline's byte stands in other characters too: by its mark or by configuration, over rotation and restart, at exact offsets."""
    for encoding, more in (("utf-16-le", "    encoding: utf-16le\n"), ("utf-16-be", "    encoding: UTF-16BE\n"), ("utf-16", "")):
        where = os.path.join(directory, encoding)
        os.makedirs(where)
        with Node(where, more=more) as node:
            want, marked = [], set()

            def write(what):
                lines = [f"{what} {n} \u010a\u0a0a\U0001f642" for n in range(200)]
                text = "".join(line + "\n" for line in lines)
                with open(node.path, "ab", buffering=0) as file:
                    # Python's utf-16 puts the mark first, and each file has it once.
                    data = text.encode(encoding)
                    if encoding == "utf-16":
                        if os.fstat(file.fileno()).st_size > 0:
                            data = data[2:]
                        marked.add(os.fstat(file.fileno()).st_ino)
                    at = len(data) // 2 + 1  # within a unit
                    file.write(data[:at])
                    time.sleep(0.3)
                    file.write(data[at:])
                want.extend(lines)

            write("first")
            node.expect(want)
            node.agent.kill()
            write("while it is away")
            node.start_agent()
            node.expect(want)
            os.rename(node.path, node.path + ".1")
            write("rotated")
            node.expect(want)
            node.agent.signal(signal.SIGSTOP)
            write("before it is compressed")
            with open(node.path, "rb") as plain, gzip.open(node.path + ".1.gz", "wb") as packed:
                packed.write(plain.read())
            os.remove(node.path + ".1")
            os.remove(node.path)
            write("last")
            node.agent.kill()
            node.start_agent()
            node.expect(want)
            if marked:
                check(len(marked) > 1, "not more than one file had the mark")
            # Half of a pair of units takes nothing else with it.
            with open(node.path, "ab") as file:
                big = encoding.endswith("be")
                file.write((b"\xd8\x3d" if big else b"\x3d\xd8") + " alone\n".encode("utf-16-be" if big else "utf-16-le"))
            node.expect(want + ["\ufffd alone"])


def hole_j_metrics_do_not_grow_with_files(directory):
    """A hundred files that come and go leave no series behind."""
    with Node(directory, "*/*.log") as node:
        def series():
            with urllib.request.urlopen(f"http://127.0.0.1:{node.agent.port}/metrics", timeout=30) as answer:
                text = answer.read().decode()
            check(".log" not in text, "a file's name among the metrics")
            return len(text.splitlines())

        node_lines = 0
        os.makedirs(os.path.join(node.root, "pod-0"))
        node.write(["line"], "pod-0/app.log")
        node_lines += 1
        node.expect(["line"])
        before = series()
        for n in range(1, 100):
            os.makedirs(os.path.join(node.root, f"pod-{n}"))
            node.write(["line"], f"pod-{n}/app.log")
        wait_until("all files", lambda: len(node.lines()) >= 100)
        for n in range(50):
            shutil.rmtree(os.path.join(node.root, f"pod-{n}"))
        equal(series(), before, "lines of /metrics")


def descriptors_are_used_up(directory):
    """What was on its way is read again before others take the descriptors."""
    node = Node(directory, "*/app.log")
    limited(node.agent, "descriptors")
    pods = [f"old-{n}" for n in range(20)]
    want = []
    with node:
        os.makedirs(os.path.join(node.root, "first"))
        node.write(["first"], "first/app.log")
        node.expect(["first"])
        want.append("first")
        # The server takes nothing more, and forgets what stands in its sockets.
        node.server.signal(signal.SIGSTOP)
        for pod in pods:
            os.makedirs(os.path.join(node.root, pod))
            node.write(numbered(f"on its way, {pod}", 20), f"{pod}/app.log")
            want += numbered(f"on its way, {pod}", 20)
        time.sleep(2)  # they are sent by now
        node.agent.kill()
        node.server.kill()
        for pod in pods[::2]:  # some lie elsewhere and compressed by then: other files, with the same lines
            path = os.path.join(node.root, pod, "app.log")
            with open(path, "rb") as plain, gzip.open(path + ".1.gz", "wb") as packed:
                packed.write(plain.read())
            os.remove(path)
        for n in range(40):
            pod = f"a-new-{n}"
            os.makedirs(os.path.join(node.root, pod))
            node.write([f"new {n}"], f"{pod}/app.log")
            want.append(f"new {n}")
        node.server.start()
        node.start_agent()
        node.expect(want, 120)
        check("gone with their file" not in node.agent.log(), "lines are gone")


def inode_of_another_log(directory):
    """While the agent is away, the inode of a file of which nothing was read yet becomes a rotated file of another log."""
    node = Node(directory, "*/app.log")
    one, two = (os.path.join(node.root, pod, "app.log") for pod in ("one", "two"))
    for path in (one, two):
        os.makedirs(os.path.dirname(path))
    with node:
        node.write([], "one/app.log")
        node.write(["first of two"], "two/app.log")
        node.expect(["first of two"])
        wait_until("the empty file is known", lambda: one in urllib.request.urlopen(f"http://127.0.0.1:{node.agent.port}/targets").read().decode())
        node.agent.stop()
        os.rename(two, two + ".2")
        os.rename(one, two + ".1")
        node.write(["second of two"], "two/app.log.1")
        node.write(["third of two"], "two/app.log")
        node.start_agent()
        want = [f"{which} of two" for which in ("first", "second", "third")]
        node.expect(want)
        equal(sorted(node.lines(f'{{job="app", filename="{two}"}}')), want, "lines of the other log")


def inodes_come_back(directory):
    """Logs come and go by the dozen, all with the same first line, on inodes of others that were deleted; the agent runs, ends or is killed."""
    if int(subprocess.run(["stat", "-c", "%W", directory], capture_output=True, text=True, check=True).stdout) == 0:
        return print("skipped: this file system keeps no time of birth, and nothing else tells such files apart", flush=True)
    chance = random.Random(5)
    node = Node(directory, "*/app.log")
    want = 0

    def arrived():
        return node.server.count('{job="app"}', at=time.time_ns() + 60 * NS)

    def write(pods, most):
        nonlocal want
        for pod in pods:
            os.makedirs(os.path.join(node.root, pod), exist_ok=True)
            lines = ["started"] + numbered("more", chance.randrange(most))
            node.write(lines, f"{pod}/app.log")
            want += len(lines)

    def remove(pods):
        for pod in pods:
            os.remove(os.path.join(node.root, pod, "app.log"))

    with node:
        for cycle in range(12):
            pods = sorted({f"pod-{chance.randrange(100)}" for _ in range(40)})
            if cycle % 3 == 1:
                (node.agent.kill if chance.random() < 0.5 else node.agent.stop)()
                write(pods, 4)
                node.start_agent()
            else:
                write(pods, 4)
            wait_until(f"{want} lines in cycle {cycle}", lambda: arrived() >= want, 60, 0.1)
            if cycle % 4 == 0:
                node.agent.kill()
                remove(pods)
                write(pods, 1)
                node.start_agent()
                wait_until(f"{want} lines in cycle {cycle}, once more", lambda: arrived() >= want, 60, 0.1)
            equal(arrived(), want, f"lines in cycle {cycle}")
            remove(pods)


def watches_are_used_up(directory):
    """Directories without a watch are listed now and then: what was rotated there since is not forgotten by a restart before the next listing."""
    if not may_unshare():
        return print("skipped: no user namespace with a limit of its own may be made", flush=True)
    node = Node(directory, "*/app.log")
    limited(node.agent, "watches")
    pods = [f"pod-{n}" for n in range(6)]
    for pod in pods:
        os.makedirs(os.path.join(node.root, pod))
        node.write([f"first of {pod}"], f"{pod}/app.log")
    with node:
        want = [f"first of {pod}" for pod in pods]
        node.expect(want)
        for pod in pods:
            path = os.path.join(node.root, pod, "app.log")
            os.rename(path, path + ".2")
            node.write([f"between of {pod}"], f"{pod}/app.log")
            os.rename(path, path + ".1")
            node.write([f"last of {pod}"], f"{pod}/app.log")
            want += [f"between of {pod}", f"last of {pod}"]
        time.sleep(0.3)
        node.agent.stop()
        node.start_agent()
        node.expect(want)


if __name__ == "__main__":
    main(hole_a_rotated_between_open_and_the_first_end, hole_b_rotated_twice_while_behind, hole_c_written_to_after_it_was_renamed,
         hole_d_another_file_under_the_same_name, hole_e_killed_between_reading_and_delivery, hole_f_gone_from_the_pattern_while_behind,
         hole_g_pattern_matches_rotated_names, hole_h_bytes_that_are_no_text, hole_i_newline_bytes_within_characters,
         hole_j_metrics_do_not_grow_with_files, descriptors_are_used_up, inode_of_another_log, inodes_come_back, watches_are_used_up)
