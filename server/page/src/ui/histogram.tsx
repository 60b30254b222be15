// Amounts over time as stacked bars. Dragging over it chooses a part of the time; pointing at a bar tells its numbers.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { colour, theme } from "../app/theme";
import { count, dateTime, number, utc } from "../time/format";
import type { Span } from "../time/range";
import { roundTop, timeMarks, timeScale } from "./axis";
import { sumOf, type Stack } from "./buckets";
import { useDrag } from "./drag";

export interface HistogramProps {
  stack: Stack;
  span: Span;
  // The style sheet's name of a layer's colour.
  colourOf: (key: string, index: number) => string;
  label: string;
  height: number;
  format?: (n: number) => string;
  // A part of the time was dragged over.
  choose: (span: Span) => void;
  // Shown as chosen.
  chosen?: Span | null;
}

function draw(canvas: HTMLCanvasElement, width: number, props: HistogramProps, hover: number | null): void {
  const ratio = window.devicePixelRatio || 1;
  const { height, stack, span } = props;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d")!;
  g.scale(ratio, ratio);
  g.font = `10.5px ${colour("--sans")}`;
  const scale = timeScale(span, width);
  const bottom = height - 18;
  const top = roundTop(Math.max(0, ...stack.totals));
  const y = (v: number): number => bottom - (v / top) * (bottom - 8);
  g.textBaseline = "middle";
  for (const v of [0, top / 2, top]) {
    g.fillStyle = colour(v === 0 ? "--line-2" : "--line");
    g.fillRect(scale.x(span.start), Math.round(y(v)), scale.x(span.end) - scale.x(span.start), 1);
    if (v === 0) continue;
    g.fillStyle = colour("--ink-3");
    g.textAlign = "right";
    g.fillText((props.format ?? short)(v), scale.x(span.start) - 8, y(v) + 1);
  }
  g.textAlign = "center";
  for (const mark of timeMarks(span, width)) {
    const x = scale.x(mark.ms);
    g.fillStyle = colour("--ink-3");
    if (x > scale.x(span.start) + 14 && x < scale.x(span.end) - 14) g.fillText(mark.text, x, height - 7);
  }
  const colours = stack.keys.map((key, i) => colour(props.colourOf(key, i)));
  stack.ends.forEach((end, i) => {
    const x0 = Math.max(scale.x(end - stack.stepMs), scale.x(span.start));
    const x1 = Math.min(scale.x(end), scale.x(span.end));
    if (x1 <= x0) return;
    const w = Math.max(1, x1 - x0 - (x1 - x0 > 4 ? 1 : 0.25));
    let base = 0;
    g.globalAlpha = hover === null || hover === i ? 1 : 0.55;
    stack.keys.forEach((key, k) => {
      const v = stack.values[key]![i]!;
      if (v <= 0) return;
      // What is there is seen, be it ever so little.
      const h = Math.max(1, y(base) - y(base + v));
      g.fillStyle = colours[k]!;
      g.fillRect(x0, y(base) - h, w, h);
      base += v;
    });
  });
  g.globalAlpha = 1;
}

function short(n: number): string {
  if (n >= 1e6) return `${Number((n / 1e6).toPrecision(3))}M`;
  if (n >= 1e3) return `${Number((n / 1e3).toPrecision(3))}k`;
  return number(n);
}

export function Histogram(props: HistogramProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [pointer, setPointer] = useState<number | null>(null);
  const { stack, span } = props;
  const scale = timeScale(span, width);
  const { drag, handlers } = useDrag((d) => props.choose({ start: scale.ms(d.from), end: scale.ms(d.to) }));

  useEffect(() => {
    const observer = new ResizeObserver(() => box.current && setWidth(box.current.clientWidth));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  const at = pointer === null ? NaN : scale.ms(pointer);
  const found = stack.ends.findIndex((end) => at > end - stack.stepMs && at <= end);
  const hover = pointer === null || found < 0 ? null : found;

  useLayoutEffect(() => {
    if (canvas.current && width) draw(canvas.current, width, props, hover);
  }, [width, stack, span.start, span.end, theme.value, utc.value, hover, props.height]);

  const format = props.format ?? count;
  const total = stack.totals.reduce((a, b) => a + b, 0);
  const words = `${props.label}: ${format(total)} in all; ${stack.keys.map((key) => `${key} ${format(sumOf(stack, key))}`).join(", ")}`;
  const chosen = drag ? { start: scale.ms(drag.from), end: scale.ms(drag.to) } : props.chosen;
  const [a, b] = chosen ? [chosen.start, chosen.end].map(scale.x).sort((x, y) => x - y) as [number, number] : [0, 0];
  return (
    <div class="histogram" ref={box} style={{ height: `${props.height}px` }} {...handlers}
      onPointerMove={(e) => { handlers.onPointerMove(e); setPointer(e.clientX - e.currentTarget.getBoundingClientRect().left); }}
      onPointerLeave={() => setPointer(null)}>
      <canvas ref={canvas} role="img" aria-label={words} />
      {chosen && <div class="chosen" style={{ left: `${a}px`, width: `${Math.max(1, b - a)}px` }} />}
      {hover !== null && !drag && (
        <div class="tip" style={pointer! > width / 2 ? { right: `${width - pointer! + 12}px` } : { left: `${pointer! + 12}px` }}>
          <b>{dateTime(stack.ends[hover]! - stack.stepMs)}</b>
          {[...stack.keys].reverse().map((key) => stack.values[key]![hover]! > 0 && (
            <div key={key}><i class="dot" style={{ background: `var(${props.colourOf(key, stack.keys.indexOf(key))})` }} />{key}<span>{format(stack.values[key]![hover]!)}</span></div>
          ))}
        </div>
      )}
    </div>
  );
}
