"""Programs in Go that tests need, from the Go module proxy: built once, kept in ~/.cache/skald-tests (or SKALD_TEST_CACHE)."""
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import Failure, check  # noqa: E402

CACHE = os.environ.get("SKALD_TEST_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "skald-tests")


def go_program():
    """Where go is, or None."""
    return shutil.which("go") or next((p for p in ("/usr/local/go/bin/go",) if os.path.exists(p)), None)


def go(directory, *arguments, environment=None, timeout=1800):
    """Runs go with the arguments; what it prints. Failure where there is no go, or it fails."""
    program = go_program()
    check(program is not None, "no go on this machine")
    done = subprocess.run(["nice", program, *arguments], cwd=directory, capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", **(environment or {})})
    check(done.returncode == 0, f"go {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout


def module_directory(name, version):
    """The unpacked sources of a module."""
    os.makedirs(CACHE, exist_ok=True)
    return json.loads(go(CACHE, "mod", "download", "-json", f"{name}@{version}"))["Dir"]


@contextlib.contextmanager
def locked(name):
    """Two tests at once build a thing once."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, f"{name}.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(name, files):
    """A program of the given files ({name: text}, go.mod among them), which are its version: its path."""
    path = os.path.join(CACHE, name)
    noted = path + ".made-of"
    with locked(name):
        wanted = json.dumps(files, sort_keys=True)
        with contextlib.suppress(OSError), open(noted, encoding="utf-8") as file:
            if file.read() == wanted and os.path.exists(path):
                return path
        source = path + ".build"
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        for file_name, text in files.items():
            with open(os.path.join(source, file_name), "w", encoding="utf-8") as file:
                file.write(text)
        go(source, "mod", "tidy")
        go(source, "build", "-trimpath", "-ldflags=-s -w", "-o", path + ".new", ".")
        os.rename(path + ".new", path)
        with open(noted, "w", encoding="utf-8") as file:
            file.write(wanted)
        shutil.rmtree(source, ignore_errors=True)
    return path


def installed(package, version):
    """A program by `go install`: its path."""
    name = package.rsplit("/", 1)[-1]
    folder = os.path.join(CACHE, f"{name}-{version}")
    path = os.path.join(folder, name)
    with locked(f"{name}-{version}"):
        if not os.path.exists(path):
            os.makedirs(folder, exist_ok=True)
            go(CACHE, "install", f"{package}@{version}", environment={"GOBIN": folder, "GOFLAGS": ""})
    return path


def or_skip(make, *arguments):
    """What make gives; where it cannot be had, ends the test as skipped, with the reason."""
    try:
        return make(*arguments)
    except (Failure, OSError, subprocess.TimeoutExpired) as failure:
        print(f"skipped: {str(failure)[-500:]}")
        sys.exit(77)
