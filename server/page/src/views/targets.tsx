// Targets: each agent, each file it reads, and how far behind it is; and every stream's files that lines came from, whoever sent them.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isAbort, textOf } from "../api/client";
import { agentTargets, type AgentTargets, type TargetFile } from "../api/targets";
import { queryRange, type Series } from "../api/logs";
import { useShortcuts } from "../app/keys";
import { go, range, runAgain, runs } from "../app/state";
import { quote } from "../logql/tokens";
import { ago, bytes, count, plural, rangeText } from "../time/format";
import { resolve, stepFor, toNs } from "../time/range";

const EVERY_MS = 5_000;

function FileRow(props: { file: TargetFile }): JSX.Element {
  const f = props.file;
  const part = f.size > 0 ? Math.min(1, f.acknowledged / f.size) : 1;
  return (
    <tr data-state={f.error ? "firing" : f.lag_bytes > 0 ? "pending" : ""}>
      <th scope="row"><bdi>{f.path}</bdi>{f.error && <p class="fault">{f.error}</p>}</th>
      <td><span class="state" data-state={f.error ? "firing" : ""}>{f.state}</span></td>
      <td class="labels"><bdi>{f.labels}</bdi></td>
      <td class="n">{bytes(f.size)}</td>
      <td class="n"><span class="meter"><span style={{ width: `${part * 100}%` }} /></span></td>
      <td class="n"><b>{f.lag_bytes > 0 ? bytes(f.lag_bytes) : "0"}</b></td>
    </tr>
  );
}

function Agent(props: { agent: AgentTargets }): JSX.Element {
  const a = props.agent;
  const files = a.targets?.files ?? [];
  const lag = files.reduce((sum, f) => sum + f.lag_bytes, 0);
  return (
    <section class="agent">
      <h3><bdi>{a.url}</bdi> {a.address && !a.url.includes(a.address) && <small>{a.address}</small>} {a.error ? <span class="state" data-state="firing">does not answer</span> : <span class="state" data-state={a.targets?.connected ? "ok" : "pending"}>{a.targets?.connected ? "connected" : "not connected"}</span>}
        {!a.error && <small>{plural(files.length, "file")} · {bytes(lag)} behind · id {a.targets?.agent_id.slice(0, 8)}</small>}</h3>
      {a.error && <p class="fault">{a.error}</p>}
      {files.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label={`Files of ${a.url}`}>
          <table>
            <thead><tr><th scope="col">file</th><th scope="col">state</th><th scope="col">labels</th><th scope="col" class="n">size</th><th scope="col" class="n">delivered</th><th scope="col" class="n">behind</th></tr></thead>
            <tbody>{files.map((f, i) => <FileRow file={f} key={i} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

interface Source {
  name: string;
  by: string;
  lines: number;
  // Milliseconds of the end of the last step with a line.
  last: number;
}

function sourcesOf(series: Series[]): Source[] {
  return series
    .map((s) => {
      const [by, name] = Object.entries(s.metric).sort(([a], [b]) => (a === "filename" ? -1 : b === "filename" ? 1 : 0)).find(([, v]) => v !== "") ?? ["", ""];
      return { by, name, lines: s.values.reduce((sum, [, v]) => sum + Number(v), 0), last: (s.values[s.values.length - 1]?.[0] ?? 0) * 1000 };
    })
    .sort((a, b) => a.last - b.last || b.lines - a.lines);
}

export function Targets(): JSX.Element {
  const [agents, setAgents] = useState<AgentTargets[] | null>(null);
  const [sources, setSources] = useState<Source[]>([]);
  const [fault, setFault] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    const load = (): void => {
      agentTargets(abort.signal).then((a) => (setAgents(a), setFault("")), (error: unknown) => !isAbort(error) && setFault(textOf(error)));
    };
    load();
    const timer = window.setInterval(load, EVERY_MS);
    const span = resolve(range.value);
    const step = stepFor(span, 240);
    queryRange({ query: `sum by (filename) (count_over_time({filename=~".+"}[${step}s]))`, start: toNs(span.start), end: toNs(span.end), step }, abort.signal).then(
      (a) => a.kind === "series" && setSources(sourcesOf(a.series)),
      () => undefined,
    );
    return () => {
      window.clearInterval(timer);
      abort.abort();
    };
  }, [runs.value]);
  useShortcuts([{ keys: "r", title: "Ask again", group: "Query", run: runAgain }], []);
  return (
    <div class="page-view">
      {fault && <p class="fault banner" role="alert">{fault}</p>}
      <h2>Agents</h2>
      {agents && !agents.length && (
        <p class="hint">No agent is named in the server's settings. <code>page.agents: [http://node-1:9080]</code> (or <code>--page-agents</code>) shows each file an agent reads and how far it is behind; a name with several addresses stands for all of them.</p>
      )}
      {(agents ?? []).map((a) => <Agent agent={a} key={a.url + a.address} />)}
      <h2>Files that lines came from <small>{rangeText(range.value)}</small></h2>
      {!sources.length && <p class="hint">No stream with a label <code>filename</code> in this time.</p>}
      {sources.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Files">
          <table>
            <thead><tr><th scope="col">file</th><th scope="col" class="n">lines</th><th scope="col" class="n">last line</th></tr></thead>
            <tbody>
              {sources.map((s) => (
                <tr key={s.name}>
                  <th scope="row"><button type="button" class="bare" onClick={() => go({ view: "explore", query: `{${s.by}=${quote(s.name)}}` })}><bdi>{s.name}</bdi></button></th>
                  <td class="n">{count(s.lines)}</td>
                  <td class="n">{ago(Math.min(s.last, Date.now()))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
