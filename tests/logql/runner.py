#!/usr/bin/python3
"""Runs *.logqltest files against a real server. README.md beside this file tells the language."""
import json
import math
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from harness import BIN_DIR, NS, T0, Failure, Server, scratch  # noqa: E402

# Labels of old lines are listed before they are in segments, too: the answers must not depend on where lines lie.
CONFIG = """\
auth_enabled: true
querier:
  query_ingesters_within: 0
limits_config:
  reject_old_samples: false
  creation_grace_period: 0
"""
WITHOUT_DISCOVERY = """\
  discover_service_name: []
  discover_log_levels: false
"""
WITH_EXTENSIONS = """\
  enable_logql_extensions: true
  shard_aggregations: [approx_topk]
"""
UNITS = {"h": 3600 * NS, "m": 60 * NS, "s": NS, "ms": 10**6, "us": 10**3, "ns": 1}
DURATION = re.compile(r"(\d+)(ns|us|ms|h|m|s)")
LABEL = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\s*(,|$)')
EVAL = re.compile(r"eval (logs|instant|range|labels|values|series|format)((?: [^:]*)?):(?: (.*))?$")
FAIL = re.compile(r'expect fail (\d{3})(?: (".*"))?$')


class BadFile(Exception):
    pass


def duration(text):
    at, total = 0, 0
    while at < len(text):
        part = DURATION.match(text, at)
        if not part:
            raise BadFile(f"not a duration: {text}")
        total += int(part[1]) * UNITS[part[2]]
        at = part.end()
    return total


def labels_end(text):
    """Where the {...} that text begins with ends."""
    quoted = escaped = False
    for at, c in enumerate(text):
        if escaped:
            escaped = False
        elif c == "\\":
            escaped = quoted
        elif c == '"':
            quoted = not quoted
        elif c == "}" and not quoted:
            return at + 1
    raise BadFile(f"no closing brace: {text}")


def labels(text):
    inner, at, out = text.strip()[1:-1], 0, {}
    while at < len(inner):
        pair = LABEL.match(inner, at)
        if not pair:
            raise BadFile(f"not a label set: {text}")
        out[pair[1]] = json.loads(f'"{pair[2]}"')
        at = pair.end()
    return out


def line_text(text):
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def number(text):
    return float(text.replace("+Inf", "inf").replace("-Inf", "-inf"))


class Eval:
    def __init__(self, place, kind, options, query):
        self.place, self.kind, self.query = place, kind, query
        self.begin, self.end, self.at, self.step = 0, 3600 * NS, 0, None
        self.limit, self.direction, self.interval, self.ordered = 100, "forward", None, False
        self.label = None
        self.expectations = []
        words = options.split()
        while words:
            word = words.pop(0)
            if ".." in word:
                self.begin, self.end = (duration(x) for x in word.split(".."))
            elif word in ("forward", "backward"):
                self.direction = word
            elif word in ("limit", "step", "interval") and words:
                setattr(self, word, words.pop(0))
            elif word == "ordered":
                self.ordered = True
            elif kind == "instant":
                self.at = duration(word)
            elif kind == "values" and self.label is None:
                self.label = word
            else:
                raise BadFile(f"{place}: unknown option {word}")
        if kind == "range" and self.step is None:
            raise BadFile(f"{place}: a range needs a step")


