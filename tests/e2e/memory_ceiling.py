#!/usr/bin/python3
"""A server with little memory and more work than fits: pushes slow down and are told to come again, queries end with an error, the
process stays, below its ceiling, and no acknowledged line is lost."""
import http.client
import os
import random
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running  # noqa: E402

MIB = 1 << 20
LIMIT = 96 * MIB
# The program itself, RocksDB's own files in memory, what the allocator keeps, and bodies while they are read from the network.
BESIDE = 160 * MIB
CONFIG = f"memory:\n  limit: {LIMIT}\n"
PUSHES = 40
SENDERS = 6


class Sender(threading.Thread):
    """Pushes lines of noise, 2 MB at a time, again and again until they are taken."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.refused, self.lines, self.fault = 0, 0, None

    def run(self):
        noise = random.Random(self.number)
        try:
            for push in range(PUSHES):
                entries = [(T0 + (push * 200 + n) * 10**6, noise.randbytes(5000).hex()) for n in range(200)]
                while True:
                    answer = self.server.push_proto([({"sender": str(self.number)}, entries)])
                    if answer.status == 204:
                        self.lines += len(entries)
                        break
                    if answer.status not in (429, 503):
                        self.fault = f"{answer.status} {answer.text}"
                        return
                    self.refused += 1
        except (OSError, http.client.HTTPException) as error:
            self.fault = repr(error)


class Asker(threading.Thread):
    """Asks what needs much memory."""

    QUERIES = (
        '{sender=~".+"}',
        'sum by (line) (count_over_time({sender=~".+"} | label_format line="{{__line__}}" [1h]))',
        'topk(5, sum by (part) (count_over_time({sender=~".+"} | regexp "(?P<part>.{1000})" [1h])))',
    )

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.done, self.fault, self.answers = False, None, {}

    def run(self):
        try:
            while not self.done:
                answer = self.server.query_range(self.QUERIES[self.number % len(self.QUERIES)], limit=5000, step=600)
                self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                if answer.status not in (200, 400, 429, 500, 503, 504):
                    self.fault = f"{answer.status} {answer.text}"
                    return
                if answer.status != 200 and not answer.text.strip():
                    self.fault = f"{answer.status} without a word"
                    return
        except (OSError, http.client.HTTPException) as error:
            self.fault = repr(error)


def more_work_than_memory(directory):
    with running(Server(directory, CONFIG)) as server:
        senders = [Sender(server, n) for n in range(SENDERS)]
        askers = [Asker(server, n) for n in range(3)]
        for thread in senders + askers:
            thread.start()
        for sender in senders:
            sender.join(400)
            check(not sender.is_alive() and not sender.fault, f"sender {sender.number}: {sender.fault or 'is not done'}")
        for asker in askers:
            asker.done = True
        for asker in askers:
            asker.join(100)
            check(not asker.fault, f"asker {asker.number}: {asker.fault}")
        peak = server.memory_peak()
        print(f"  {SENDERS * PUSHES * 2} MB pushed, refused {sum(sender.refused for sender in senders)} times; answers by status: "
              f"{[asker.answers for asker in askers]}; peak {peak // MIB} MiB")
        check(peak < LIMIT + BESIDE, f"peak memory {peak // MIB} MiB")
        for sender in senders:
            equal(server.count(f'{{sender="{sender.number}"}}'), sender.lines, f"lines of sender {sender.number}")
        equal(server.get("/ready").status, 200, "ready")


if __name__ == "__main__":
    main(more_work_than_memory)
