// The first visit: what there is, without a word typed. Volume by service, the newest lines, and queries to begin with, made of the labels
// and fields that are really there.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isAbort, textOf } from "../api/client";
import { detectedFields, labelNames, queryRange, volumeBy, type DetectedField, type Volume } from "../api/logs";
import { go, range, runs } from "../app/state";
import type { Row } from "../lines/row";
import { LineText } from "../lines/text";
import { quote } from "../logql/tokens";
import { ago, bytes, clockTime, rangeText } from "../time/format";
import { absolute, resolve, stepFor, toNs, type Span } from "../time/range";
import { stack, sumOf, type Stack } from "../ui/buckets";
import { seriesColour } from "../ui/chart";
import { Histogram } from "../ui/histogram";
import { ALL } from "../ui/sidebar";

interface Example {
  text: string;
  query: string;
}

interface Overview {
  label: string;
  volumes: Volume[];
  stack: Stack;
  rows: Row[];
  examples: Example[];
}

const NAMES = ["app", "service", "container", "job", "service_name"];
const SHOWN = 9;

interface Telling {
  value: string;
  fields: DetectedField[];
}

// Of those who write most, the first whose lines have fields.
async function telling(label: string, volumes: Volume[], span: Span, signal: AbortSignal): Promise<Telling> {
  const found = await Promise.all(
    volumes.slice(0, 4).map(async ({ value }): Promise<Telling> => {
      const fields = await detectedFields(`{${label}=${quote(value)}}`, span, signal).catch(() => []);
      return { value, fields };
    }),
  );
  return found.find((t) => t.fields.some((f) => f.parsers?.length)) ?? found[0] ?? { value: "", fields: [] };
}

// `label` groups; fields are those of the lines of its value `value`.
export function examplesOf(label: string, value: string, fields: DetectedField[]): Example[] {
  if (!value) return [];
  const one = `{${label}=${quote(value)}}`;
  const every = `{${label}=~".+"}`;
  const found: Example[] = [
    { text: `Everything ${value} says`, query: one },
    { text: "Errors, wherever they are", query: `${every} | detected_level="error"` },
    { text: `Lines a second by ${label}`, query: `sum by (${label}) (rate(${every}[1m]))` },
    { text: `Share of errors by ${label}`, query: `sum by (${label}) (rate(${every} | detected_level="error" [5m]))\n  / sum by (${label}) (rate(${every}[5m]))` },
  ];
  const parserOf = (f: DetectedField): string => (f.parsers?.includes("json") ? "json" : f.parsers?.includes("logfmt") ? "logfmt" : "");
  const parsed = fields.filter((f) => parserOf(f));
  const status = parsed.find((f) => /^(status|status_code|code)$/.test(f.label));
  if (status) found.push({ text: "Answers that failed", query: `${one} | ${parserOf(status)} | ${status.label} >= 500` });
  const time = parsed.find((f) => /duration|latency|elapsed|took/.test(f.label) && f.type !== "string");
  if (time) {
    const taken = time.type === "duration" ? `duration(${time.label})` : time.label;
    found.push({ text: `95th percentile of ${time.label}`, query: `quantile_over_time(0.95, ${one} | ${parserOf(time)} | unwrap ${taken} [1m]) by (${label})` });
  }
  const kind = parsed.find((f) => f.type === "string" && f.cardinality > 1 && f.cardinality < 20 && !/level|severity/.test(f.label));
  if (kind) found.push({ text: `The most frequent ${kind.label}`, query: `topk(10, sum by (${kind.label}) (count_over_time(${one} | ${parserOf(kind)} [5m])))` });
  return found;
}

async function load(signal: AbortSignal): Promise<Overview | null> {
  const span = resolve(range.value);
  const names = await labelNames(span, undefined, signal);
  if (!names.length) return null;
  const label = NAMES.find((n) => names.includes(n)) ?? names[0]!;
  const step = stepFor(span, 110);
  const bounds = { start: toNs(span.start), end: toNs(span.end) };
  const [volumes, amounts, newest] = await Promise.all([
    volumeBy(label, `{${label}=~".+"}`, span, signal),
    queryRange({ query: `sum by (${label}) (count_over_time({${label}=~".+"}[${step}s]))`, ...bounds, step }, signal),
    queryRange({ query: ALL, ...bounds, limit: 14, direction: "backward" }, signal),
  ]);
  const told = await telling(label, volumes, span, signal);
  const top = new Set(volumes.slice(0, SHOWN).map((v) => v.value));
  const key = (value: string | undefined): string => (value && top.has(value) ? value : "others");
  return {
    label,
    volumes,
    stack: stack(amounts.kind === "series" ? amounts.series : [], step * 1000, (m) => key(m[label]), volumes.map((v) => v.value)),
    rows: newest.kind === "lines" ? newest.rows : [],
    examples: examplesOf(label, told.value, told.fields),
  };
}