class Script:
    """A parsed file: loads [(labels, metadata, [(ns, line)])] and evals."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        self.loads, self.evals = [], []
        self.discovery = False  # whether the server adds service_name and detected_level
        self.extensions = False  # whether the server takes what Skald adds to LogQL
        current = None
        with open(path, encoding="utf-8") as file:
            for row, raw in enumerate(file, 1):
                text, place = raw.rstrip("\n"), f"{self.name}:{row}"
                if not text.strip() or text.startswith("#"):
                    continue
                try:
                    if not text.startswith(" "):
                        current = self.begin(place, text.rstrip())
                    elif isinstance(current, Eval):
                        current.expectations.append(self.expectation(current, text.strip()))
                    elif current is not None:
                        time, _, rest = text.strip("\n").lstrip().partition(" ")
                        current[2].append((T0 + duration(time), line_text(rest.lstrip(" ").rstrip(" "))))
                    else:
                        raise BadFile("indented line under nothing")
                except (BadFile, ValueError) as error:
                    raise BadFile(f"{place}: {error}")
        for one in self.evals:
            if not one.expectations:
                raise BadFile(f"{one.place}: nothing is expected of this query")

    def begin(self, place, text):
        if text in ("discovery on", "extensions on"):
            setattr(self, text.split()[0], True)
            return None
        if text.startswith("load "):
            rest = text[5:]
            end = labels_end(rest)
            metadata = rest[end:].strip()
            if metadata and not metadata.startswith("metadata "):
                raise BadFile(f"unknown text behind the labels: {metadata}")
            load = (labels(rest[:end]), labels(metadata[9:]) if metadata else {}, [])
            self.loads.append(load)
            return load
        found = EVAL.match(text)
        if not found:
            raise BadFile(f"neither load nor eval: {text}")
        one = Eval(place, found[1], found[2], found[3] or "")
        self.evals.append(one)
        return one

    @staticmethod
    def expectation(one, text):
        fail = FAIL.match(text)
        if fail:
            return ("fail", int(fail[1]), json.loads(fail[2]) if fail[2] else "")
        if text == "expect empty":
            return ("empty",)
        if text.startswith("expect scalar "):
            return ("scalar", number(text[14:]))
        if text.startswith("expect text "):
            return ("text", json.loads(text[12:]))
        if text.startswith("expect values "):
            return ("values", text[14:].split())
        if not text.startswith("{"):
            raise BadFile(f"not an expectation: {text}")
        end = labels_end(text)
        series, rest = labels(text[:end]), text[end:].strip()
        if one.kind == "series":
            return ("series", series, [])
        if one.kind == "logs":
            time, _, line = rest.partition(" ")
            return ("row", T0 + duration(time), series, line_text(line.strip(" ")))
        if one.kind == "instant":
            return ("series", series, [(T0 + one.at, number(rest))])
        points = [point.split("=") for point in rest.split()]
        return ("series", series, [(T0 + duration(time), number(value)) for time, value in points])


def ask(server, tenant, one):
    headers = {"X-Scope-OrgID": tenant}
    if one.kind == "format":
        return server.get("/loki/api/v1/format_query", {"query": one.query}, headers=headers)
    if one.kind in ("labels", "values", "series"):
        params = {"start": T0 + one.begin, "end": T0 + one.end}
        if one.query:
            params["match[]" if one.kind == "series" else "query"] = one.query
        path = f"label/{one.label}/values" if one.kind == "values" else one.kind
        return server.get(f"/loki/api/v1/{path}", params, headers=headers)
    params = {"query": one.query, "limit": one.limit, "direction": one.direction}
    if one.kind == "instant":
        return server.get("/loki/api/v1/query", {**params, "time": T0 + one.at}, headers=headers)
    params.update(start=T0 + one.begin, end=T0 + one.end)
    for name in ("step", "interval"):
        if getattr(one, name):
            params[name] = getattr(one, name)
    return server.get("/loki/api/v1/query_range", params, headers=headers)


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def show_labels(series):
    return "{" + ", ".join(f"{k}={json.dumps(v)}" for k, v in sorted(series.items())) + "}"


def show_time(ns):
    return f"{(ns - T0) / NS:.9f}".rstrip("0").rstrip(".") + "s"


def show(rows):
    out = []
    for row in rows:
        if row[0] == "row":
            out.append(f"    {show_labels(row[2])} {show_time(row[1])} {row[3]!r}")
        else:
            out.append(f"    {show_labels(row[1])} " + " ".join(f"{show_time(t)}={v!r}" for t, v in row[2]))
    return "\n".join(out) or "    nothing"


def answer_rows(one, data):
    rows = []
    for item in data["result"]:
        if data["resultType"] == "streams":
            rows += [("row", int(value[0]), item["stream"], value[1]) for value in item["values"]]
        else:
            points = item["values"] if "values" in item else [item["value"]]
            rows.append(("series", item["metric"], [(round(t * 1000) * 10**6, number(v)) for t, v in points]))
    if data["resultType"] == "streams":
        # Within a stream the answer's order stands; streams are merged by time.
        rows.sort(key=lambda row: (row[1] if one.direction == "forward" else -row[1], show_labels(row[2])))
    return rows


def listing_difference(one, data):
    first = one.expectations[0]
    if one.kind == "series":
        got = sorted(show_labels(series) for series in data)
        want = [] if first[0] == "empty" else sorted(show_labels(expected[1]) for expected in one.expectations)
    else:
        got, want = data, [] if first[0] == "empty" else first[1]
    return None if got == want else f"want {want}\n  got  {got}"


def difference(one, answer):
    """None, or what is wrong with the answer."""
    first = one.expectations[0]
    if first[0] == "fail":
        if answer.status != first[1] or first[2] not in answer.text:
            return f"want {first[1]} with {first[2]!r}\n  got  {answer.status} {answer.text[:300]!r}"
        return None
    if answer.status != 200:
        return f"answered {answer.status} {answer.text[:300]!r}"
    if one.kind == "format":
        got = answer.json()["data"]
        return None if ("text", got) == first else f"want {first[1]!r}\n  got  {got!r}"
    if one.kind in ("labels", "values", "series"):
        return listing_difference(one, answer.json().get("data", []))
    data = answer.json()["data"]
    if first[0] == "scalar":
        if data["resultType"] != "scalar" or not same(number(data["result"][1]), first[1]):
            return f"want scalar {first[1]}\n  got  {data['resultType']} {data['result']}"
        return None
    kinds = {"logs": "streams", "instant": "vector", "range": "matrix"}
    if data["resultType"] != kinds[one.kind]:
        return f"want {kinds[one.kind]}, got {data['resultType']}"
    got = answer_rows(one, data)
    want = [] if first[0] == "empty" else list(one.expectations)
    if one.kind == "logs":
        want.sort(key=lambda row: (row[1] if one.direction == "forward" else -row[1], show_labels(row[2])))
        good = got == want
    else:
        if not one.ordered:
            got.sort(key=lambda row: show_labels(row[1]))
            want.sort(key=lambda row: show_labels(row[1]))
        good = len(got) == len(want) and all(
            g[1] == w[1] and len(g[2]) == len(w[2]) and all(gt == wt and same(gv, wv) for (gt, gv), (wt, wv) in zip(g[2], w[2]))
            for g, w in zip(got, want))
    return None if good else f"want\n{show(want)}\n  got\n{show(got)}"


def push(server, tenant, script, which):
    """Pushes each line whose ordinal in its load `which` takes, stream by stream."""
    for series, metadata, entries in script.loads:
        chosen = [(*entry, metadata) for n, entry in enumerate(entries) if which(n)]
        if chosen:
            server.push_ok([(series, chosen)], {"X-Scope-OrgID": tenant})


def early(n):
    """Which lines of a load are flushed first in the mixed case: 0, 3 4, 7 8, ... so that neighbours lie on both sides."""
    return (n + 1) // 2 % 2 == 0


def run(server, scripts):
    for script in scripts:
        push(server, f"{script.name}-flushed", script, lambda n: True)
        push(server, f"{script.name}-mixed", script, early)
    server.flush({"X-Scope-OrgID": "fake"})
    for script in scripts:
        push(server, f"{script.name}-mixed", script, lambda n: not early(n))
        push(server, f"{script.name}-head", script, lambda n: True)
    asked, failed = 0, 0
    for script in scripts:
        for one in script.evals:
            for where in ("head", "flushed", "mixed"):
                asked += 1
                wrong = difference(one, ask(server, f"{script.name}-{where}", one))
                if wrong:
                    failed += 1
                    print(f"FAIL {one.place} ({where}) {one.query}\n  {wrong}")
    evals = sum(len(script.evals) for script in scripts)
    print(f"{evals} queries, {asked} answers, {failed} wrong")
    return failed


class OracleAnswer:
    def __init__(self, line):
        said = json.loads(line)
        self.status = said["status"]
        self.body = said["body"]
        self.text = self.body if isinstance(self.body, str) else ""

    def json(self):
        return self.body


def run_oracle(program, scripts):
    """Asks the slow evaluator of the tests, which says nothing about listings, about stages that cannot be built and about what is a
    server's business."""
    asked = []
    with scratch("oracle") as directory:
        lines, cases = (os.path.join(directory, name) for name in ("lines", "cases"))
        with open(lines, "w", encoding="utf-8") as file:
            for script in scripts:
                for series, metadata, entries in script.loads:
                    for ns, line in entries:
                        one = {"tenant": script.name, "stream": series, "ts": str(ns), "line": line,
                               "metadata": {name: value for name, value in metadata.items() if value}}
                        file.write(json.dumps(one) + "\n")
        with open(cases, "w", encoding="utf-8") as file:
            for script in scripts:
                for one in script.evals:
                    if one.kind not in ("logs", "instant", "range") or one.expectations[0][0] == "fail":
                        continue
                    instant = one.kind == "instant"
                    case = {"id": one.place, "tenant": script.name, "query": one.query, "start_ns": T0 + one.begin,
                            "end_ns": T0 + (one.at if instant else one.end), "step_ns": duration(one.step) if one.step else 0,
                            "interval_ns": duration(one.interval) if one.interval else 0, "limit": int(one.limit),
                            "forward": one.direction == "forward", "instant": instant, "categorize": False}
                    file.write(json.dumps(case) + "\n")
                    asked.append(one)
        answers = subprocess.run([program, lines, cases], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    failed = 0
    if len(answers) != len(asked):
        raise Failure(f"the oracle answered {len(answers)} of {len(asked)} queries")
    for one, line in zip(asked, answers):
        wrong = difference(one, OracleAnswer(line))
        if wrong:
            failed += 1
            print(f"FAIL {one.place} (oracle) {one.query}\n  {wrong}")
    print(f"{len(asked)} queries, {failed} answered in another way by the oracle")
    return failed


def run_on(server, scripts):
    try:
        server.start()
        return run(server, scripts)
    except Failure as error:
        print(f"{error}\n{server.log_tail()}")
        return 1
    finally:
        server.kill()


def main():
    wanted = sys.argv[1:]
    paths = [os.path.join(HERE, name) for name in sorted(os.listdir(HERE)) if name.endswith(".logqltest")]
    paths = [path for path in paths if not wanted or any(text in os.path.basename(path) for text in wanted)]
    try:
        scripts = [Script(path) for path in paths]
    except BadFile as error:
        sys.exit(f"{error}")
    if not scripts:
        sys.exit(f"no file matches {wanted}")
    failed = 0
    for discovery, extensions in ((False, False), (True, False), (False, True)):
        group = [script for script in scripts if (script.discovery, script.extensions) == (discovery, extensions)]
        if group:
            config = CONFIG + ("" if discovery else WITHOUT_DISCOVERY) + (WITH_EXTENSIONS if extensions else "")
            with scratch("logql") as directory:
                failed += run_on(Server(directory, config), group)
    program = os.path.join(BIN_DIR, "oracle_cases")
    # Which of several lines of one time comes first, and extensions, are not the oracle's.
    plain = [script for script in scripts if not script.discovery and script.name not in ("extensions.logqltest", "same_time.logqltest")]
    if plain and os.path.exists(program):
        failed += run_oracle(program, plain)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
