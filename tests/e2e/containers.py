#!/usr/bin/python3
"""The container images and the Compose file without a container: Docker's own checks of the Dockerfile, Compose's own reading of its file,
what the images promise (no root, a health check without a shell, every library there), and the programs with what the file gives them."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools"))
from go_tools import built, or_skip  # noqa: E402
from harness import BIN_DIR, ROOT, Agent, Process, Server, check, equal, free_port, main, running, wait_until  # noqa: E402

FOLDER = os.path.join(ROOT, "deploy", "docker")
DOCKERFILE = os.path.join(FOLDER, "Dockerfile")
COMPOSE = os.path.join(FOLDER, "compose.yaml")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def checker():
    """The program of tests/tools/containers."""
    source = os.path.join(ROOT, "tests", "tools", "containers")
    return or_skip(built, "containers", {name: read(os.path.join(source, name)) for name in ("go.mod", "main.go")})


def project():
    done = subprocess.run([checker(), "compose", COMPOSE], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"compose.yaml: {done.stderr}")
    return json.loads(done.stdout)


def docker_finds_nothing_to_say(_):
    done = subprocess.run([checker(), "dockerfile", DOCKERFILE], capture_output=True, text=True, check=False)
    check(done.returncode == 0 and not done.stdout, f"{done.stdout}{done.stderr}")
    stages = {}
    for stage in re.split(r"^FROM ", read(DOCKERFILE), flags=re.M)[1:]:
        stage = stage.removeprefix("--platform=$BUILDPLATFORM ")
        stages[re.match(r"\S+ AS (\S+)", stage)[1]] = stage
    equal(sorted(stages), ["agent", "build", "demo", "server"], "stages")
    for name, stage in stages.items():
        check(stage.startswith("debian:12-slim "), f"{name} does not begin with Debian 12")
        if name == "build":
            continue
        equal(re.findall(r"^USER (.*)$", stage, re.M), ["10001:10001"], f"{name}: user")
        check(re.search(r'^ENTRYPOINT \["/usr/bin/', stage, re.M), f"{name}: begins without a shell")
        if name != "demo":
            program = {"server": "skald", "agent": "skald-agent"}[name]
            check(f'CMD ["/usr/bin/{program}", "health"]' in stage, f"{name}: health")


def each_library_has_its_package(_):
    for programs in (["skald", "skaldctl"], ["skald-agent"]):
        done = subprocess.run([os.path.join(FOLDER, "runtime-packages"), *(os.path.join(BIN_DIR, p) for p in programs)], capture_output=True, text=True,
                              check=False)
        check(done.returncode == 0, done.stderr)
        packages = done.stdout.split()
        check({"libc6", "libstdc++6"} <= set(packages) and packages == sorted(set(packages)), f"{programs}: {packages}")
        check(not any(p.endswith("-dev") for p in packages), f"{programs}: {packages}")
        print(f"{programs}: {len(packages)} packages", flush=True)


def compose_reads_its_file(_):
    understood = project()
    equal(understood["name"], "skald", "name of the project, which is that of its volumes")
    services = understood["services"]
    equal(sorted(services), ["agent", "alertmanager", "demo", "grafana", "prometheus", "skald"], "services")
    for name, service in services.items():
        check(service.get("read_only") and service.get("cap_drop") == ["ALL"] and "no-new-privileges:true" in service["security_opt"], f"{name}: sandbox")
        for port in service.get("ports") or []:
            equal(port.get("host_ip"), "127.0.0.1", f"{name}: port {port}")
        for volume in service.get("volumes") or []:
            # What is bound from the tree is there; the rest is the machine's.
            if volume["type"] == "bind" and volume["source"].startswith(ROOT):
                check(os.path.exists(volume["source"]) and volume.get("read_only"), f"{name}: {volume}")
        check(":" in service["image"] or service.get("build"), f"{name}: {service['image']} has no version")
    # Debian 12 has the older program of the two; it has no word for a project's name, which is why that stands in .env.
    composes = [command for command in (["docker-compose"], ["docker", "compose"])
                if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0]
    check(composes, "neither docker-compose nor docker compose is installed")
    for command in composes:
        done = subprocess.run([*command, "-f", COMPOSE, "config", "--quiet"], capture_output=True, text=True, check=False, cwd="/")
        check(done.returncode == 0 and not done.stderr, f"{' '.join(command)} config: {done.stderr}")
        done = subprocess.run([*command, "-f", COMPOSE, "config", "--services"], capture_output=True, text=True, check=False, cwd="/")
        equal(sorted(done.stdout.split()), sorted(services), f"{' '.join(command)} config --services")
        print(f"{' '.join(command)} config: {len(services)} services", flush=True)
    for command in (["promtool", "check", "config", os.path.join(FOLDER, "prometheus.yaml")], ["amtool", "check-config", os.path.join(FOLDER, "alertmanager.yaml")]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}")
    scraped = set(re.findall(r'"(\S+?):\d+"', read(os.path.join(FOLDER, "prometheus.yaml"))))
    check(scraped <= set(services), f"Prometheus scrapes {scraped}")


def health(process):
    """What `skald health` says with the program's own settings: (code, text)."""
    done = subprocess.run([process.arguments[0], "health", *process.arguments[1:]], capture_output=True, text=True, check=False,
                          env=process.environment, timeout=60)
    return done.returncode, done.stderr