export function Home(): JSX.Element {
  const [found, setFound] = useState<Overview | null | undefined>(undefined);
  const [fault, setFault] = useState("");
  const [span, setSpan] = useState(resolve(range.value));
  useEffect(() => {
    const abort = new AbortController();
    setSpan(resolve(range.value));
    load(abort.signal).then((o) => (setFound(o), setFault("")), (error: unknown) => !isAbort(error) && setFault(textOf(error)));
    return () => abort.abort();
  }, [runs.value]);
  if (fault) return <p class="fault banner" role="alert">{fault}</p>;
  if (found === undefined) return <div class="home" aria-busy="true" />;
  if (found === null) return <Nothing />;
  const colourOf = (key: string): string => {
    const i = found.volumes.findIndex((v) => v.value === key);
    return i >= 0 && i < SHOWN ? seriesColour(i) : "--level-unknown";
  };
  const most = Math.max(1, ...found.volumes.map((v) => v.bytes));
  return (
    <div class="home">
      <section class="wide">
        <h2>Lines by {found.label} <small>{rangeText(range.value)}</small></h2>
        <Histogram stack={found.stack} span={span} colourOf={colourOf} label={`Lines over time by ${found.label}`} height={148} choose={(s) => go({ range: absolute(s) })} />
      </section>
      <section>
        <h2>Who writes</h2>
        <ul class="volumes">
          {found.volumes.slice(0, SHOWN).map((v) => (
            <li key={v.value}>
              <button type="button" class="bare" onClick={() => go({ query: `{${found.label}=${quote(v.value)}}` })}>
                <i class="dot" style={{ background: `var(${colourOf(v.value)})` }} /><bdi>{v.value}</bdi>
                <span class="meter"><span style={{ width: `${(v.bytes / most) * 100}%`, background: `var(${colourOf(v.value)})` }} /></span>
                <small>{Math.round(sumOf(found.stack, v.value)).toLocaleString("en-US")} lines</small><small>{bytes(v.bytes)}</small>
              </button>
            </li>
          ))}
        </ul>
        {found.volumes.length > SHOWN && <p class="hint">and {found.volumes.length - SHOWN} more</p>}
      </section>
      <section>
        <h2>Begin with</h2>
        <ul class="examples">
          {found.examples.map((e) => (
            <li key={e.query}><button type="button" class="bare" onClick={() => go({ query: e.query })}><span>{e.text}</span><code>{e.query}</code></button></li>
          ))}
        </ul>
      </section>
      <section class="wide">
        <h2>Newest lines {found.rows[0] && <small>{ago(found.rows[0].ms)}</small>}</h2>
        <div class="recent">
          {found.rows.map((row) => (
            <div key={row.id} class="log-row" data-level={row.level}>
              <span class="bar" /><time>{clockTime(row.ms)}</time><span class="source"><bdi>{row.labels[found.label] ?? row.labels["service_name"]}</bdi></span><LineText line={row.line} mark={null} />
            </div>
          ))}
        </div>
        <p><button type="button" onClick={() => go({ query: ALL })}>All lines</button></p>
      </section>
    </div>
  );
}

function Nothing(): JSX.Element {
  const address = `${location.protocol}//${location.host}`;
  return (
    <div class="home nothing">
      <section class="wide">
        <h2>No lines in this time yet</h2>
        <p>Push the first one:</p>
        <pre tabIndex={0}>{`curl -H 'Content-Type: application/json' ${address}/loki/api/v1/push --data \\
  "{\\"streams\\":[{\\"stream\\":{\\"app\\":\\"hello\\"},\\"values\\":[[\\"$(date +%s%N)\\",\\"hello, world\\"]]}]}"`}</pre>
        <p>or let an agent read files: <code>skald-agent --help</code>. Promtail, Alloy, Vector, Fluent Bit and OpenTelemetry collectors push to this address as they push to Loki.</p>
        <p><button type="button" onClick={() => go({ range: { from: "now-30d", to: "now" } })}>Look at the last 30 days</button></p>
      </section>
    </div>
  );
}
