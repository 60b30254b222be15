#!/usr/bin/python3
"""`skaldctl rules test` and promtool over the same files: the examples of promtool's documentation and what becomes of them with one thing
changed. Both must come to the same verdict."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, check, main  # noqa: E402

RULES = """
groups:
- name: example
  rules:
  - alert: InstanceDown
    expr: up == 0
    for: 5m
    labels: {severity: page}
    annotations:
      summary: "Instance {{ $labels.instance }} down"
      description: "{{ $labels.instance }} of job {{ $labels.job }} has been down for more than 5 minutes."
  - alert: AnotherInstanceDown
    expr: up == 0
    for: 10m
    labels: {severity: page}
    annotations:
      summary: "Instance {{ $labels.instance }} down"
      description: "{{ $labels.instance }} of job {{ $labels.job }} has been down for more than 5 minutes."
"""

TEST = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'up{job="prometheus", instance="localhost:9090"}'
    values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
  - series: 'up{job="node_exporter", instance="localhost:9100"}'
    values: '1+0x6 0 0 0 0 0 0 0 0'
  - series: 'go_goroutines{job="prometheus", instance="localhost:9090"}'
    values: '10+10x2 30+20x5'
  - series: 'go_goroutines{job="node_exporter", instance="localhost:9100"}'
    values: '10+10x7 10+30x4'
  alert_rule_test:
  - eval_time: 10m
    alertname: InstanceDown
    exp_alerts:
    - exp_labels: {severity: page, instance: "localhost:9090", job: prometheus}
      exp_annotations:
        summary: "Instance localhost:9090 down"
        description: "localhost:9090 of job prometheus has been down for more than 5 minutes."
  promql_expr_test:
  - expr: go_goroutines > 5
    eval_time: 4m
    exp_samples:
    - labels: 'go_goroutines{job="prometheus",instance="localhost:9090"}'
      value: 50
    - labels: 'go_goroutines{job="node_exporter",instance="localhost:9100"}'
      value: 50
"""

BOTH = """    - exp_labels: {severity: page, instance: "localhost:9100", job: node_exporter}
      exp_annotations:
        summary: "Instance localhost:9100 down"
        description: "localhost:9100 of job node_exporter has been down for more than 5 minutes."
  promql_expr_test:"""

# name: (edits of the test, edits of the rules, verdict)
CASES = {
    "as documented": ([], [], True),
    "the second instance fires later": ([("eval_time: 10m", "eval_time: 12m"), ("  promql_expr_test:", BOTH)], [], True),
    "the second instance is missing": ([("eval_time: 10m", "eval_time: 12m")], [], False),
    "for is reached exactly": ([("eval_time: 10m", "eval_time: 5m")], [], True),
    "for is not reached": ([("eval_time: 10m", "eval_time: 4m")], [], False),
    "the other alert, for reached exactly": ([("alertname: InstanceDown", "alertname: AnotherInstanceDown")], [], True),
    "the other alert, too early": ([("alertname: InstanceDown", "alertname: AnotherInstanceDown"), ("eval_time: 10m", "eval_time: 9m")], [], False),
    "another label": ([("{severity: page, instance", "{severity: ticket, instance")], [], False),
    "another annotation": ([("summary: \"Instance localhost:9090 down\"", "summary: \"Instance localhost:9090 up\"")], [], False),
    "another value": ([("value: 50", "value: 51")], [], False),
    "another time of the expression": ([("eval_time: 4m", "eval_time: 3m")], [], False),
    "a sample too few": ([("    - labels: 'go_goroutines{job=\"node_exporter\",instance=\"localhost:9100\"}'\n      value: 50\n", "")], [], False),
    "keep_firing_for bridges": ([("values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'", "values: '0 0 0 0 0 0 0 0 1 1 1 0 0 0 0'")],
                                [("for: 5m", "for: 5m\n    keep_firing_for: 5m")], True),
    "a flap without it": ([("values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'", "values: '0 0 0 0 0 0 0 0 1 1 1 0 0 0 0'")], [], False),
    "a longer for": ([], [("for: 5m", "for: 11m")], False),
    "a condition that does not hold": ([], [("expr: up == 0", "expr: up == 2")], False),
    "missing samples": ([("values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'", "values: '_ _ _ _ _ _ 0 0 0 0 0 0 0 0 0'")], [], False),
    "an aggregation": ([("expr: go_goroutines > 5", "expr: sum(go_goroutines) > 5"),
                        ("labels: 'go_goroutines{job=\"prometheus\",instance=\"localhost:9090\"}'\n      value: 50\n"
                         "    - labels: 'go_goroutines{job=\"node_exporter\",instance=\"localhost:9100\"}'\n      value: 50",
                         "labels: '{}'\n      value: 100")], [], True),
}


def edited(text, edits):
    for old, new in edits:
        check(old in text, f"the example has no {old!r}")
        text = text.replace(old, new, 1)
    return text


def passes(arguments, directory):
    run = subprocess.run(arguments, cwd=directory, capture_output=True, text=True, timeout=60)
    check(run.returncode >= 0 and "unknown field" not in run.stderr, f"{arguments[0]}: {run.stdout}{run.stderr}")
    return run.returncode == 0, run.stdout + run.stderr


def verdicts_are_promtools(directory):
    skaldctl = os.path.join(BIN_DIR, "skaldctl")
    old_promtool = 0
    for name, (test_edits, rule_edits, want) in CASES.items():
        with open(os.path.join(directory, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(edited(RULES, rule_edits))
        with open(os.path.join(directory, "test.yml"), "w", encoding="utf-8") as file:
            file.write(edited(TEST, test_edits))
        ours, output = passes([skaldctl, "rules", "test", "test.yml"], directory)
        check(ours == want, f"{name}: skaldctl says {ours}\n{output}")
        if shutil.which("promtool") is None:
            continue
        theirs, output = passes(["promtool", "test", "rules", "test.yml"], directory)
        if "keep_firing_for not found" in output:  # promtool before 2.43 does not know it
            old_promtool += 1
            continue
        check(theirs == want, f"{name}: promtool says {theirs}\n{output}")
    print(f"  {len(CASES)} tests with the same verdict, {old_promtool} of them of things that this promtool does not know", flush=True)


if __name__ == "__main__":
    main(verdicts_are_promtools)
