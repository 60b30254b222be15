#!/usr/bin/python3
"""The agent reads topics of a real Kafka broker: every message once, also over restarts of the agent; offsets are committed when the messages are
on its disk.

The broker comes by name from Maven Central into the build folder, once. Where it cannot be had, or Java is not there, the test is skipped
(77) and says why.
"""
import base64
import os
import shutil
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, Agent, Process, Server, check, equal, free_port, main, wait_until  # noqa: E402
from receivers import books_of, check_books  # noqa: E402

PLACE = os.path.join(os.path.dirname(BIN_DIR), "kafka-broker")
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>broker</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.0</version></dependency></dependencies></project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def broker_libraries():
    for program in ("java", "mvn", "kcat"):
        if not shutil.which(program):
            skip(f"{program} is not here")
    libraries, done = os.path.join(PLACE, "libs"), os.path.join(PLACE, "complete")
    if not os.path.exists(done):
        os.makedirs(PLACE, exist_ok=True)
        pom = os.path.join(PLACE, "pom.xml")
        with open(pom, "w", encoding="utf-8") as file:
            file.write(POM)
        try:
            outcome = subprocess.run(["mvn", "-q", "-B", "-f", pom, COPY, f"-DoutputDirectory={libraries}"], capture_output=True, text=True,
                                     timeout=300, check=False)
        except subprocess.TimeoutExpired:
            skip("Maven Central does not answer in time")
        if outcome.returncode != 0:
            skip(f"the broker cannot be had from Maven Central: {(outcome.stdout + outcome.stderr).strip()[-300:]}")
        with open(done, "w", encoding="utf-8"):
            pass
    return libraries


class Broker(Process):
    """A single node that is its own controller."""

    def __init__(self, directory):
        self.port = free_port()
        controller = free_port()
        data = os.path.join(directory, "kafka")
        config = os.path.join(directory, "kafka.properties")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
""")
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", os.path.join(broker_libraries(), "*")]
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        made = subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", config], capture_output=True, text=True, check=False,
                              timeout=120)
        check(made.returncode == 0, made.stdout + made.stderr)
        super().__init__("kafka", [*java, "kafka.Kafka", config], os.path.join(directory, "kafka.log"))

    def start(self):
        super().start()
        wait_until("the broker answers", self.answers, 120, 0.5)

    def answers(self):
        check(self.alive(), f"the broker ended\n{self.log_tail()}")
        return subprocess.run(["kcat", "-b", f"127.0.0.1:{self.port}", "-L", "-m", "2"], capture_output=True, check=False).returncode == 0

    def produce(self, topic, messages, key=None):
        command = ["kcat", "-P", "-b", f"127.0.0.1:{self.port}", "-t", topic]
        if key:
            command += ["-k", key]
        subprocess.run(command, input="\n".join(messages) + "\n", text=True, check=True, timeout=120)


def every_message_once(directory):
    broker = Broker(directory)
    server = Server(directory)
    agent = Agent(directory, f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: events
    kafka:
      brokers: ["127.0.0.1:{broker.port}"]
      topics: [orders, ^audit-.*]
      group_id: skald-test
      use_incoming_timestamp: true
      labels: {{job: events}}
    relabel_configs:
      - {{source_labels: [__meta_kafka_topic], target_label: topic}}
      - {{source_labels: [__meta_kafka_partition], target_label: partition}}
      - {{source_labels: [__meta_kafka_message_key], target_label: key}}
      - {{source_labels: [__meta_kafka_group_id], target_label: group}}
      - {{source_labels: [__meta_kafka_member_id], regex: skald-agent-.+, replacement: known, target_label: member}}
    pipeline_stages:
      - regex: {{expression: 'level=(?P<level>\\w+)'}}
      - labels: {{level: }}
  - job_name: plain
    kafka:
      brokers: ["127.0.0.1:{broker.port}"]
      topics: [plain]
      group_id: skald-plain
""")

    def lines(query):
        begin, end = time.time_ns() - 3600 * NS, time.time_ns() + 3600 * NS
        return [line for _, line in server.lines(query, begin, end)]

    try:
        broker.start()
        server.start()
        # Old messages: a new group begins at the oldest.
        broker.produce("orders", [f"order {n} level=info" for n in range(2000)])
        broker.produce("audit-one", ["audited level=warn"], key="alice")
        broker.produce("plain", ["no relabelling"], key="bob")
        agent.start()
        wait_until("the first messages", lambda: len(lines('{topic="orders"}')) >= 2000, 90, 0.5)
        wait_until("the topic by regex", lambda: lines('{topic="audit-one", key="alice", group="skald-test", member="known", level="warn"}'), 60, 0.5)
        wait_until("the plain topic", lambda: lines('{job="plain", topic="plain"} | key="bob"'), 60, 0.5)
        # A clean restart has committed; nothing comes twice.
        agent.stop()
        broker.produce("orders", [f"order {n} level=info" for n in range(2000, 3000)])
        agent.start()
        wait_until("messages after a restart", lambda: len(lines('{topic="orders"}')) >= 3000, 90, 0.5)
        # After a kill, what was not committed comes again: with its time, so that it is there once.
        broker.produce("orders", [f"order {n} level=info" for n in range(3000, 6000)])
        time.sleep(0.3)
        agent.kill()
        agent.start()
        wait_until("messages after a kill", lambda: len(set(lines('{topic="orders"}'))) >= 6000, 90, 0.5)
        got = lines('{topic="orders"}')
        equal(sorted(set(got)), sorted(f"order {n} level=info" for n in range(6000)), "messages")
        equal(len(got), 6000, "messages, each once")
        # What comes after the kill is in the books of the new start.
        broker.produce("orders", ["the last one"])
        wait_until("the last message", lambda: len(lines('{topic="orders"}')) > 6000, 120, 0.5)
        books = wait_until("all is acknowledged", lambda: (now := books_of(agent)).get("agent_in_flight_lines") == 0 and now, 60, 0.5)
        check_books(books)
        check(books.get('agent_receiver_lines_total{source="kafka/events"}', 0) > 0, "nothing is counted of the job")
    except BaseException:
        print(agent.log_tail(30), broker.log_tail(10), sep="\n", flush=True)
        raise
    finally:
        agent.kill()
        server.kill()
        broker.kill()


if __name__ == "__main__":
    main(every_message_once)
