// A chart of metric series with a legend that is a table: names, last, least, greatest. Dragging chooses a part of the time.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Series } from "../api/logs";
import { colour, theme } from "../app/theme";
import { number, utc } from "../time/format";
import type { Span } from "../time/range";
import { GUTTER_LEFT, GUTTER_RIGHT, timeMarks } from "./axis";

export const PALETTE = 10;
const MOST_SERIES = 200;

export function seriesName(metric: Record<string, string>): string {
  const { __name__: name, ...labels } = metric;
  const inside = Object.entries(labels).map(([k, v]) => `${k}="${v}"`).join(", ");
  if (!name) {
    const values = Object.values(labels);
    if (values.length === 1) return values[0]!;
  }
  return name && !inside ? name : `${name ?? ""}{${inside}}`;
}

export function seriesColour(index: number): string {
  return `--series-${index % PALETTE}`;
}

interface Aligned {
  times: number[];
  columns: (number | null)[][];
}

function align(series: Series[]): Aligned {
  const moments = new Set<number>();
  for (const s of series) for (const [t] of s.values) moments.add(t);
  const known = [...moments].sort((a, b) => a - b);
  // Where steps are missing in all series, a moment without values breaks the lines.
  const step = known.reduce((least, t, i) => (i > 0 ? Math.min(least, t - known[i - 1]!) : least), Infinity);
  const times = known.flatMap((t, i) => (i > 0 && t - known[i - 1]! > step * 1.5 ? [known[i - 1]! + step, t] : [t]));
  const index = new Map(times.map((t, i) => [t, i]));
  const columns = series.map((s) => {
    const column = new Array<number | null>(times.length).fill(null);
    for (const [t, v] of s.values) {
      const n = Number(v);
      column[index.get(t)!] = Number.isFinite(n) ? n : null;
    }
    return column;
  });
  return { times, columns };
}

export interface ChartProps {
  series: Series[];
  span: Span;
  height: number;
  label: string;
  // The part dragged over, and the series that stands highest there.
  choose: (span: Span, strongest: Series | null) => void;
  chosen?: Span | null;
}

function strongestIn(series: Series[], span: Span): Series | null {
  let best: Series | null = null;
  let peak = -Infinity;
  for (const s of series)
    for (const [t, v] of s.values)
      if (t * 1000 >= span.start && t * 1000 <= span.end && Number(v) > peak) {
        peak = Number(v);
        best = s;
      }
  return best;
}

export function Chart(props: ChartProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [only, setOnly] = useState<number | null>(null);
  const shown = props.series.slice(0, MOST_SERIES);
  const data = useMemo(() => align(shown), [props.series]);
  const choose = useRef(props.choose);
  choose.current = props.choose;
  const names = useMemo(() => shown.map((s) => seriesName(s.metric)), [props.series]);

  useEffect(() => setOnly(null), [props.series]);

  useEffect(() => {
    const width = (): number => Math.max(200, host.current!.clientWidth);
    const points = data.times.length < 40;
    const chart = new uPlot(
      {
        width: width(),
        height: props.height,
        legend: { show: false },
        padding: [10, GUTTER_RIGHT, 0, 0],
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, focus: { prox: 24 } },
        focus: { alpha: 0.35 },
        select: { show: true, left: 0, top: 0, width: 0, height: 0 },
        scales: {
          x: { time: false, range: () => [props.span.start / 1000, props.span.end / 1000] },
          y: { range: (_u, min, max) => (min === null || max === null ? [0, 1] : [Math.min(0, min), max === min ? max + Math.abs(max || 1) * 0.1 : max * 1.06]) },
        },
        axes: [
          {
            stroke: colour("--ink-3"), font: `10.5px ${colour("--sans")}`, size: 22, gap: 2,
            grid: { show: false }, ticks: { show: false },
            splits: (u) => timeMarks(props.span, u.width).map((m) => m.ms / 1000),
            values: (u) => timeMarks(props.span, u.width).map((m) => m.text),
          },
          {
            stroke: colour("--ink-3"), font: `10.5px ${colour("--sans")}`, size: GUTTER_LEFT, gap: 6,
            grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
            values: (_u, ticks) => ticks.map((t) => number(t)),
          },
        ],
        series: [
          {},
          ...names.map((label, i) => ({
            label, stroke: colour(seriesColour(i)), width: 1.5, points: { show: points, size: 4, fill: colour(seriesColour(i)) },
            show: only === null || only === i, spanGaps: false,
          })),
        ],
        hooks: {
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              const span = { start: u.posToVal(u.select.left, "x") * 1000, end: u.posToVal(u.select.left + u.select.width, "x") * 1000 };
              choose.current(span, strongestIn(only === null ? shown : [shown[only]!], span));
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          drawClear: [
            (u) => {
              const chosen = props.chosen;
              if (!chosen) return;
              const [a, b] = [u.valToPos(chosen.start / 1000, "x", true), u.valToPos(chosen.end / 1000, "x", true)];
              u.ctx.fillStyle = colour("--selection");
              u.ctx.fillRect(a, u.bbox.top, Math.max(1, b - a), u.bbox.height);
            },
          ],
          setCursor: [(u) => tell(u)],
        },
      },
      [data.times, ...data.columns] as uPlot.AlignedData,
      host.current!,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => host.current && chart.setSize({ width: width(), height: props.height }));
    observer.observe(host.current!);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [data, props.span.start, props.span.end, props.height, theme.value, utc.value, only, props.chosen?.start, props.chosen?.end]);

  const rows = useRef<HTMLTableSectionElement>(null);
  // The legend follows the cursor without a render.
  const tell = (u: uPlot): void => {
    const at = u.cursor.idx;
    rows.current?.querySelectorAll<HTMLElement>("tr").forEach((row) => {
      const value = at === null || at === undefined ? null : data.columns[Number(row.dataset["series"])]?.[at];
      row.querySelector(".at")!.textContent = value === null || value === undefined ? "" : number(value);
    });
  };

  const stats = useMemo(
    () =>
      data.columns.map((column) => {
        const values = column.filter((v): v is number => v !== null);
        return { last: values[values.length - 1] ?? NaN, min: values.reduce((a, b) => Math.min(a, b), Infinity), max: values.reduce((a, b) => Math.max(a, b), -Infinity) };
      }),
    [data],
  );
  const order = names.map((_n, i) => i).sort((a, b) => (stats[b]!.max || 0) - (stats[a]!.max || 0));
  return (
    <div class="chart">
      <div ref={host} role="img" aria-label={`${props.label}: ${props.series.length} series over time, in the table below`} style={{ height: `${props.height}px` }} />
      <div class="legend" tabIndex={0} role="region" aria-label="Series">
        <table>
          <thead><tr><th scope="col">series</th><th scope="col">at cursor</th><th scope="col">last</th><th scope="col">min</th><th scope="col">max</th></tr></thead>
          <tbody ref={rows}>
            {order.map((i) => (
              <tr key={i} data-series={i} data-dim={only !== null && only !== i}>
                <th scope="row">
                  <button type="button" class="bare" aria-pressed={only === i} onClick={() => setOnly(only === i ? null : i)}>
                    <i class="dot" style={{ background: `var(${seriesColour(i)})` }} /><bdi>{names[i]}</bdi>
                  </button>
                </th>
                <td class="at" /><td>{number(stats[i]!.last)}</td><td>{number(stats[i]!.min)}</td><td>{number(stats[i]!.max)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {props.series.length > MOST_SERIES && <p class="hint">{props.series.length - MOST_SERIES} more series are not shown; group by fewer labels, or take topk.</p>}
      </div>
    </div>
  );
}