def the_programs_take_what_compose_gives(directory):
    services = project()["services"]
    logs = os.path.join(directory, "logs")
    os.makedirs(logs)
    # The file's own settings with the places of a container put where this test may write, and names of other containers as addresses.
    server = Server(directory, config=read(os.path.join(FOLDER, "skald.yaml")).replace("/etc/skald/rules", os.path.join(directory, "rules")))
    os.makedirs(os.path.join(directory, "rules", "fake"))
    rules = [v for v in services["skald"]["volumes"] if v["target"].startswith("/etc/skald/rules/")]
    for volume in rules:
        shutil.copy(volume["source"], os.path.join(directory, volume["target"].removeprefix("/etc/skald/")))
    image = dict(re.findall(r"(SKALD_\w+)=(\S+)", read(DOCKERFILE)))
    server.environment.update(image)
    agent = Agent(directory, read(os.path.join(FOLDER, "agent.yaml")).replace("/logs/", logs + "/").replace("/var/lib/docker", directory + "/docker"))
    given = services["agent"]["environment"]
    equal(given["SKALD_SERVER"], "skald:9095", "the agent's server")
    agent.environment.update({**image, **given, "SKALD_SERVER": f"127.0.0.1:{server.grpc_port}"})
    code, text = health(server)
    check(code == 1 and "/ready" in text, f"health of a server that does not run: {code} {text}")
    code, _ = health(agent)
    equal(code, 1, "health of an agent that does not run")
    shop = Process("shop", [sys.executable, os.path.join(ROOT, "deploy", "demo", "shop.py"), logs, "--rate", "50"], os.path.join(directory, "shop.log"))
    with running(server), running(agent), running(shop):
        wait_until("the server says that it is well", lambda: health(server)[0] == 0)
        wait_until("the agent says that it is well", lambda: health(agent)[0] == 0)
        wait_until("the shop's lines are there", lambda: all(
            server.get("/loki/api/v1/query", {"query": f'sum(count_over_time({{app="{app}"}}[5m]))'}).json()["data"]["result"]
            for app in ("checkout", "payments", "access")))
        wait_until("all rule files are taken", lambda: len(server.get("/prometheus/api/v1/rules").json()["data"]["groups"]) == len(rules) == 7)
        equal(server.metric("skald_rule_files_with_problems"), 0, "rule files with problems")
        # As in the image: no address but the environment's.
        port = free_port()
        bare = Process("bare", [os.path.join(BIN_DIR, "skald"), f"--data-dir={directory}/bare"], os.path.join(directory, "bare.log"),
                       {"SKALD_HTTP_LISTEN": f"0.0.0.0:{port}", "SKALD_GRPC_LISTEN": f"127.0.0.1:{free_port()}"})
        with running(bare):
            wait_until("health with an address for all interfaces", lambda: health(bare)[0] == 0)


if __name__ == "__main__":
    main(docker_finds_nothing_to_say, each_library_has_its_package, compose_reads_its_file, the_programs_take_what_compose_gives)
