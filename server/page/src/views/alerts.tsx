// Alerts: what fires and waits, each rule with its state, and what happened in the time range.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isAbort, textOf } from "../api/client";
import { queryRange } from "../api/logs";
import { ruleGroups, type Alert, type Rule, type RuleGroup } from "../api/rules";
import { useShortcuts } from "../app/keys";
import { go, range, runAgain, runs } from "../app/state";
import type { Row } from "../lines/row";
import { ago, dateTime, duration, number, rangeText } from "../time/format";
import { resolve, toNs } from "../time/range";
import { timePickerButton } from "../ui/time_picker";

const EVERY_MS = 10_000;
const HISTORY = '{skald_source="alerts"}';

interface Change {
  row: Row;
  alert: string;
  from: string;
  to: string;
  labels: Record<string, string>;
  value: string;
}

function changeOf(row: Row): Change {
  let said: { alertname?: string; from?: string; to?: string; labels?: Record<string, string>; value?: number | string } = {};
  try {
    said = JSON.parse(row.line) as typeof said;
  } catch {
    // Shown by its metadata.
  }
  return {
    row,
    alert: row.metadata["alertname"] ?? said.labels?.["alertname"] ?? "",
    from: said.from ?? "",
    to: said.to ?? row.metadata["alertstate"] ?? "",
    labels: said.labels ?? {},
    value: said.value === undefined ? "" : number(Number(said.value)),
  };
}

const STATE_ORDER = { firing: 0, pending: 1, inactive: 2 };

function Labels(props: { labels: Record<string, string> }): JSX.Element {
  return (
    <span class="chips">
      {Object.entries(props.labels).filter(([name]) => name !== "alertname").map(([name, value]) => (
        <span class="chip" key={name}><bdi>{name}</bdi>=<bdi>{value}</bdi></span>
      ))}
    </span>
  );
}

function Instance(props: { alert: Alert }): JSX.Element {
  const { alert } = props;
  const { runbook_url: runbook, ...notes } = alert.annotations;
  return (
    <div class="instance" data-state={alert.state}>
      <span class="state" data-state={alert.state}>{alert.state}</span>
      <Labels labels={alert.labels} />
      {alert.value !== undefined && <b class="value">{number(Number(alert.value))}</b>}
      {alert.activeAt && <small>since {ago(Date.parse(alert.activeAt))}</small>}
      {Object.entries(notes).map(([name, text]) => <p key={name} title={name}><bdi>{text}</bdi></p>)}
      {runbook && /^https?:\/\//.test(runbook) && <p><a href={runbook} target="_blank" rel="noopener noreferrer">runbook</a></p>}
    </div>
  );
}

function RuleRow(props: { rule: Rule }): JSX.Element {
  const { rule } = props;
  const alerts = rule.alerts ?? [];
  return (
    <details class="rule" data-state={rule.state ?? "recording"} open={alerts.some((a) => a.state !== "inactive") || rule.health === "err"}>
      <summary>
        <span class="state" data-state={rule.state ?? "recording"}>{rule.type === "recording" ? "records" : (rule.state ?? "inactive")}</span>
        <b><bdi>{rule.name}</bdi></b>
        {alerts.length > 0 && <small>{alerts.length}</small>}
        {rule.health === "err" && <span class="state" data-state="firing">cannot be evaluated</span>}
        <span class="hint">
          {[rule.duration ? `for ${duration(rule.duration)}` : "", rule.evaluationTime === undefined ? "" : `took ${duration(rule.evaluationTime)}`].filter(Boolean).join(" · ")}
        </span>
      </summary>
      {rule.lastError && <p class="fault">{rule.lastError}</p>}
      <button type="button" class="bare code" title="Open in Explore" onClick={() => go({ view: "explore", query: rule.query })}><code>{rule.query}</code></button>
      {alerts.map((alert, i) => <Instance alert={alert} key={i} />)}
    </details>
  );
}

export function Alerts(): JSX.Element {
  const [groups, setGroups] = useState<RuleGroup[] | null>(null);
  const [changes, setChanges] = useState<Change[]>([]);
  const [fault, setFault] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    const load = (): void => {
      ruleGroups(abort.signal).then((g) => (setGroups(g), setFault("")), (error: unknown) => !isAbort(error) && setFault(textOf(error)));
      const span = resolve(range.value);
      queryRange({ query: HISTORY, start: toNs(span.start), end: toNs(span.end), limit: 500, direction: "backward" }, abort.signal).then(
        (a) => a.kind === "lines" && setChanges(a.rows.map(changeOf)),
        () => undefined,
      );
    };
    load();
    const timer = window.setInterval(load, EVERY_MS);
    return () => {
      window.clearInterval(timer);
      abort.abort();
    };
  }, [runs.value]);
  useShortcuts(
    [
      { keys: "r", title: "Ask again", group: "Query", run: runAgain },
      { keys: "t", title: "Time range", group: "Time", run: () => timePickerButton.current?.click() },
    ],
    [],
  );

  const rules = (groups ?? []).flatMap((g) => g.rules);
  const amount = (state: string): number => rules.flatMap((r) => r.alerts ?? []).filter((a) => a.state === state).length;
  return (
    <div class="page-view">
      {fault && <p class="fault banner" role="alert">{/404/.test(fault) ? "Rules are switched off on this server." : fault}</p>}
      <div class="tiles">
        <div class="tile" data-state={amount("firing") ? "firing" : ""}><b>{amount("firing")}</b><span>firing</span></div>
        <div class="tile" data-state={amount("pending") ? "pending" : ""}><b>{amount("pending")}</b><span>pending</span></div>
        <div class="tile"><b>{rules.length}</b><span>rules</span></div>
        <div class="tile" data-state={rules.some((r) => r.health === "err") ? "firing" : ""}><b>{rules.filter((r) => r.health === "err").length}</b><span>cannot be evaluated</span></div>
      </div>
      <div class="columns">
        <section>
          <h2>Rules</h2>
          {groups && !groups.length && <p class="hint">No rules yet. Files below the server's rules directory are taken up within seconds; the README has a first one.</p>}
          {(groups ?? []).map((g) => (
            <div class="rule-group" key={g.file + g.name}>
              <h3><bdi>{g.name}</bdi> <small><bdi>{g.file}</bdi> · every {duration(g.interval)}</small></h3>
              {[...g.rules].sort((a, b) => (STATE_ORDER[a.state ?? "inactive"] ?? 3) - (STATE_ORDER[b.state ?? "inactive"] ?? 3)).map((r, i) => <RuleRow rule={r} key={i} />)}
            </div>
          ))}
        </section>
        <section>
          <h2>What happened <small>{rangeText(range.value)}</small></h2>
          {!changes.length && <p class="hint">No alert has changed its state in this time.</p>}
          <ol class="timeline">
            {changes.map((c) => (
              <li key={c.row.id} data-state={c.to}>
                <time>{dateTime(c.row.ms)}</time>
                <div>
                  <b><bdi>{c.alert}</bdi></b> {c.from && <span class="hint">{c.from} → </span>}<span class="state" data-state={c.to}>{c.to}</span> {c.value && <span class="value">{c.value}</span>}{" "}
                  <Labels labels={c.labels} />
                </div>
              </li>
            ))}
          </ol>
          {changes.length > 0 && <p><button type="button" onClick={() => go({ view: "explore", query: HISTORY })}>Open in Explore</button></p>}
        </section>
      </div>
    </div>
  );
}
