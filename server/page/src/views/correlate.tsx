// Correlate: a metric above, the lines below, one time axis. Dragging over a spike shows that moment's lines of the service whose line
// stands highest there.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { isAbort, textOf } from "../api/client";
import { labelNames, labelValues, levelVolume, queryRange, type LabelSet, type Series } from "../api/logs";
import { metricNames, metricRange } from "../api/prometheus";
import { useShortcuts } from "../app/keys";
import { pageInfo } from "../app/page_info";
import { go, metric, metricSource, query, range, runAgain, runs, type MetricSource } from "../app/state";
import { LEVELS, levelOf, type Row } from "../lines/row";
import { markedBy, withMatcher } from "../logql/edit";
import { quote } from "../logql/tokens";
import { count, dateTime } from "../time/format";
import { absolute, resolve, shift, stepFor, toNs, zoomOut, type Span } from "../time/range";
import { stack, type Stack } from "../ui/buckets";
import { Chart } from "../ui/chart";
import { Histogram } from "../ui/histogram";
import { Icon } from "../ui/icons";
import { LineDetails } from "../ui/line_details";
import { LineContext } from "../ui/line_context";
import { LogList, sourceLabel } from "../ui/log_list";
import { ALL } from "../ui/sidebar";
import { timePickerButton } from "../ui/time_picker";
import { filtered } from "./explore";

// Labels that name the same thing in metrics and in logs, where the name differs.
const TWINS: Record<string, string[]> = {
  job: ["job", "app", "service_name", "service"],
  service: ["service", "service_name", "app"],
  app: ["app", "service_name"],
  instance: ["instance", "host", "node"],
  node: ["node", "host"],
};

// The streams that a series is about: every label of it that streams have too, with a value that streams have.
async function selectorFor(labels: LabelSet, span: Span, signal: AbortSignal): Promise<string> {
  const known = await labelNames(span, undefined, signal);
  const matchers: string[] = [];
  for (const [name, value] of Object.entries(labels)) {
    if (name.startsWith("__")) continue;
    for (const twin of TWINS[name] ?? [name]) {
      if (!known.includes(twin)) continue;
      const values = await labelValues(twin, span, undefined, signal);
      // "payments:8080" is about the host "payments" too.
      const match = [value, value.replace(/:\d+$/, "")].find((v) => values.includes(v));
      if (match === undefined) continue;
      matchers.push(`${twin}=${quote(match)}`);
      break;
    }
  }
  return matchers.length ? `{${matchers.join(", ")}}` : "";
}

async function defaultMetric(source: MetricSource, span: Span, signal: AbortSignal): Promise<string> {
  if (source === "prometheus") return "up";
  const names = await labelNames(span, undefined, signal);
  const by = ["app", "service", "container", "job"].find((n) => names.includes(n)) ?? "service_name";
  return `sum by (${by}) (rate({${by}=~".+"} | detected_level="error" [1m]))`;
}

async function loadMetric(span: Span, signal: AbortSignal): Promise<Series[]> {
  const step = stepFor(span, 240);
  if (metricSource.value === "prometheus") return metricRange(metric.value, span, step, signal);
  const answer = await queryRange({ query: metric.value, start: toNs(span.start), end: toNs(span.end), step }, signal);
  return answer.kind === "series" ? answer.series : [];
}

const LINES = 1000;

