#!/usr/bin/python3
"""The systemd units as systemd reads them: no word it does not know, programs where the units say, every setting in them one that the programs
have, and a sandbox that systemd's own judgement calls good."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, ROOT, check, main  # noqa: E402

# systemd's measure from 0 (locked in) to 100: below 30 it says OK.
THRESHOLD = 30


def units_are_what_systemd_takes(directory):
    for name in ("skald", "skald-agent"):
        with open(os.path.join(ROOT, "deploy", "systemd", f"{name}.service"), encoding="utf-8") as file:
            text = file.read()
        command = re.search(r"^ExecStart=(\S+) (.*)$", text, re.M)
        check(command is not None and command[1] == f"/usr/bin/{name}", f"{name}: ExecStart")
        unit = os.path.join(directory, f"{name}.service")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(text.replace(f"/usr/bin/{name} ", os.path.join(BIN_DIR, name) + " "))
        verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        check(verify.returncode == 0 and not verify.stderr.strip(), f"{name}: {verify.stdout}{verify.stderr}")
        security = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={THRESHOLD}", "--no-pager", unit],
                                  capture_output=True, text=True, check=False)
        check(security.returncode == 0, f"{name}: {security.stdout[-300:]}{security.stderr}")
        print(security.stdout.strip().splitlines()[-1], flush=True)
        told = subprocess.run([os.path.join(BIN_DIR, name), "--help"], capture_output=True, text=True, check=True).stdout
        for setting in re.findall(r"(--[\w-]+)=", command[2]) + re.findall(r"\b(SKALD_\w+)=", re.search(r"^(Environment=.*)?$", text, re.M)[0]):
            check(setting in told, f"{name}: {setting} is no setting of it")


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("no systemd-analyze on this machine")
        sys.exit(77)
    main(units_are_what_systemd_takes)
