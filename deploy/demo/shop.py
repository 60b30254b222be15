#!/usr/bin/python3
"""A small shop that writes logs like a real one: checkout in JSON, payments in logfmt, an access log. Every few minutes the database
has a bad moment, and all three show it.

  deploy/demo/shop.py DIRECTORY [--rate LINES_A_SECOND] [--seconds N]

Files are rotated at 8 MiB, one old generation is kept.
"""
import argparse
import json
import os
import random
import signal
import sys
import time

MAX_BYTES = 8 << 20
BURST_EVERY = 150  # seconds, about
BURST_LASTS = 12
CUSTOMERS = 2000
PAGES = ["/", "/search", "/product", "/cart", "/checkout", "/login", "/healthz"]
COUNTRIES = ["NL", "DE", "US", "IN", "BR", "JP"]


class LogFile:
    def __init__(self, path):
        self.path = path
        self.file = open(path, "ab", buffering=0)

    def write(self, line):
        if self.file.tell() > MAX_BYTES:
            self.file.close()
            os.replace(self.path, self.path + ".1")
            self.file = open(self.path, "ab", buffering=0)
        self.file.write(line.encode() + b"\n")


class Shop:
    def __init__(self, directory, rate):
        os.makedirs(directory, exist_ok=True)
        self.checkout = LogFile(os.path.join(directory, "checkout.log"))
        self.payments = LogFile(os.path.join(directory, "payments.log"))
        self.access = LogFile(os.path.join(directory, "access.log"))
        self.rate = rate
        self.random = random.Random()
        self.order = int(time.time()) % 10**6
        self.burst_begins = time.time() + 20
        self.burst_ends = self.burst_begins + BURST_LASTS

    def trouble(self, now):
        if now > self.burst_ends:
            self.burst_begins = now + self.random.uniform(0.5, 1.5) * BURST_EVERY
            self.burst_ends = self.burst_begins + BURST_LASTS
        return now >= self.burst_begins

    @staticmethod
    def stamp(now):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"

    def visit(self):
        now, r = time.time(), self.random
        bad = self.trouble(now) and r.random() < 0.6
        trace = f"{r.getrandbits(64):016x}"
        page = r.choice(PAGES)
        took = r.expovariate(1 / 35) + (r.uniform(1500, 5000) if bad else 0)
        status = r.choice((500, 502, 503)) if bad else r.choices((200, 302, 404, 401), (92, 4, 3, 1))[0]
        address = f"10.{r.randrange(4)}.{r.randrange(256)}.{r.randrange(1, 255)}"
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
        self.access.write(f'{address} - - [{when}] "GET {page} HTTP/1.1" {status} {r.randrange(200, 40000)} "-" "Mozilla/5.0" {took / 1000:.3f}')
        if page in ("/cart", "/checkout", "/product"):
            self.sell(now, trace, bad, took)

    def sell(self, now, trace, bad, took):
        r = self.random
        self.order += 1
        entry = {"ts": self.stamp(now), "level": "error" if bad else r.choices(("info", "debug", "warn"), (80, 15, 5))[0],
                 "msg": "order failed: connection pool exhausted" if bad else "order placed", "trace_id": trace, "order": self.order,
                 "status": 500 if bad else 200, "duration_ms": round(took, 2), "total": round(r.lognormvariate(3.5, 0.8), 2),
                 "customer": {"id": r.randrange(CUSTOMERS), "country": r.choice(COUNTRIES)}}
        if bad:
            entry["error"] = {"type": "PoolTimeout", "retries": r.randrange(1, 4)}
        self.checkout.write(json.dumps(entry))
        level, outcome = ("error", "gateway timeout") if bad else r.choices(
            (("info", "captured"), ("warn", "card declined"), ("info", "refunded")), (90, 7, 3))[0]
        self.payments.write(f'ts={self.stamp(now)} level={level} caller=gateway.go:{r.randrange(80, 300)} trace_id={trace} order={self.order} '
                            f'msg="payment {outcome}" duration={took / 1000:.3f}s attempts={r.randrange(1, 4) if bad else 1}')

    def run(self, seconds):
        end = time.time() + seconds if seconds else None
        while end is None or time.time() < end:
            self.visit()
            time.sleep(self.random.expovariate(self.rate))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--rate", type=float, default=10, help="visits a second")
    p.add_argument("--seconds", type=float, default=0, help="end after this long; 0 = never")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Shop(a.directory, a.rate).run(a.seconds)


if __name__ == "__main__":
    main()