export function Correlate(): JSX.Element {
  const [span, setSpan] = useState<Span>(resolve(range.value));
  const [series, setSeries] = useState<Series[]>([]);
  const [volume, setVolume] = useState<Stack | null>(null);
  const [rows, setRows] = useState<Row[]>([]);
  const [chosen, setChosen] = useState<Span | null>(null);
  const [about, setAbout] = useState("");
  const [fault, setFault] = useState("");
  const [text, setText] = useState(metric.value);
  const [names, setNames] = useState<string[]>([]);
  const [line, setLine] = useState(-1);
  const [details, setDetails] = useState(false);
  const [context, setContext] = useState(false);
  const selector = query.value || ALL;

  useEffect(() => setText(metric.value), [metric.value]);

  useEffect(() => {
    const abort = new AbortController();
    const now = resolve(range.value);
    setSpan(now);
    setChosen(null);
    if (!metric.value) {
      defaultMetric(metricSource.value, now, abort.signal).then((m) => (metric.value = m, setText(m), runAgain()), () => undefined);
      return () => abort.abort();
    }
    loadMetric(now, abort.signal).then((s) => (setSeries(s), setFault("")), (error: unknown) => {
      if (isAbort(error)) return;
      setSeries([]);
      setFault(textOf(error));
    });
    return () => abort.abort();
  }, [runs.value]);

  useEffect(() => {
    if (metricSource.value !== "prometheus" || !pageInfo.value.prometheus) return;
    const abort = new AbortController();
    metricNames(abort.signal).then(setNames, () => undefined);
    return () => abort.abort();
  }, [metricSource.value, pageInfo.value.prometheus]);

  useEffect(() => {
    const abort = new AbortController();
    const step = stepFor(span, 110);
    levelVolume(selector, span, step, abort.signal).then(
      (s) => setVolume(stack(s, step * 1000, (m) => levelOf(m["detected_level"] ?? m["level"]), [...LEVELS].reverse())),
      () => undefined,
    );
    return () => abort.abort();
  }, [selector, span]);

  useEffect(() => {
    const abort = new AbortController();
    const part = chosen ?? span;
    setLine(-1);
    setDetails(false);
    queryRange({ query: selector, start: toNs(part.start), end: toNs(part.end), limit: LINES, direction: chosen ? "forward" : "backward" }, abort.signal).then(
      (a) => setRows(a.kind === "lines" ? a.rows : []),
      (error: unknown) => {
        if (isAbort(error)) return;
        setRows([]);
        setFault(textOf(error));
      },
    );
    return () => abort.abort();
  }, [selector, span, chosen]);

  const choose = (part: Span, strongest: Series | null): void => {
    setChosen(part);
    if (!strongest) return;
    selectorFor(strongest.metric, span, new AbortController().signal).then(
      (found) => {
        if (!found) return setAbout("The highest series has no label in common with the lines: all of them are shown.");
        setAbout("");
        query.value = found;
        history.replaceState(null, "", location.hash.replace(/([?&])q=[^&]*/, "$1").replace("?", `?q=${encodeURIComponent(found)}&`));
      },
      () => undefined,
    );
  };
  const source = (next: MetricSource): void => go({ metricSource: next, metric: "" });
  const row = line >= 0 ? rows[line] : undefined;
  const mark = useMemo(() => markedBy(query.value), [query.value]);
  const column = useMemo(() => sourceLabel(rows), [rows]);
  const step = (by: number): void => setLine(Math.max(0, Math.min(rows.length - 1, line < 0 ? 0 : line + by)));

  useShortcuts(
    [
      { keys: "r", title: "Run again", group: "Query", run: runAgain },
      { keys: "t", title: "Time range", group: "Time", run: () => timePickerButton.current?.click() },
      { keys: "[", title: "Earlier", group: "Time", run: () => go({ range: shift(range.value, -0.5) }) },
      { keys: "]", title: "Later", group: "Time", run: () => go({ range: shift(range.value, 0.5) }) },
      { keys: "z", title: "Zoom out", group: "Time", run: () => go({ range: zoomOut(range.value) }) },
      { keys: "j", title: "Next line", group: "Lines", run: () => step(1) },
      { keys: "k", title: "Line before", group: "Lines", run: () => step(-1) },
      { keys: "Enter", title: "Fields of the line", group: "Lines", run: () => row && setDetails(!details) },
      { keys: "c", title: "Lines around it", group: "Lines", run: () => row && setContext(true) },
      { keys: "Escape", title: "Whole range again", group: "General", run: () => (details ? setDetails(false) : setChosen(null)) },
    ],
    [row, details, rows, line],
  );

  return (
    <div class="explore correlate" data-details={details && row !== undefined}>
      <div class="main">
        <form class="metric-form" onSubmit={(e) => { e.preventDefault(); go({ metric: text.trim() }); }}>
          <select aria-label="Where the metric comes from" value={metricSource.value} onChange={(e) => source(e.currentTarget.value as MetricSource)}>
            <option value="logql">LogQL</option>
            <option value="prometheus" disabled={!pageInfo.value.prometheus}>Prometheus{pageInfo.value.prometheus ? "" : " (not configured)"}</option>
          </select>
          <input class="code" aria-label="Metric query" value={text} onInput={(e) => setText(e.currentTarget.value)} list="metric-names" spellcheck={false} />
          <datalist id="metric-names">{names.map((n) => <option key={n} value={n} />)}</datalist>
          <button type="submit" class="primary"><Icon name="play" /> Run</button>
        </form>
        {fault && <p class="fault banner" role="alert">{fault}</p>}
        <Chart series={series} span={span} height={190} label="Metric" choose={choose} chosen={chosen} />
        {volume && (
          <Histogram stack={volume} span={span} colourOf={(key) => `--level-${key}`} label="Lines over time by level" height={84} chosen={chosen} choose={(part) => setChosen(part)} />
        )}
        <div class="line-bar">
          <span class="summary" aria-live="polite">
            <b>{count(rows.length)}{rows.length === LINES ? "+" : ""} lines</b>
            <span class="hint"> · {chosen ? `${dateTime(chosen.start)} – ${dateTime(chosen.end).slice(11)}` : "drag over a spike to see its lines"}{about && ` · ${about}`}</span>
          </span>
          <code class="about"><bdi>{selector}</bdi></code>
          <div class="group">
            {chosen && <button type="button" onClick={() => setChosen(null)} title="Whole range  Esc">Whole range</button>}
            {query.value && <button type="button" onClick={() => go({ query: "" })}>All services</button>}
            <button type="button" onClick={() => go({ view: "explore", query: selector, range: chosen ? absolute(chosen) : range.value })}>Open in Explore</button>
          </div>
        </div>
        <LogList rows={rows} chosen={line} choose={setLine} open={(i) => { setDetails(!(details && i === line)); setLine(i); }} wrap={false} mark={mark} source={column} nearEnd={() => undefined} label="Log lines" />
      </div>
      {details && row && (
        <LineDetails row={row} mark={mark} context={() => setContext(true)} close={() => setDetails(false)}
          filter={(kind, name, op, value) => go({ query: kind === "label" ? withMatcher(selector, name, op, value) : filtered(selector, kind, name, op, value) })}
          trace={(id) => go({ view: "explore", query: `${ALL} |= ${quote(id)}` })} />
      )}
      {context && row && <LineContext row={row} close={() => setContext(false)} />}
    </div>
  );
}
