#!/usr/bin/python3
"""The rules about the source tree that a compiler does not hold: includes go one way between rooms, the query engine sees
storage only through its contract, files stay small, headers open with their contract, nothing is left half done."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# room -> rooms whose headers it may include. CMakeLists.txt of each room links the same.
MAY_INCLUDE = {
    "base": set(),
    "proto": {"base"},
    "proto/push": {"base", "proto", "text"},
    "text": {"base"},
    "storage": {"base", "proto", "text"},
    "query/logql": {"base", "text"},
    "query/exec": {"base", "proto", "text", "storage", "query/logql"},
    "rules": {"base", "proto", "text", "storage", "query/logql", "query/exec"},
    "server": {"base", "proto", "proto/push", "text", "storage", "query/logql", "query/exec", "rules"},
    "agent/files": {"base"},
    "agent/stages": {"base", "text"},
    "agent/positions": {"base", "text", "agent/files"},
    "agent/discovery": {"base", "proto", "text", "agent/files", "agent/positions", "agent/stages"},
    "agent/delivery": {"base", "proto", "text", "agent/discovery", "agent/positions", "agent/stages"},
    "agent/tail": {"base", "proto", "text", "agent/delivery", "agent/discovery", "agent/files", "agent/positions", "agent/stages"},
    "agent/receivers": {"base", "proto", "proto/push", "text", "agent/delivery", "agent/positions", "agent/stages", "agent/tail"},
    "agent": {"base", "proto", "proto/push", "text", "agent/delivery", "agent/discovery", "agent/files", "agent/positions",
              "agent/receivers", "agent/stages", "agent/tail"},
    "cli": {"base", "text", "query/logql", "query/exec", "rules"},
    "bench": {"base", "proto", "text", "storage", "query/logql", "query/exec"},
    "tests": {"base", "proto", "proto/push", "text", "storage", "query/logql", "query/exec", "rules", "server", "agent", "cli"},
}
# Of storage, the query engine and the rules see this only. Tests and benchmarks of theirs may open a real store.
STORAGE_CONTRACT = {"storage/log_source.h"}
SEES_CONTRACT_ONLY = {"query/logql", "query/exec", "rules"}
MAX_LINES = 700

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def room_of(path):
    for room in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return None


def sources():
    for top in sorted({room.split("/")[0] for room in MAY_INCLUDE}):
        for folder, names, files in os.walk(os.path.join(ROOT, top)):
            names[:] = sorted(n for n in names if n not in ("node_modules", "__pycache__", "testdata"))
            for name in sorted(files):
                if name.endswith((".cc", ".h", ".py", ".proto", ".ts", ".tsx", ".mjs", ".css")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def include_faults(path, text):
    room = room_of(path)
    is_test = path.endswith(("_test.cc", "_benchmark.cc", "_bench.cc", "_test_util.h", "_fixture.h", "_fuzz.cc"))
    for target in INCLUDE.findall(text):
        if "/" not in target:
            yield f"{path}: include \"{target}\" is not relative to the root"
            continue
        other = room_of(target)
        if other is None:
            if not target.startswith(("gtest/", "gmock/")):
                yield f"{path}: include \"{target}\" belongs to no room"
            continue
        if is_test and other.split("/")[0] == room.split("/")[0] == "agent":
            continue  # a test of one part may drive the agent with the others
        if other != room and other not in MAY_INCLUDE[room]:
            yield f"{path}: {room} may not include {target} (allowed: {', '.join(sorted(MAY_INCLUDE[room])) or 'nothing of ours'})"
        elif other == "storage" and room in SEES_CONTRACT_ONLY and not is_test and target not in STORAGE_CONTRACT:
            yield f"{path}: {room} sees of storage only {', '.join(STORAGE_CONTRACT)}, not {target}"


def faults():
    seen = 0
    for path in sources():
        seen += 1
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        lines = text.count("\n")
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines, more than {MAX_LINES}: it holds more than one concept"
        if path != "tests/architecture_test.py":
            for number, line in enumerate(text.splitlines(), 1):
                if UNFINISHED.search(line):
                    yield f"{path}:{number}: unfinished: {line.strip()[:80]}"
        if path.endswith((".cc", ".h")):
            yield from include_faults(path, text)
        if path.endswith(".h"):
            if not text.startswith("//"):
                yield f"{path}: the header does not open with a comment that says what it is for"
            if "#pragma once" not in text:
                yield f"{path}: no #pragma once"
    if seen < 10:
        yield f"only {seen} sources found under {ROOT}"


def main():
    found = list(faults())
    for fault in found:
        print(fault)
    print(f"{len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
