// Explore: a query, its amounts over time by level, its lines or its chart, and the line in hand.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { copy, say } from "../app/notice";
import { useShortcuts } from "../app/keys";
import { go, lastingAddress, limit, newestFirst, query, range, runAgain, runs, setWrap, wrap } from "../app/state";
import { isAbort, textOf } from "../api/client";
import { download, type FileKind } from "../lines/download";
import type { Level } from "../lines/row";
import { isMetric, markedBy, withFieldFilter, withLineFilter, withMatcher, type MatchOperator } from "../logql/edit";
import { quote } from "../logql/tokens";
import { bytes, count, duration } from "../time/format";
import { absolute, resolve, shift, zoomOut } from "../time/range";
import { Chart } from "../ui/chart";
import { Editor, type EditorHandle } from "../ui/editor";
import { Histogram } from "../ui/histogram";
import { Icon } from "../ui/icons";
import { LevelLegend } from "../ui/level_legend";
import { LineContext } from "../ui/line_context";
import { LineDetails, type FieldKind } from "../ui/line_details";
import { LogList, sourceLabel } from "../ui/log_list";
import { ALL, Sidebar } from "../ui/sidebar";
import { timePickerButton } from "../ui/time_picker";
import { Home } from "./home";
import { LinesModel } from "./lines_model";

const LIMITS = [100, 1000, 5000];

export function filtered(text: string, kind: FieldKind, name: string, op: MatchOperator, value: string): string {
  if (kind === "label") return withMatcher(text, name, op, value);
  return withFieldFilter(text || ALL, name, op, value, kind === "json" || kind === "logfmt" ? kind : null);
}

