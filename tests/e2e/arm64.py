#!/usr/bin/python3
"""The sources with vector instructions compile for arm64 as well: with Debian's cross compiler and SIMDe, where both are installed
(apt-get install g++-aarch64-linux-gnu libsimde-dev). No other file names a processor's own instructions."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import ROOT, check, main  # noqa: E402

COMPILER = "aarch64-linux-gnu-g++"
ROOMS = ("base", "proto", "text", "storage", "query", "rules", "server", "agent", "cli")
# Each of these has another way for other processors.
NAMES_INSTRUCTIONS = {"base/simd.h", "base/crc32c.cc"}


def sources():
    for room in ROOMS:
        for folder, names, files in os.walk(os.path.join(ROOT, room)):
            names[:] = [n for n in names if n != "node_modules"]
            for name in files:
                if name.endswith((".cc", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, ROOT), file.read()


def vector_code_compiles_for_arm64(_):
    found = dict(sources())
    named = {path for path, text in found.items() if re.search(r"mmintrin\.h|__builtin_cpu|arm_neon\.h|\basm\b", text)}
    check(named == NAMES_INSTRUCTIONS, f"instructions of one processor in {sorted(named - NAMES_INSTRUCTIONS)}")
    if shutil.which(COMPILER) is None or not os.path.exists("/usr/include/simde/x86/avx2.h"):
        print(f"skipped: no {COMPILER} with SIMDe on this machine")
        sys.exit(77)
    files = sorted(path for path, text in found.items() if path.endswith(".cc") and ("base/simd.h" in text or path in NAMES_INSTRUCTIONS))
    check(len(files) > 5, f"vector code is in {files} alone")
    for path in files:
        done = subprocess.run([COMPILER, "-std=c++20", "-fsyntax-only", "-Wall", f"-I{ROOT}", "-idirafter", "/usr/include", os.path.join(ROOT, path)],
                              capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"{path}: {done.stderr[:2000]}")
    print(f"{len(files)} files", flush=True)


if __name__ == "__main__":
    main(vector_code_compiles_for_arm64)
