#!/usr/bin/python3
"""A byte of the disk that changed: it costs one block, is named in answers and in a metric, and fsck finds and repairs it. And a data directory
that another server has open."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402
from harness import NS, T0, Server, check, equal, main, running  # noqa: E402

LINES = 300
FILLER = "x" * 2000  # so that each stream has blocks of its own
METRIC = "skald_store_damaged_blocks_total"


def line(app, n):
    return f"{app} line {n:04d} {FILLER[n:]}"


def found(server, app):
    """(lines, warnings) by reading."""
    answer = server.query_range(f'{{app="{app}"}} |= "line"', limit=5000, headers={"Cache-Control": "no-cache"})
    check(answer.status == 200, f"{answer.status} {answer.text[:200]}")
    body = answer.json()
    return sum(len(stream["values"]) for stream in body["data"]["result"]), body.get("warnings", [])


def fsck(server, *flags):
    out = subprocess.run([os.path.join(harness.BIN_DIR, "skald"), "fsck", *flags, server.data], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    return out.returncode, out.stdout


def a_changed_byte(directory):
    server = Server(directory)
    with running(server):
        server.push_ok([({"app": app}, [(T0 + n * NS, line(app, n)) for n in range(LINES)]) for app in ("whole", "hurt")])
        server.flush()
        equal([found(server, "whole"), found(server, "hurt")], [(LINES, []), (LINES, [])], "before")
        server.stop()
        code, text = fsck(server)
        equal(code, 0, f"fsck of a sound directory: {text}")

        segments = os.path.join(server.data, "segments")
        changed = 0
        for name in os.listdir(segments):
            path = os.path.join(segments, name)
            with open(path, "rb") as file:
                data = bytearray(file.read())
            at = data.find(b"hurt line")
            if at >= 0:
                data[at + 3] ^= 0x10
                with open(path, "wb") as file:
                    file.write(data)
                changed += 1
        equal(changed, 1, "segments with a changed byte")

        server.start()
        equal(found(server, "whole"), (LINES, []), "lines of other blocks")
        lines, warnings = found(server, "hurt")
        check(0 <= lines < LINES, f"{lines} lines of a block that does not match its checksum")
        check(len(warnings) == 1 and "damaged" in warnings[0], f"warnings: {warnings}")
        check((server.metric(METRIC) or 0) >= 1, f"{METRIC} is {server.metric(METRIC)}")
        server.stop()

        code, text = fsck(server)
        check(code != 0 and "crc mismatch" in text, f"fsck: {code} {text}")
        code, text = fsck(server, "--repair")
        equal(code, 0, f"fsck --repair: {text}")
        code, text = fsck(server)
        equal(code, 0, f"fsck after the repair: {text}")
        server.start()
        equal(found(server, "whole"), (LINES, []), "lines of other blocks, after the repair")
        equal(found(server, "hurt"), (lines, []), "what was left, without a warning")


def a_second_server(directory):
    with running(Server(directory)) as server:
        server.push_ok([({"app": "a"}, [(T0, "a line")])])
        second = Server(directory, name="second")
        second.arguments = [f"--data-dir={server.data}" if text.startswith("--data-dir=") else text for text in second.arguments]
        second.start_unchecked()
        check(second.exit_code() != 0, "a second server runs on the same directory")
        check(server.data in second.log() and "another process" in second.log(), second.log())
        code, text = fsck(server)
        check(code != 0 and "another process" in text, f"fsck of a directory in use: {code} {text}")
        equal(server.count('{app="a"}'), 1, "the first server")


if __name__ == "__main__":
    main(a_changed_byte, a_second_server)