export function Explore(): JSX.Element {
  const model = useMemo(() => new LinesModel(), []);
  const editor = useRef<EditorHandle | null>(null);
  const [chosen, setChosen] = useState(-1);
  const [details, setDetails] = useState(false);
  const [context, setContext] = useState(false);
  const [side, setSide] = useState(localStorage.getItem("skald.side") !== "0");
  const [saving, setSaving] = useState("");
  const home = query.value.trim() === "";

  useEffect(() => () => model.close(), []);
  // Before the next frame: what is still shown of the question before is never taken for the answer.
  useLayoutEffect(() => {
    setChosen(-1);
    setDetails(false);
    if (query.value.trim()) void model.ask({ query: query.value, range: range.value, limit: limit.value, newestFirst: newestFirst.value });
    else model.close();
  }, [runs.value]);

  const rows = model.rows.value;
  const row = chosen >= 0 ? rows[chosen] : undefined;
  const mark = useMemo(() => markedBy(query.value), [query.value]);
  const source = useMemo(() => sourceLabel(rows.slice(0, 2000)), [rows.length === 0 ? 0 : rows[0]!.id, rows.length]);
  const live = model.tailState.value !== "off";
  const lines = !home && !isMetric(query.value);

  const run = (text: string): void => go({ query: text.trim() });
  const filter = (kind: FieldKind, name: string, op: MatchOperator, value: string): void => run(filtered(editor.current?.text() ?? query.value, kind, name, op, value));
  const level = (name: Level, op: "=" | "!="): void => run(withFieldFilter(query.value, "detected_level", op, name, null));
  const toggleLive = (): void => (live ? model.stopTail() : model.startTail());
  const toggleSide = (): void => {
    localStorage.setItem("skald.side", side ? "0" : "1");
    setSide(!side);
  };
  const choose = (i: number): void => setChosen(i);
  const open = (i: number): void => {
    setDetails(!(details && i === chosen));
    setChosen(i);
  };
  const step = (by: number): void => {
    if (!rows.length) return;
    setChosen(Math.max(0, Math.min(rows.length - 1, chosen < 0 ? 0 : chosen + by)));
  };
  const share = (): void => void copy(lastingAddress(), "link");
  const save = async (kind: FileKind): Promise<void> => {
    const abort = new AbortController();
    setSaving("0 lines");
    try {
      const saved = await download(query.value, resolve(range.value), kind, (n) => setSaving(`${count(n)} lines`), abort.signal);
      say(`${count(saved)} lines saved`);
    } catch (error) {
      if (!isAbort(error)) say(textOf(error), 6000);
    }
    setSaving("");
  };

  useShortcuts(
    [
      { keys: "/", title: "Write a query", group: "Query", run: () => editor.current?.focus() },
      { keys: "Mod+Enter", title: "Run the query", group: "Query", run: () => run(editor.current?.text() ?? "") },
      { keys: "r", title: "Run again", group: "Query", run: runAgain },
      { keys: "b", title: "Labels and fields", group: "Query", run: toggleSide },
      { keys: "h", title: "Back to the overview", group: "Query", run: () => go({ query: "" }) },
      { keys: "t", title: "Time range", group: "Time", run: () => timePickerButton.current?.click() },
      { keys: "[", title: "Earlier", group: "Time", run: () => go({ range: shift(range.value, -0.5) }) },
      { keys: "]", title: "Later", group: "Time", run: () => go({ range: shift(range.value, 0.5) }) },
      { keys: "z", title: "Zoom out", group: "Time", run: () => go({ range: zoomOut(range.value) }) },
      { keys: "l", title: "Live lines, on and off", group: "Lines", run: toggleLive },
      { keys: "j", title: "Next line", group: "Lines", run: () => step(1) },
      { keys: "k", title: "Line before", group: "Lines", run: () => step(-1) },
      { keys: "Enter", title: "Fields of the line", group: "Lines", run: () => row && setDetails(!details) },
      { keys: "c", title: "Lines around it", group: "Lines", run: () => row && setContext(true) },
      { keys: "y", title: "Copy the line", group: "Lines", run: () => row && void copy(row.line, "line") },
      { keys: "w", title: "Wrap long lines", group: "Lines", run: () => setWrap(!wrap.value) },
      { keys: "o", title: "Newest or oldest first", group: "Lines", run: () => go({ newestFirst: !newestFirst.value }) },
      { keys: "d", title: "Download as text", group: "Lines", run: () => void save("text") },
      { keys: "s", title: "Copy a link to this", group: "Lines", run: share },
      { keys: "Escape", title: "Close", group: "General", run: () => setDetails(false) },
    ],
    [details, row, live, side, rows, chosen, query.value],
  );

  return (
    <div class="explore" data-side={side} data-details={details && row !== undefined}>
      {side && <Sidebar filter={filter} />}
      <div class="main">
        <div class="query-bar">
          <button type="button" class="square" aria-pressed={side} aria-label="Labels and fields" title="Labels and fields  b" onClick={toggleSide}><Icon name="side" /></button>
          <Editor value={query.value} label="LogQL query" hint='{app="checkout"} |= "error"      /  to begin, Enter to run, Ctrl+Space for what fits' run={run} handle={(h) => (editor.current = h)} />
          <button type="button" class="primary" onClick={() => run(editor.current?.text() ?? "")} title="Run  Enter"><Icon name="play" /> Run</button>
        </div>
        {model.fault.value && !home && <p class="fault banner" role="alert">{model.fault.value}</p>}
        {!home && model.warnings.value.map((w) => <p class="warning banner" role="status" key={w}>{w}</p>)}
        {home && <Home />}
        {lines && (
          <>
            {model.volume.value && (
              <Histogram stack={model.volume.value} span={model.span.value} colourOf={(key) => `--level-${key}`} label="Lines over time by level" height={112} choose={(span) => go({ range: absolute(span) })} />
            )}
            <div class="line-bar">
              <span class="summary" aria-live="polite">
                {model.busy.value ? "asking…" : live ? <LiveNote model={model} /> : <Summary model={model} />}
              </span>
              {model.volume.value && <LevelLegend stack={model.volume.value} pick={level} />}
              <div class="group">
                <button type="button" aria-pressed={live} class="live" onClick={toggleLive} title="Live  l"><Icon name={live ? "stop" : "live"} /> {live ? "Stop" : "Live"}</button>
                <button type="button" aria-pressed={wrap.value} class="square" aria-label="Wrap long lines" title="Wrap  w" onClick={() => setWrap(!wrap.value)}><Icon name="wrap" /></button>
                <button type="button" aria-pressed={!newestFirst.value} class="square" aria-label="Oldest first" title="Order  o" onClick={() => go({ newestFirst: !newestFirst.value })}><Icon name="order" /></button>
                <select aria-label="Lines per page" value={String(limit.value)} onChange={(e) => go({ limit: Number(e.currentTarget.value) })}>
                  {[...new Set([...LIMITS, limit.value])].sort((a, b) => a - b).map((n) => <option key={n} value={String(n)}>{count(n)}</option>)}
                </select>
                <button type="button" class="square" aria-label="Copy a link to this" title="Share  s" onClick={share}><Icon name="link" /></button>
                <select class="save" aria-label="Download" value="" disabled={saving !== ""} onChange={(e) => { const kind = e.currentTarget.value as FileKind; e.currentTarget.value = ""; void save(kind); }}>
                  <option value="">{saving || "Download"}</option>
                  <option value="text">Text</option>
                  <option value="jsonl">JSON lines</option>
                </select>
              </div>
            </div>
            {!rows.length && !model.busy.value && !model.fault.value && !live && <Empty />}
            <LogList rows={rows} chosen={chosen} choose={choose} open={open} wrap={wrap.value} mark={mark} source={source} nearEnd={() => void model.more()} label="Log lines" />
          </>
        )}
        {!home && model.series.value && (
          <div class="metric">
            <div class="line-bar"><span class="summary" aria-live="polite"><Summary model={model} /></span>
              <div class="group"><button type="button" class="square" aria-label="Copy a link to this" title="Share  s" onClick={share}><Icon name="link" /></button></div>
            </div>
            {model.series.value.length ? (
              <Chart series={model.series.value} span={model.span.value} height={360} label="Result of the query" choose={(span) => go({ range: absolute(span) })} />
            ) : (
              <Empty />
            )}
          </div>
        )}
      </div>
      {details && row && (
        <LineDetails row={row} mark={mark} filter={filter} context={() => setContext(true)} close={() => setDetails(false)}
          trace={(id) => run(withLineFilter(ALL, "|=", id))} />
      )}
      {context && row && <LineContext row={row} close={() => setContext(false)} />}
    </div>
  );
}

