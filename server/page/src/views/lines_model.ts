// What the explore view asks the server and keeps: the rows, the histogram, further pages, and the live tail. One instance per view;
// a newer question cancels an older one.
import { batch, signal } from "@preact/signals";
import { isAbort, textOf } from "../api/client";
import { levelVolume, queryRange, type Series, type Stats } from "../api/logs";
import { Tail, type TailState } from "../api/tail";
import { addNs, compareNs, LEVELS, levelOf, sameRow, type Row } from "../lines/row";
import { isMetric, logPartOf } from "../logql/edit";
import { resolve, stepFor, toNs, type Span, type TimeRange } from "../time/range";
import { stack, type Stack } from "../ui/buckets";

const MOST_ROWS = 50_000;
const MOST_LIVE_ROWS = 5_000;
const BARS = 110;
const HISTOGRAM_EVERY_MS = 5_000;

export interface Question {
  query: string;
  range: TimeRange;
  limit: number;
  newestFirst: boolean;
}

export class LinesModel {
  readonly rows = signal<Row[]>([]);
  readonly series = signal<Series[] | null>(null);
  readonly volume = signal<Stack | null>(null);
  readonly span = signal<Span>({ start: 0, end: 1 });
  readonly stats = signal<Stats | null>(null);
  readonly warnings = signal<string[]>([]);
  readonly fault = signal("");
  readonly busy = signal(false);
  // There is nothing beyond the last row.
  readonly complete = signal(true);
  readonly tailState = signal<TailState | "off">("off");
  readonly tailNote = signal("");
  readonly dropped = signal(0);

  private abort = new AbortController();
  private question: Question | null = null;
  private paging = false;
  private tail: Tail | null = null;
  private timer = 0;

  async ask(question: Question): Promise<void> {
    this.stopTail();
    this.abort.abort();
    const abort = (this.abort = new AbortController());
    this.question = question;
    this.paging = false;
    const span = resolve(question.range);
    const metric = isMetric(question.query);
    batch(() => {
      this.busy.value = true;
      this.fault.value = "";
      this.dropped.value = 0;
    });
    const volume = metric ? Promise.resolve() : this.loadVolume(span, abort.signal);
    try {
      const answer = await queryRange(
        {
          query: question.query,
          start: toNs(span.start),
          end: toNs(span.end),
          limit: metric ? undefined : question.limit,
          step: metric ? stepFor(span, 240) : undefined,
          direction: question.newestFirst ? "backward" : "forward",
        },
        abort.signal,
      );
      batch(() => {
        this.span.value = span;
        this.stats.value = answer.stats;
        this.warnings.value = answer.warnings;
        this.rows.value = answer.kind === "lines" ? answer.rows : [];
        this.series.value = answer.kind === "series" ? answer.series : null;
        this.complete.value = answer.kind !== "lines" || answer.rows.length < question.limit;
        if (metric) this.volume.value = null;
        this.busy.value = false;
      });
    } catch (error) {
      if (isAbort(error)) return;
      batch(() => {
        this.span.value = span;
        this.fault.value = textOf(error);
        this.rows.value = [];
        this.series.value = null;
        this.volume.value = null;
        this.complete.value = true;
        this.busy.value = false;
      });
    }
    await volume;
  }

  private async loadVolume(span: Span, abort: AbortSignal): Promise<void> {
    try {
      const step = stepFor(span, BARS);
      const part = logPartOf(this.question!.query);
      const series = await levelVolume(part, span, step, abort);
      batch(() => {
        this.span.value = span;
        this.volume.value = stack(series, step * 1000, (m) => levelOf(m["detected_level"] ?? m["level"]), [...LEVELS].reverse());
      });
    } catch {
      // The lines' own question tells what is wrong.
    }
  }

  // The next page behind the last row.
  async more(): Promise<void> {
    const q = this.question;
    const rows = this.rows.value;
    const last = rows[rows.length - 1];
    if (!q || !last || this.paging || this.complete.value || rows.length >= MOST_ROWS || this.tail) return;
    this.paging = true;
    const abort = this.abort;
    const span = this.span.value;
    try {
      const answer = await queryRange(
        q.newestFirst
          ? { query: q.query, start: toNs(span.start), end: addNs(last.ns, 1n), limit: q.limit, direction: "backward" }
          : { query: q.query, start: last.ns, end: toNs(span.end), limit: q.limit, direction: "forward" },
        abort.signal,
      );
      if (abort !== this.abort || answer.kind !== "lines") return;
      const edge = rows.filter((row) => row.ns === last.ns);
      const fresh = answer.rows.filter((row) => row.ns !== last.ns || !edge.some((old) => sameRow(old, row)));
      batch(() => {
        this.rows.value = [...this.rows.value, ...fresh];
        this.complete.value = answer.rows.length < q.limit || !fresh.length;
      });
    } catch {
      // Tried again at the next scroll.
    } finally {
      this.paging = false;
    }
  }

  startTail(): void {
    const q = this.question;
    if (!q || isMetric(q.query) || this.tail) return;
    const newest = this.rows.value.reduce<string | null>((a, row) => (a === null || compareNs(row.ns, a) > 0 ? row.ns : a), null);
    const start = newest ? addNs(newest, 1n) : toNs(Date.now() - 60e3);
    this.tail = new Tail(q.query, start, {
      rows: (fresh) => {
        const all = q.newestFirst ? [...fresh.reverse(), ...this.rows.value] : [...this.rows.value, ...fresh];
        this.rows.value = q.newestFirst ? all.slice(0, MOST_LIVE_ROWS) : all.slice(-MOST_LIVE_ROWS);
      },
      dropped: (lines) => (this.dropped.value += lines),
      state: (state, reason) =>
        batch(() => {
          this.tailState.value = state;
          this.tailNote.value = reason;
        }),
    });
    const refresh = (): void => void this.loadVolume(resolve({ from: q.range.from.startsWith("now") ? q.range.from : "now-15m", to: "now" }), this.abort.signal);
    refresh();
    this.timer = window.setInterval(refresh, HISTOGRAM_EVERY_MS);
  }

  stopTail(): void {
    window.clearInterval(this.timer);
    this.tail?.stop();
    this.tail = null;
    this.tailState.value = "off";
  }

  close(): void {
    this.stopTail();
    this.abort.abort();
  }
}
