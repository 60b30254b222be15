"""An hour of the demo shop's lines ending now, pushed as agents would label them, with what a page has to cope with beside it: text from
right to left, bytes that are no UTF-8, terminal colours, control characters, very long lines, and lines without a level."""
import importlib.util
import os
import random
import types

from harness import NS, ROOT


def load_shop():
    spec = importlib.util.spec_from_file_location("shop", os.path.join(ROOT, "deploy", "demo", "shop.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Collector:
    """Takes the place of the shop's log file."""

    def __init__(self, clock):
        self.clock, self.lines = clock, []

    def write(self, line):
        self.lines.append((int(self.clock["now"] * 1000) * 10**6, line))


ODD = [
    "مرحبا بالعالم: طلب رقم 1234 فشل",
    "שלום עולם user=דוד status=500",
    "mixed: order 77 من العميل failed with code 9",
    "a trick with direction: user=\u202eadmin\u202c end",
    "\x1b[31mERROR\x1b[0m \x1b[1mred and bold\x1b[0m from a terminal",
    "tab\there, bell \x07, null \x00, carriage \r return",
    "bytes that are no UTF-8: \ufffd\ufffd end",
    "<script>document.title = 'owned'</script> <b>not bold</b> &amp;",
    "emoji 🚀 family 👩‍👩‍👧 and z͑ͫa̴lgo",
    "long " + "0123456789abcdef" * 600,
]


def streams(now_ns, seconds=3600, rate=5.0, seed=7):
    """[(labels, [(ns, line, metadata)])] of the last `seconds` before now_ns."""
    shop = load_shop()
    clock = {"now": now_ns / NS - seconds}
    shop.time = types.SimpleNamespace(time=lambda: clock["now"], strftime=__import__("time").strftime, gmtime=__import__("time").gmtime)
    demo = shop.Shop.__new__(shop.Shop)
    demo.checkout, demo.payments, demo.access = Collector(clock), Collector(clock), Collector(clock)
    demo.rate, demo.random, demo.order = rate, random.Random(seed), 1000
    demo.burst_begins = clock["now"] + 400
    demo.burst_ends = demo.burst_begins + shop.BURST_LASTS
    while clock["now"] < now_ns / NS - 1:
        demo.visit()
        clock["now"] += demo.random.expovariate(rate)
    base = {"host": "shop-1", "env": "demo"}
    odd = [(now_ns - (len(ODD) - i) * 90 * NS, line, {}) for i, line in enumerate(ODD)]
    found = []
    for app, collector in (("checkout", demo.checkout), ("payments", demo.payments), ("web", demo.access)):
        labels = {**base, "app": app, "filename": f"/var/log/shop/{'access' if app == 'web' else app}.log"}
        found.append((labels, [(ns, line, {}) for ns, line in collector.lines]))
    found.append(({**base, "app": "oddities"}, odd))
    return found


def push(server, found):
    """Streams to a server; the number of lines."""
    count = 0
    for labels, rows in found:
        for begin in range(0, len(rows), 5000):
            part = rows[begin:begin + 5000]
            server.push_ok([(labels, part)])
            count += len(part)
    return count
