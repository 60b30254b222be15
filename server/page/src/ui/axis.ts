// What all panels above the lines share: the place of the time axis, so that a moment stands at the same x in each of them.
import { axisTime } from "../time/format";
import type { Span } from "../time/range";

// Pixels left and right of the drawing.
export const GUTTER_LEFT = 52;
export const GUTTER_RIGHT = 10;

export interface Scale {
  x: (ms: number) => number;
  ms: (x: number) => number;
  width: number;
}

export function timeScale(span: Span, width: number): Scale {
  const inner = Math.max(1, width - GUTTER_LEFT - GUTTER_RIGHT);
  const length = span.end - span.start;
  return {
    width,
    x: (ms) => GUTTER_LEFT + ((ms - span.start) / length) * inner,
    ms: (x) => span.start + (Math.min(Math.max(x - GUTTER_LEFT, 0), inner) / inner) * length,
  };
}

const EVERY = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];

// Round moments for marks, some 110 pixels apart.
export function timeMarks(span: Span, width: number): { ms: number; text: string }[] {
  const wanted = (span.end - span.start) / 1000 / Math.max(1, (width - GUTTER_LEFT) / 110);
  const every = (EVERY.find((e) => e >= wanted) ?? 2592000) * 1000;
  const zone = new Date(span.start).getTimezoneOffset() * 60e3;
  const marks: { ms: number; text: string }[] = [];
  for (let ms = Math.ceil((span.start - zone) / every) * every + zone; ms <= span.end; ms += every)
    marks.push({ ms, text: axisTime(ms, span) });
  return marks;
}

// A round top of a value axis, at or above the greatest value.
export function roundTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}
