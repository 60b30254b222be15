#!/usr/bin/python3
"""How soon what is written is found: a line within a second, half of them within 200 ms; and pods that live for a second are there with each line and
their labels. Times are judged where the machine has room for them; that everything comes is judged always."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Server, check, equal, main, running, wait_until  # noqa: E402

LINES = 20
ROUNDS = 3  # the best one counts
PODS = 10
POD = "shop_web-{0}_00000000-0000-4000-8000-{0:012d}"


def agent_config(server, directory):
    return f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: pods
    static_configs: [{{labels: {{__path__: "{directory}/pods/*/*/*.log"}}}}]
"""


def write_cri(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    now = time.time_ns()
    with open(path, "ab", buffering=0) as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // NS))}.{now % NS:09d}Z stdout F {text}\n".encode())


def seconds_until_found(server, path, text):
    write_cri(path, text)
    began = time.monotonic()

    def found():
        now = time.time_ns()
        answer = server.query_range(f'{{namespace="shop"}} |= "{text}"', now - 60 * NS, now + 60 * NS, limit=1)
        check(answer.status == 200, answer.text)
        return answer.json()["data"]["result"]

    wait_until(f"{text} is found", found, 60, 0)
    return time.monotonic() - began


def crowded():
    """More wants to run than can: times say nothing about the programs."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) + 0.5


def a_line_is_found_soon(directory):
    server = Server(directory)
    with running(server):
        agent = Agent(directory, agent_config(server, directory))
        with running(agent):
            path = os.path.join(directory, "pods", POD.format(1), "main", "0.log")
            seconds_until_found(server, path, "warm-up.")
            rounds = []
            for turn in range(ROUNDS):
                times = sorted(seconds_until_found(server, path, f"line-{turn}-{n}.") for n in range(LINES))
                median, worst = times[LINES // 2], times[-1]
                rounds.append((median, worst))
                print(f"median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms", flush=True)
                if median <= 0.2 and worst <= 1:
                    return
            if crowded():
                return print("not judged: the machine has no room", flush=True)
            check(False, f"medians and worst times of {ROUNDS} rounds, in seconds: {rounds}")


def pods_that_live_for_a_second(directory):
    server = Server(directory)
    with running(server):
        agent = Agent(directory, agent_config(server, directory))
        with running(agent):
            wait_until("the agent runs", lambda: "agent runs" in agent.log())
            for n in range(PODS):
                folder = os.path.join(directory, "pods", POD.format(n))
                for line in range(100):
                    write_cri(os.path.join(folder, "main", "0.log"), f"line {line}")
                    time.sleep(0.01)
                shutil.rmtree(folder)
            begin = time.time_ns() - 600 * NS
            for n in range(PODS):
                query = f'{{namespace="shop", pod="web-{n}", container="main", stream="stdout"}}'
                wait_until(f"all of pod {n}", lambda: len(server.lines(query, begin, time.time_ns() + NS)) >= 100)
                equal([line for _, line in server.lines(query, begin, time.time_ns() + NS)], [f"line {line}" for line in range(100)], query)


if __name__ == "__main__":
    main(a_line_is_found_soon, pods_that_live_for_a_second)