function Summary(props: { model: LinesModel }): JSX.Element {
  const { rows, stats, series, complete } = props.model;
  const s = stats.value;
  const what = series.value ? `${count(series.value.length)} series` : `${count(rows.value.length)}${complete.value ? "" : "+"} lines`;
  return (
    <>
      <b>{what}</b>
      {s && <span class="hint"> · {bytes(s.bytes)} read · {duration(s.seconds)}</span>}
    </>
  );
}

function LiveNote(props: { model: LinesModel }): JSX.Element {
  const state = props.model.tailState.value;
  const words = { live: "live", connecting: "connecting…", waiting: `connection lost, trying again: ${props.model.tailNote.value}`, ended: props.model.tailNote.value, off: "" }[state];
  return (
    <>
      <i class="pulse" data-state={state} /><b>{words}</b>
      <span class="hint"> · {count(props.model.rows.value.length)} lines{props.model.dropped.value > 0 && ` · ${count(props.model.dropped.value)} dropped: this browser reads too slowly`}</span>
    </>
  );
}

function Empty(): JSX.Element {
  const wider = (): void => go({ range: zoomOut(zoomOut(range.value)) });
  return (
    <div class="empty">
      <p>Nothing in this time matches.</p>
      <p><button type="button" onClick={wider}>Look at four times as long</button> <button type="button" onClick={() => go({ query: "" })}>What is there?</button></p>
      <p class="hint">Values are compared exactly, letters in their case: {`{app="Web"}`} is not {`{app=${quote("web")}}`}. {`|~ "(?i)error"`} finds any case.</p>
    </div>
  );
}
