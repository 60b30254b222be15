#!/usr/bin/python3
"""Windows of rules over restarts: after kill -9 a window of a day is not read again, and its value is what the lines give: with lines that came late just
before, deletes, files that are flushed, and damage to what was kept."""
import os
import sys
import time
from random import Random

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Server, check, equal, main, running, seed, wait_until  # noqa: E402

LINES = 60_000
RULES = """
groups:
- name: long
  interval: 1s
  rules:
  - alert: Sum
    expr: sum(sum_over_time({app=~"a.*"} | logfmt | unwrap n | __error__="" [1d])) > 0
"""


class Fixture:
    def __init__(self, directory, config=""):
        self.server = Server(directory, "limits_config: {deletion_mode: filter-and-delete}\ncompactor: {delete_request_cancel_period: 1h, compaction_interval: 1s}\n" + config)
        folder = os.path.join(self.server.data, "rules", "fake")
        os.makedirs(folder)
        with open(os.path.join(folder, "long.yaml"), "w", encoding="utf-8") as file:
            file.write(RULES)
        self.windows = os.path.join(self.server.data, "ruler", "windows")
        self.now = time.time_ns()
        self.sum = 0

    def fill(self):
        """Lines of the twenty hours before now, all in one window for as long as the test takes."""
        for part in range(60):
            streams = []
            for stream in range(4):
                values = []
                for i in range(LINES // 240):
                    n = part * 7 + i % 13
                    values.append((self.now - 20 * 3600 * NS + part * 1200 * NS + i * NS, f"level=info n={n} took={i}ms something else"))
                    self.sum += n
                streams.append(({"app": f"a{stream}"}, values))
            self.server.push_ok(streams)

    def late(self, hours, n):
        self.server.push_ok([({"app": "a1"}, [(self.now - int(hours * 3600) * NS, f"late=yes n={n}")])])
        self.sum += n

    def evaluations(self):
        return self.server.metric("loki_prometheus_rule_group_iterations_total") or 0

    def value(self):
        answer = self.server.get("/prometheus/api/v1/rules").json()
        alerts = answer["data"]["groups"][0]["rules"][0]["alerts"]
        return int(float(alerts[0]["value"])) if alerts else 0

    def settled(self):
        """After an evaluation of this process the value is right."""
        wait_until("evaluations", lambda: self.evaluations() >= 2)
        wait_until(f"the sum {self.sum}", lambda: self.value() == self.sum)

    def saved(self):
        """What is known now is on the disk: one round has begun and ended since."""
        for _ in range(2):
            before = self.server.metric("skald_rule_window_written_bytes_total")
            wait_until("a round of writing", lambda: self.server.metric("skald_rule_window_written_bytes_total") > before, 60)

    def restart(self, how, most):
        self.server.kill()
        self.server.start()
        before = time.monotonic()
        self.settled()
        lines = self.server.metric("skald_rule_read_lines_total")
        check(lines <= most, f"{how}: {lines:.0f} lines were read, {most} at most are expected")
        equal(self.server.metric("skald_rule_window_damaged_total"), 0, "damaged pieces")
        print(f"  {how}: {lines:.0f} of {LINES} lines read, value right after {time.monotonic() - before:.1f} s", flush=True)


def a_window_is_not_read_again(directory):
    f = Fixture(directory)
    with running(f.server):
        f.fill()
        f.settled()
        read = f.server.metric("skald_rule_read_lines_total")
        check(read >= LINES, f"{read} lines were read at first")
        f.saved()
        f.restart("killed", LINES // 20)
        # What comes late is in the log alone when the server is killed.
        f.late(13, 1_000_003)
        f.restart("killed after a late line", LINES // 20)
        f.late(7, 2_000_003)
        wait_until("the late line counts", lambda: f.value() == f.sum)
        f.restart("killed after a late line that counted", LINES // 20)
        f.saved()
        # It stands in a segment that the kept windows know nothing of.
        f.late(5, 3_000_017)
        f.server.flush()
        f.restart("killed after a flush", LINES // 20)
        # Several times in a row, with nothing written meanwhile.
        for _ in range(3):
            f.restart("killed at once", LINES // 20)
        equal(f.server.stop(), 0, "exit code")
        f.server.start()
        f.settled()
        lines = f.server.metric("skald_rule_read_lines_total")
        check(lines <= LINES // 20, f"{lines} lines were read after a clean stop")


def deletes_and_damage_read_it_again(directory):
    f = Fixture(directory)
    with running(f.server):
        f.fill()
        f.late(9, 4_000_037)
        f.settled()
        f.saved()
        answer = f.server.request("POST", "/loki/api/v1/delete", {
            "query": '{app="a1"} |= "late=yes"', "start": f.now // NS - 24 * 3600, "end": f.now // NS})
        equal(answer.status, 204, "delete request")
        f.sum -= 4_000_037
        f.server.kill()
        f.server.start()
        f.settled()
        f.saved()
        # Kept under these deletes, it counts under them.
        f.restart("killed under a delete", LINES // 20)
        for how in ("cut", "distrusted", "gone"):
            equal(f.server.stop(), 0, "exit code")  # which writes all there is
            if how == "gone":
                os.rename(f.windows, f.windows + "-old")
            elif how == "distrusted":
                os.remove(os.path.join(f.windows, "TRUSTED"))
            else:
                for name in os.listdir(f.windows):
                    if name.startswith("MANIFEST") or name.endswith(".sst"):
                        path = os.path.join(f.windows, name)
                        os.truncate(path, os.path.getsize(path) // 2)
            f.server.start()
            f.settled()
            lines = f.server.metric("skald_rule_read_lines_total")
            check(lines >= LINES, f"{lines} lines were read after the database was {how}")
        f.saved()
        f.restart("killed after damage", LINES // 20)


def killed_at_random(directory):
    """Lines on time and hours late, heads that are flushed all the time, kill -9 at any moment: the value is that of the lines that were acknowledged."""
    random = Random(seed())
    f = Fixture(directory, "storage: {head_memory: 2MB, head_max_age: 700ms}\n")
    with running(f.server):
        for kill in range(10):
            end = time.monotonic() + random.uniform(0.5, 4)
            # Now and then long enough for a round of writing.
            while time.monotonic() < end or (kill in (2, 6) and not f.server.metric("skald_rule_window_written_bytes_total")):
                late = random.choice((0, 0, 1, 5, 60, 600, 5000, 50_000))
                values, total = [], 0
                for _ in range(random.randrange(1, 50)):
                    n = random.randrange(1000)
                    values.append((time.time_ns() - late * NS - random.randrange(NS), f"n={n} id={random.random()}"))
                    total += n
                f.server.push_ok([({"app": f"a{random.randrange(4)}"}, sorted(values))])
                f.sum += total
                time.sleep(random.uniform(0, 0.05))
            f.server.kill()
            f.server.start()
            f.settled()
        print(f"  {f.server.metric('skald_rule_window_saved_bytes'):.0f} bytes kept, the sum of all is {f.sum}", flush=True)


if __name__ == "__main__":
    main(killed_at_random, a_window_is_not_read_again, deletes_and_damage_read_it_again)
