#!/usr/bin/python3
"""Queries made to hurt, against a real server: each ends within its budgets of time and memory, with an answer or an error that
names the limit, while another client's simple queries go on being answered."""
import os
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Failure, Server, check, main, running  # noqa: E402

TIMEOUT_S = 10
SLACK_S = 10  # for the machine: looking at the clock is not all that a thread does
MEMORY_PEAK = 1 << 30  # of the process; queries may have a quarter of it
CONFIG = f"""\
query:
  memory: 256MB
  memory_per_query: 64MB
limits_config:
  reject_old_samples: false
  query_timeout: {TIMEOUT_S}s
  discover_service_name: []
  discover_log_levels: false
"""
SANITIZED = bool(os.environ.get("SKALD_SANITIZE"))
MANY = 200_000  # lines, each with a label value of its own


def load(server):
    server.push_ok([({"app": "small"}, [(T0 + n * NS, f"line {n}") for n in range(100)])])
    filler = "x" * 60
    for begin in range(0, MANY, 10_000):
        server.push_ok([({"app": "many", "part": str(begin % 30_000)},
                         [(T0 + n * 10**6, f'{{"id":"{n:06d}","n":{n},"text":"{filler}"}}') for n in range(begin, begin + 10_000)])])
    # Long lines of one letter, for patterns that nearly match everywhere.
    server.push_ok([({"app": "long"}, [(T0 + n * NS, "a" * 60_000 + str(n)) for n in range(40)])])


