#!/usr/bin/python3
"""kill -9 of the server at random moments of pushing: every line that was acknowledged is there afterwards, and each line once."""
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, seed  # noqa: E402

CONFIG = "storage:\n  head_memory: 1MB\n"
CYCLES = int(os.environ.get("SKALD_CRASH_CYCLES", "6"))
SENDERS = 3
LINES_PER_PUSH = 200


class Sender(threading.Thread):
    """Pushes numbered lines of one stream; a push without an answer is sent again, as agents do."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.acknowledged = 0
        self.done = False
        self.fault = None

    def run(self):
        while not self.done:
            first = self.acknowledged
            entries = [(T0 + n * 10**6, f"sender {self.number} line {n} " + "x" * (n % 97))
                       for n in range(first, first + LINES_PER_PUSH)]
            while True:
                try:
                    answer = self.server.push_proto([({"sender": str(self.number)}, entries)])
                except (OSError, http.client.HTTPException):
                    if self.done:
                        return
                    time.sleep(0.05)
                    continue
                if answer.status == 204:
                    self.acknowledged = first + LINES_PER_PUSH
                    break
                if answer.status not in (429, 500, 503):
                    self.fault = f"{answer.status} {answer.text}"
                    return


def acknowledged_lines_survive_kills(directory):
    random_ = random.Random(seed())
    with running(Server(directory, CONFIG)) as server:
        senders = [Sender(server, n) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        for cycle in range(CYCLES):
            time.sleep(random_.uniform(0.2, 2.0))
            if random_.random() < 0.5:
                threading.Thread(target=flush_quietly, args=(server,), daemon=True).start()
                time.sleep(random_.uniform(0, 0.1))
            server.kill()
            sure = [sender.acknowledged for sender in senders]
            server.start()
            for sender, least in zip(senders, sure):
                got = server.count(f'{{sender="{sender.number}"}}')
                check(got >= least, f"cycle {cycle}, sender {sender.number}: {least} lines acknowledged, {got} found")
        for sender in senders:
            sender.done = True
        for sender in senders:
            sender.join(60)
            check(not sender.fault, f"sender {sender.number}: {sender.fault}")
        for where in ("as it is", "after a flush", "after a restart"):
            if where == "after a flush":
                server.flush()
            if where == "after a restart":
                equal(server.stop(), 0, "exit code after SIGTERM")
                server.start()
            for sender in senders:
                lines = server.lines(f'{{sender="{sender.number}"}}', T0, T0 + 10**6 * NS)
                numbers = [int(line.split()[3]) for _, line in lines]
                equal(len(set(numbers)), len(numbers), f"{where}: distinct lines of sender {sender.number}")
                missing = set(range(sender.acknowledged)) - set(numbers)
                check(not missing, f"{where}: sender {sender.number} misses {len(missing)} acknowledged lines, e.g. {sorted(missing)[:5]}")
        print(f"{sum(sender.acknowledged for sender in senders)} lines over {CYCLES} kills")


def flush_quietly(server):
    try:
        server.request("POST", "/flush", body=b"")
    except (OSError, http.client.HTTPException):
        pass


if __name__ == "__main__":
    main(acknowledged_lines_survive_kills)
