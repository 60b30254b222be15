#!/usr/bin/python3
"""The container images and the Compose set-up for real, without Docker: buildah builds deploy/docker/Dockerfile upon a Debian 12 of debootstrap
(the stage that compiles is given: what is built already), docker-compose starts server, agent and demo shop of compose.yaml on podman's Docker API,
and the shop's lines arrive. Needs root, Debian's mirror, the packages that
docs/docker.md names, and a machine that lets podman make containers; so it is run on purpose, and no part of the suite.

  tests/e2e/images.py
  SKALD_PLATFORM=arm64 SKALD_BUILT=DIRECTORY tests/e2e/images.py

The second makes and runs images of another architecture: the machine runs its programs by qemu-user-static, and DIRECTORY/out is what the
Dockerfile's first stage makes, made by its commands on a machine of its own (docs/development.md)."""
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
from go_tools import CACHE, locked  # noqa: E402
from harness import BIN_DIR, ROOT, Process, check, equal, free_port, main, running, wait_until  # noqa: E402

FOLDER = os.path.join(ROOT, "deploy", "docker")
COMPOSE = os.path.join(FOLDER, "compose.yaml")
BASE = "docker.io/library/debian:12-slim"
# Of the images; "" is this machine's own.
PLATFORM = os.environ.get("SKALD_PLATFORM", "")
TOOLS = ("buildah", "podman", "runc", "debootstrap", "docker-compose")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def run(command, environment=None, cwd=None):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment, cwd=cwd, timeout=1200)
    check(done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()


def debian():
    """A Debian 12 with nothing but what is essential, as a tar file: made once."""
    name = "debian-12" + (f"-{PLATFORM}" if PLATFORM else "")
    path = os.path.join(CACHE, name + ".tar")
    with locked(name):
        if os.path.exists(path):
            return path
        root = path + ".root"
        shutil.rmtree(root, ignore_errors=True)
        done = subprocess.run(["debootstrap", *([f"--arch={PLATFORM}"] if PLATFORM else []), "--variant=minbase", "bookworm", root], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            skip(f"debootstrap: {done.stdout[-300:]}{done.stderr[-300:]}")
        run(["tar", "-C", root, "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*", "-cf", path + ".new", "."])
        os.rename(path + ".new", path)
        shutil.rmtree(root)
    return path


class Engine:
    """buildah and podman with a storage of their own, which goes with the directory."""

    def __init__(self, directory):
        self.directory = directory
        self.storage = ["--storage-driver", "vfs", "--root", os.path.join(directory, "storage"), "--runroot", os.path.join(directory, "state")]
        # Not above what this process may have: only the mightiest may raise it.
        limits = []
        for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
            hard = resource.getrlimit(number)[1]
            most = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
            limits.append(f'"{name}={most}:{most}"')
        config = os.path.join(directory, "containers.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""[containers]
default_ulimits = [{", ".join(limits)}]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "cni"
network_config_dir = "{directory}/networks"
""")
        self.environment = {**os.environ, "CONTAINERS_CONF": config}

    def podman(self, *arguments):
        return run(["podman", *self.storage, *arguments], self.environment)

    def build(self, context, *arguments):
        return run(["buildah", *self.storage, "bud", "--isolation", "chroot", "--pull=never", "--format", "docker",
                    *(["--platform", f"linux/{PLATFORM}"] if PLATFORM else []), *arguments, context], self.environment, ROOT)

    def service(self, socket):
        return Process("podman", ["podman", *self.storage, "system", "service", "--time=0", f"unix://{socket}"],
                       os.path.join(self.directory, "podman.log"), self.environment)


def place_built(directory):
    """What the Dockerfile's first stage leaves behind, of the programs that are built: its own commands after the compiler's."""
    if PLATFORM:
        return os.environ["SKALD_BUILT"]
    with open(os.path.join(FOLDER, "Dockerfile"), encoding="utf-8") as file:
        stage = re.split(r"^FROM ", file.read(), flags=re.M)[1]
    command = re.search(r"mkdir -p /out \\\n(?:.*\\\n)*.*", stage)
    check(command, "the build stage does not put anything into /out")
    source = os.path.join(directory, "source")
    os.makedirs(os.path.join(source, "build", "release", "bin"))
    os.symlink(os.path.join(ROOT, "deploy"), os.path.join(source, "deploy"))
    for program in ("skald", "skald-agent", "skaldctl"):
        shutil.copy(os.path.join(BIN_DIR, program), os.path.join(source, "build", "release", "bin"))
    built = os.path.join(directory, "built")
    run(["bash", "-euc", command[0].replace("/out", f"{built}/out")], cwd=source)
    return built


def make_images(engine, directory):
    place = os.path.join(directory, "debian")
    os.makedirs(place)
    shutil.copy(debian(), os.path.join(place, "base.tar"))
    with open(os.path.join(place, "Dockerfile"), "w", encoding="ascii") as file:
        file.write('FROM scratch\nADD base.tar /\nCMD ["/bin/bash"]\n')
    engine.build(place, "-t", BASE)
    done = subprocess.run(["podman", *engine.storage, "run", "--rm", "--network", "none", BASE, "true"], capture_output=True, text=True, check=False,
                          env=engine.environment)
    if done.returncode != 0:
        skip(f"podman cannot run a container here: {done.stderr[-500:]}")
    built = place_built(directory)
    for target, name in (("server", "skald"), ("agent", "skald-agent"), ("demo", "skald-demo")):
        engine.build(ROOT, "--build-context", f"build={built}", "--target", target, "-t", f"docker.io/library/{name}", "-f", os.path.join(FOLDER, "Dockerfile"))
        [image] = json.loads(engine.podman("image", "inspect", f"docker.io/library/{name}"))
        if PLATFORM:
            equal(image["Architecture"], PLATFORM, f"{name}: architecture")
        equal(image["Config"]["User"], "10001:10001", f"{name}: user")
        if target != "demo":
            equal(image["Healthcheck"]["Test"][0], "CMD", f"{name}: a health check without a shell")
        print(f"{name}: {image['Size'] / 2**20:.0f} MiB", flush=True)


def status_of(engine, container):
    """What the kernel says of the container's program."""
    text = engine.podman("exec", container, "cat", "/proc/1/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def compose_runs(directory):
    if os.geteuid() != 0:
        skip("containers need root here")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        skip(f"not installed: {', '.join(missing)}")
    engine = Engine(directory)
    make_images(engine, directory)
    port = free_port()
    socket = os.path.join(directory, "podman.sock")
    environment = {**engine.environment, "DOCKER_HOST": f"unix://{socket}", "COMPOSE_PROJECT_NAME": f"skald{port}", "SKALD_HTTP_PORT": str(port),
                   "SKALD_GRPC_PORT": str(free_port()), "COMPOSE_HTTP_TIMEOUT": "600"}
    compose = ["docker-compose", "-f", COMPOSE]

    def ask(path, **parameters):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return {}

    def is_well(container):
        done = subprocess.run(["podman", *engine.storage, "healthcheck", "run", container], capture_output=True, check=False, env=engine.environment)
        return done.returncode == 0

    with running(engine.service(socket)):
        wait_until("podman's service listens", lambda: os.path.exists(socket))
        try:
            run([*compose, "up", "-d", "--no-build", "skald", "agent", "demo"], environment)
            server, agent = f"skald{port}_skald_1", f"skald{port}_agent_1"
            wait_until("the server's health check", lambda: is_well(server), timeout=600, pause=1)
            wait_until("the agent's health check", lambda: is_well(agent), timeout=600, pause=1)
            wait_until("the shop's lines are there", lambda: len(
                ask("/loki/api/v1/query", query='sum by (app) (count_over_time({app=~".+"}[5m]))').get("result", [])) == 3, timeout=600, pause=1)
            equal(len(ask("/prometheus/api/v1/rules")["groups"]), 7, "rule groups")
            for container, user in ((server, "10001"), (agent, "0")):
                status = status_of(engine, container)
                equal(status["Uid"].split()[0], user, f"{container}: user")
                equal(int(status["CapEff"], 16), 0, f"{container}: capabilities")
                equal(status["NoNewPrivs"], "1", f"{container}: no new privileges")
                done = subprocess.run(["podman", *engine.storage, "exec", container, "touch", "/usr/here"], capture_output=True, check=False, env=engine.environment)
                check(done.returncode != 0, f"{container}: its file system can be written")
        finally:
            with contextlib.suppress(Exception):
                print(engine.podman("ps", "-a", "--format", "{{.Names}}: {{.Status}}"), flush=True)
            # Compose takes the network away while podman may still be letting go of the last container: podman itself waits for that.
            subprocess.run([*compose, "stop", "--timeout", "20"], capture_output=True, check=False, env=environment, timeout=300)
            engine.podman("rm", "--all", "--force", "--volumes")
            engine.podman("network", "prune", "--force")
            engine.podman("rmi", "--all", "--force")


if __name__ == "__main__":
    main(compose_runs)