class Bystander(threading.Thread):
    """A client with simple questions, one after the other."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ending = server, threading.Event()
        self.answers, self.slowest, self.failure = 0, 0.0, None

    def run(self):
        while not self.ending.is_set():
            began = time.monotonic()
            try:
                count = self.server.count('{app="small"} |= "line"')
                found = len(self.server.lines('{app="small"} |= "line 9"'))
                if (count, found) != (100, 11):
                    self.failure = f"{count} and {found} lines, not 100 and 11"
            except (Failure, OSError) as error:
                self.failure = str(error)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers += 1
            self.ending.wait(0.02)


def nested_filter(depth):
    return '{app="small"} | ' + "(" * depth + 'a="b"' + ")" * depth


def hostile():
    """(what, path, query, statuses it may end with, part of the text of an error, or several of which one must be there)"""
    logs, instant = "query_range", "query"
    words = "|".join(f"word{n:05d}z" for n in range(9_000))
    everything = '{app=~".+"}'
    endless = "{{range 1000000000}}{{end}}"
    fork = '{{define "f"}}{{template "f"}}{{template "f"}}{{end}}{{template "f"}}'
    swell = '{{$x := .text}}{{range 30}}{{$x = print $x $x}}{{end}}{{$x}}'
    slow = '{{$x := repeat 100000 .text}}{{range 1000000}}{{$y := count "q*" $x}}{{end}}'
    return [
        ("parentheses", instant, "(" * 60_000 + "1" + ")" * 60_000, {400}, "nest"),
        ("label filters in parentheses", logs, nested_filter(5_000), {400}, "nest"),
        ("calls in calls", instant, "sum(" * 5_000 + 'rate({app="small"}[1m])' + ")" * 5_000, {400}, "nest"),
        ("a long chain of operators", instant, " + ".join(['rate({app="small"}[1m])'] * 3_000), {400}, "parse error"),
        ("a long chain of filters", logs, '{app="small"}' + ' |= "line"' * 9_000, {200, 400}, "parse error"),
        ("a query beyond its size", instant, "1" + " + 1" * 50_000, {400}, "input size too long"),
        ("many label filters", logs, '{app="small"} | ' + " or ".join(f'a="{n}"' for n in range(8_000)), {200, 400}, "parse error"),
        ("a huge alternation", instant, f'sum(count_over_time({everything} |~ "{words}" [1h]))', {200, 400, 504}, ""),
        ("a huge alternation that folds case", instant, f'sum(count_over_time({everything} |~ "(?i)(x|y)*({words})q" [1h]))', {200, 400, 504}, ""),
        ("a huge alternation of a selector", logs, f'{{app=~"{words}"}}', {200, 400}, ""),
        ("repetitions of repetitions", logs, everything + ' |~ "((a{1000}){1000}){1000}"', {400}, "regexp"),
        ("a repetition as large as it may be", instant, f'sum(count_over_time({everything} |~ "(a|b|[^c]){{1000}}q" [1h]))', {200, 400, 504}, ""),
        ("everything, three times over", instant, f'sum(count_over_time({everything} |~ ".*.*.*.*=.*$" [1h]))', {200, 504}, ""),
        ("nearly everywhere", instant, 'sum(count_over_time({app="long"} |~ "(a*)*b" [1h]))', {200, 504}, ""),
        ("all lines", logs, everything + ' |~ ".*"', {200}, ""),
        ("many series", instant, 'count_over_time({app="many"} | json [1h])', {400}, ("maximum number of series", "memory budget")),
        ("many series by one label", instant, 'sum by (id) (count_over_time({app="many"} | json [1h]))', {400}, ("maximum number of series", "memory budget")),
        ("many series on both sides", instant,
         'sum(sum by (id) (rate({app="many"} | json [1h])) * on (id) group_left () sum by (id) (rate({app="many"} | json [1h])))',
         {200, 400, 504}, ("memory budget", "maximum number of series")),
        ("many series at many times", logs, 'sum by (id) (count_over_time({app="many"} | json [1h]))', {400, 504}, ("memory budget", "maximum number of series")),
        ("many samples", instant, 'quantile_over_time(0.5, {app="many"} | json | unwrap n [1h]) by (part)', {200, 400}, ""),
        ("many times", logs, 'rate({app="small"}[1m])', {400}, "maximum resolution"),
        ("a template without end", logs, f'{{app="many"}} | line_format `{endless}`', {200, 504}, ""),
        ("a template without end for each line", instant, f'sum(count_over_time({{app="many"}} | label_format x=`{endless}` | x="y" [1h]))', {200, 400, 504}, ""),
        ("a template that calls itself twice", logs, f'{{app="many"}} | line_format `{fork}`', {200, 504}, ""),
        ("a template that doubles its text", logs, f'{{app="many"}} | json | line_format `{swell}`', {200, 400, 504}, ""),
        ("a template that repeats without bound", logs, '{app="many"} | line_format `{{repeat 1000000000 "abcdefgh"}}`', {200, 504}, ""),
        ("a template whose work is in its functions", logs, f'{{app="many"}} | json | line_format `{slow}`', {200, 400, 504}, ""),
        ("a pad as wide as can be", logs, '{app="many"} | line_format `{{alignLeft 2000000000 .text}}{{printf "%1000000000d" 1}}`', {200, 400, 504}, ""),
    ]


def queries(directory):
    server = Server(directory, CONFIG)
    with running(server):
        load(server)
        server.flush()
        bystander = Bystander(server)
        bystander.start()
        slack = SLACK_S * (6 if SANITIZED else 1)
        wrong = []
        for what, path, query, statuses, text in hostile():
            before = bystander.answers
            params = {"query": query, "limit": 100}
            if path == "query":
                params["time"] = T0 + 1000 * NS
            else:
                # A range query of numbers at ever so many times, or lines.
                step = "1ms" if "many times" == what else "10s"
                params.update(start=T0, end=T0 + 1000 * NS, step=step)
            began = time.monotonic()
            # A POST's body holds what an address cannot.
            answer = server.request("POST", f"/loki/api/v1/{path}", body=urllib.parse.urlencode(params).encode(),
                                    headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=TIMEOUT_S + slack + 60)
            took = time.monotonic() - began
            while bystander.answers == before and time.monotonic() - began < slack and bystander.is_alive():
                time.sleep(0.02)
            print(f"  {what}: {answer.status} in {took:.1f} s, {bystander.answers - before} answers beside it  {'' if answer.status == 200 else answer.text[:110]!r}",
                  flush=True)
            if answer.status not in statuses:
                wrong.append(f"{what}: {answer.status} {answer.text[:300]!r}, not one of {sorted(statuses)}")
            elif answer.status not in (200, 504) and not any(part in answer.text for part in ([text] if isinstance(text, str) else text)):
                wrong.append(f"{what}: {answer.text[:300]!r} does not say {text!r}")
            elif answer.status == 504 and "timed out" not in answer.text:
                wrong.append(f"{what}: {answer.text[:300]!r} does not name the time limit")
            if answer.status != 200 and not answer.text.strip():
                wrong.append(f"{what}: an error without a text")
            if took > TIMEOUT_S + slack:
                wrong.append(f"{what}: {took:.1f} s")
            if bystander.answers == before:
                wrong.append(f"{what}: nobody else was answered")
        bystander.ending.set()
        bystander.join(timeout=TIMEOUT_S + slack)
        check(not wrong, "\n".join(wrong))
        check(bystander.failure is None, f"beside them: {bystander.failure}")
        check(bystander.slowest < TIMEOUT_S + slack, f"a simple query took {bystander.slowest:.1f} s beside them")
        peak = server.memory_peak()
        print(f"  {bystander.answers} simple answers, the slowest in {bystander.slowest:.2f} s; memory peak {peak >> 20} MiB")
        if not SANITIZED:
            check(peak < MEMORY_PEAK, f"memory peak {peak >> 20} MiB")


if __name__ == "__main__":
    main(queries)
