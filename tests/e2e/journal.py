#!/usr/bin/python3
"""The systemd journal as a source, from real journal files: relabelling, stages, kill -9 and a journal that grows, each entry once."""
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, Agent, Server, equal, main, running, wait_until  # noqa: E402

WRITER = next((path for path in ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote")
               if os.path.exists(path)), None)


def agent_config(server, journal, more=""):
    return f"""\
server:
  address: 127.0.0.1:{server.grpc_port}
scrape_configs:
  - job_name: journal
    journal: {{path: {journal}, max_age: 720h, labels: {{job: sj}}}}
    relabel_configs:
      - {{source_labels: [__journal_syslog_identifier], target_label: unit}}
      - {{source_labels: [__journal_priority_keyword], target_label: level}}
      - {{source_labels: [__journal_syslog_identifier], regex: 'kernel', action: drop}}
{more}    pipeline_stages:
      - match: {{selector: '{{job="sj"}} |= "dropme"', action: drop, drop_counter_reason: noise}}
      - multiline: {{firstline: '^START', max_wait_time: 500ms}}
"""


class Journal:
    """One journal file, written by systemd's own code."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory)
        self.boot = uuid.uuid4().hex
        self.entries = 0
        self.start_us = time.time_ns() // 1000 - 60_000_000

    def write(self, entries):
        text = ""
        for identifier, priority, message in entries:
            self.entries += 1
            text += (f"__REALTIME_TIMESTAMP={self.start_us + self.entries * 1000}\n__MONOTONIC_TIMESTAMP={self.entries * 1000}\n"
                     f"_BOOT_ID={self.boot}\n_TRANSPORT=syslog\nSYSLOG_IDENTIFIER={identifier}\nPRIORITY={priority}\n"
                     f"MESSAGE={message}\n\n")
        subprocess.run([WRITER, "-o", os.path.join(self.directory, "test.journal"), "-"], input=text, text=True, check=True,
                       stderr=subprocess.DEVNULL)


def entries_of(server):
    now = time.time_ns()
    answer = server.query_range('{job="sj"}', now - 24 * 3600 * NS, now, limit=1000)
    return sorted((stream["stream"].get("unit"), stream["stream"].get("level"), value[1])
                  for stream in answer.json()["data"]["result"] for value in stream["values"])


def metric(agent, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def once_over_kills(directory):
    journal = Journal(os.path.join(directory, "journal"))
    journal.write([("web", 6, "START one"), ("web", 6, "more of one"), ("web", 6, "START two"), ("db", 3, "START broken"),
                   ("kernel", 4, "START kernel"), ("db", 6, "START dropme"), ("cron", 5, "START ran")])
    want = [("cron", "notice", "START ran"), ("db", "error", "START broken"), ("web", "info", "START one\nmore of one"),
            ("web", "info", "START two")]
    server = Server(directory)
    with running(server):
        agent = Agent(directory, agent_config(server, journal.directory))
        with running(agent):
            wait_until("the journal's entries are there", lambda: len(entries_of(server)) >= len(want))
            equal(entries_of(server), want, "entries")
            # Counted when it is shown: the dropped one, and those that relabelling drops.
            wait_until("dropped entries are counted", lambda: metric(agent, 'logentry_dropped_lines_total{reason="noise"') == 1)
            equal(metric(agent, 'logentry_dropped_lines_total{reason="relabel_configs"'), 1.0, "dropped by relabelling")
            for i in range(4):
                agent.kill()
                journal.write([("web", 6, f"START after {i}"), ("web", 6, "its end")])
                want.append(("web", "info", f"START after {i}\nits end"))
                agent.start()
                wait_until(f"what was written while the agent was down, {i}", lambda: len(entries_of(server)) >= len(want))
                # And while it runs.
                journal.write([("db", 4, f"START running {i}")])
                want.append(("db", "warning", f"START running {i}"))
                wait_until(f"what is written while it runs, {i}", lambda: len(entries_of(server)) >= len(want))
            equal(entries_of(server), sorted(want), "entries, each once")


def reload_changes_the_journal_alone(directory):
    journal = Journal(os.path.join(directory, "journal"))
    journal.write([("web", 6, "START one")])
    server = Server(directory)
    with running(server):
        agent = Agent(directory, agent_config(server, journal.directory))
        with running(agent):
            wait_until("the first entry", lambda: len(entries_of(server)) == 1)
            with open(os.path.join(directory, "agent.yaml"), "w", encoding="utf-8") as file:
                file.write(agent_config(server, journal.directory,
                                        "      - {source_labels: [__journal_syslog_identifier], action: uppercase, target_label: unit}\n"))
            request = urllib.request.Request(f"http://127.0.0.1:{agent.port}/-/reload", method="POST")
            with urllib.request.urlopen(request) as answer:
                equal(answer.status, 200, "reload")
            journal.write([("web", 6, "START two")])
            wait_until("the second entry", lambda: len(entries_of(server)) == 2)
            equal(entries_of(server), [("WEB", "info", "START two"), ("web", "info", "START one")], "entries")


if WRITER is None or shutil.which("journalctl") is None:
    print("skipped: no systemd-journal-remote to write journal files with (Debian's package of that name)")
    sys.exit(77)
main(once_over_kills, reload_changes_the_journal_alone)
