#!/usr/bin/python3
"""An agent with stages that join, part and count lines: what comes out of them arrives once, over kill -9 at random moments, and its page counts it. And an agent with several ends."""
import os
import random
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Server, check, equal, free_port, main, running, seed, wait_until  # noqa: E402

BLOCKS = 400


def agent_config(root, server):
    return f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
limits_config:
  max_label_values: 20
scrape_configs:
  - job_name: shop
    static_configs:
      - labels: {{job: shop, __path__: {root}/log/*.log}}
    pipeline_stages:
      - multiline: {{firstline: '^START', max_wait_time: 3s}}
      - regex: {{expression: '^START (?P<n>[0-9]+) of (?P<who>[a-z]+)'}}
      - match:
          selector: '{{job="shop"}} |= "of noise"'
          action: drop
          drop_counter_reason: noise
      - template: {{source: who, template: '{{{{ ToUpper .Value }}}}'}}
      - labels: {{who: , n: }}
      - metrics:
          blocks: {{type: Counter, prefix: shop_, config: {{match_all: true, action: inc}}}}
      - match:
          selector: '{{who="BEN"}}'
          stages: [{{tenant: {{value: team-ben}}}}]
"""


def block(n, who):
    return f"START {n} of {who}\n" + "".join(f"  line {i} of {n}\n" for i in range(n % 5))


class Writer(threading.Thread):
    """Writes blocks, sometimes cut in the middle of a line, and rotates now and then."""

    def __init__(self, path, random_):
        super().__init__(daemon=True)
        self.path = path
        self.random = random_
        self.expected = []
        self.done = 0

    def run(self):
        file = open(self.path, "w", encoding="utf-8")
        for n in range(BLOCKS):
            who = self.random.choice(["ann", "ben", "noise"])
            text = block(n, who)
            if who != "noise":
                self.expected.append(text.rstrip("\n"))
            cut = self.random.randrange(len(text))
            file.write(text[:cut])
            file.flush()
            time.sleep(self.random.random() * 0.02)
            file.write(text[cut:])
            file.flush()
            self.done = n + 1
            if n % 100 == 60:
                os.rename(self.path, f"{self.path}.{n // 100 + 1}")
                file.close()
                file = open(self.path, "w", encoding="utf-8")
        file.close()


def joined_parted_and_counted_once(directory):
    random_ = random.Random(seed())
    os.makedirs(os.path.join(directory, "log"))
    server = Server(directory)
    with running(server):
        writer = Writer(os.path.join(directory, "log", "a.log"), random_)
        writer.start()
        start = time.time_ns() - 3600 * NS

        def texts():
            return sorted(line for _, line in server.lines('{job="shop"}', start, time.time_ns() + NS))

        agent = Agent(directory, agent_config(directory, server))
        with running(agent):
            kills = 0
            while writer.done < BLOCKS * 3 // 4:
                time.sleep(0.2 + random_.random())
                agent.kill()
                agent.start()
                kills += 1
            writer.join()
            wait_until("all blocks arrive", lambda: len(texts()) >= len(writer.expected), 60)
            time.sleep(1)
            equal(texts(), sorted(writer.expected), "blocks")
            page = urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10).read().decode()
            check("shop_blocks" in page, "the page has no metric of the stage")
            # The last start may have seen too few lines for the guard: what it has done stands in the log.
            check("agent_guarded_labels" in page, "the page has no metric of the guard")
            check('it goes out as structured metadata from now on" label=n' in agent.log(), "the label with too many values is not guarded")
            check(agent.stop() == 0, "the agent did not end well")
            print(f"      {len(writer.expected)} blocks, {kills} kills", flush=True)


def several_ends(directory):
    """Each end has every line: by Loki's push over HTTP, by gRPC, and one that is not there stops neither."""
    os.makedirs(os.path.join(directory, "log"))
    path = os.path.join(directory, "log", "a.log")
    web, native = Server(directory, name="web"), Server(directory, name="native")
    with running(web), running(native):
        nobody = free_port()
        config = f"""\
server:
  address: 127.0.0.1:{native.grpc_port}
clients:
  - name: web
    url: http://127.0.0.1:{web.port}/loki/api/v1/push
    external_labels: {{cluster: c1}}
  - name: nobody
    url: http://127.0.0.1:{nobody}/loki/api/v1/push
scrape_configs:
  - job_name: shop
    static_configs:
      - labels: {{job: shop, __path__: {directory}/log/*.log}}
"""
        lines = [f"line {i}" for i in range(1000)]
        start = time.time_ns() - 3600 * NS

        def texts(server, query):
            return sorted(line for _, line in server.lines(query, start, time.time_ns() + NS))

        agent = Agent(directory, config)
        with running(agent):
            for half in (lines[:500], lines[500:]):
                with open(path, "a", encoding="utf-8") as file:
                    file.write("\n".join(half) + "\n")
                for server, query in ((native, '{job="shop"}'), (web, '{job="shop", cluster="c1"}')):
                    wait_until(f"{server.name} has its lines", lambda: len(texts(server, query)) >= lines.index(half[-1]) + 1)
                # What an end has, it does not get again.
                agent.stop()
                agent.start()
            time.sleep(1)
            for server, query in ((native, '{job="shop"}'), (web, '{job="shop", cluster="c1"}')):
                equal(texts(server, query), sorted(lines), f"lines of {server.name}")
            page = urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10).read().decode()
            for end in ("skald", "web", "nobody"):
                check(f'end="{end}"' in page, f"the page does not name the end {end}")


if __name__ == "__main__":
    main(joined_parted_and_counted_once, several_ends)
