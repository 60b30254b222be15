#!/usr/bin/python3
"""kill -9 of the server at random moments of pushing, flushing, compacting and deleting: every line that was acknowledged and not
deleted is there afterwards, each once, and what was deleted stays away."""
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, seed  # noqa: E402

CONFIG = "storage:\n  head_memory: 1MB\n"
# Everything that works in the background does so without rest.
BUSY = CONFIG + """compactor:
  compaction_interval: 50ms
  compact_after: 1ms
  delete_request_cancel_period: 0s
"""
CYCLES = int(os.environ.get("SKALD_CRASH_CYCLES", "6"))
SENDERS = 3
LINES_PER_PUSH = 200


class Sender(threading.Thread):
    """Pushes numbered lines of one stream; a push without an answer is sent again, as agents do."""

    def __init__(self, server, number, pause=0.0):
        super().__init__(daemon=True)
        self.server, self.number, self.pause = server, number, pause
        self.acknowledged = 0
        self.done = False
        self.fault = None

    def run(self):
        while not self.done:
            first = self.acknowledged
            entries = [(T0 + n * 10**6, f"sender {self.number} line {n} {'gone' if n % 7 == 0 else 'stays'} " + "x" * (n % 97))
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
                    time.sleep(self.pause)
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


def deletes_survive_kills(directory):
    random_ = random.Random(seed())
    with running(Server(directory, BUSY)) as server:
        senders = [Sender(server, n, 0.02) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        deleted = [0] * SENDERS
        merged = purged = 0
        for cycle in range(CYCLES):
            time.sleep(random_.uniform(0.2, 1.0))
            server.flush()
            for n, sender in enumerate(senders):
                seconds = (sender.acknowledged - 1) // 1000  # ends are whole seconds, inclusive
                if seconds <= 0:
                    continue
                answer = server.request("POST", "/loki/api/v1/delete", {
                    "query": f'{{sender="{n}"}} |= "gone"', "start": T0 // NS, "end": T0 // NS + seconds})
                equal(answer.status, 204, f"delete: {answer.text}")
                deleted[n] = seconds * 1000 + 1
            time.sleep(random_.uniform(0, 1.0))
            merged += server.metric("skald_compactions_total") or 0
            purged += server.metric("skald_purged_lines_total") or 0
            server.kill()
            sure = [sender.acknowledged for sender in senders]
            server.start()
            for n, least in enumerate(sure):
                got = server.count(f'{{sender="{n}"}} |= "stays"')
                check(got >= least - (least + 6) // 7, f"cycle {cycle}, sender {n}: {least} lines acknowledged, {got} that stay")
                if deleted[n]:
                    equal(server.count(f'{{sender="{n}"}} |= "gone"', T0 + (deleted[n] - 1) * 10**6), 0, f"cycle {cycle}: deleted lines of {n}")
        for sender in senders:
            sender.done = True
        for sender in senders:
            sender.join(60)
            check(not sender.fault, f"sender {sender.number}: {sender.fault}")
        check(merged > 0, "segments were merged")
        check(purged > 0, "deleted lines were removed from the disk")
        for n in range(SENDERS):
            check_sender(server, n, senders[n], deleted[n], "at the end")
        print(f"{sum(sender.acknowledged for sender in senders)} lines over {CYCLES} kills, {merged:.0f} compactions, {purged:.0f} lines removed")


def check_sender(server, number, sender, deleted, when):
    """Lines before `deleted` that say "gone" are away, all others that were acknowledged are there, each once."""
    sure = sender.acknowledged
    numbers = [int(line.split()[3]) for _, line in server.lines(f'{{sender="{number}"}}', T0, T0 + 10**6 * NS)]
    found = set(numbers)
    equal(len(found), len(numbers), f"{when}: distinct lines of sender {number}")
    missing = {n for n in range(sure) if n % 7 or n >= deleted} - found
    check(not missing, f"{when}: sender {number} misses {len(missing)} of {sure} acknowledged lines, e.g. {sorted(missing)[:5]}")
    back = {n for n in found if n % 7 == 0 and n < deleted}
    check(not back, f"{when}: {len(back)} deleted lines of sender {number} are back, e.g. {sorted(back)[:5]}")


def flush_quietly(server):
    try:
        server.request("POST", "/flush", body=b"")
    except (OSError, http.client.HTTPException):
        pass


if __name__ == "__main__":
    main(acknowledged_lines_survive_kills, deletes_survive_kills)
