// A range of time as people say it. `from` and `to` are either relative ("now", "now-15m") or milliseconds since 1970 as
// decimal text. Relative ranges move: they are resolved anew for each run of a query.

export interface TimeRange {
  from: string;
  to: string;
}

// Milliseconds since 1970, start inclusive, end exclusive.
export interface Span {
  start: number;
  end: number;
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

export const QUICK_RANGES: [string, string][] = [
  ["now-5m", "Last 5 minutes"],
  ["now-15m", "Last 15 minutes"],
  ["now-30m", "Last 30 minutes"],
  ["now-1h", "Last hour"],
  ["now-3h", "Last 3 hours"],
  ["now-6h", "Last 6 hours"],
  ["now-12h", "Last 12 hours"],
  ["now-24h", "Last 24 hours"],
  ["now-2d", "Last 2 days"],
  ["now-7d", "Last 7 days"],
  ["now-30d", "Last 30 days"],
];

// One end of a range in milliseconds; NaN for text that is none. Absolute times may also be written as a date.
export function parseMoment(text: string, now: number): number {
  const t = text.trim();
  if (t === "now") return now;
  const relative = /^now\s*-\s*(\d+)\s*([smhdw])$/.exec(t);
  if (relative) return now - Number(relative[1]) * (UNITS[relative[2] ?? "s"] ?? NaN);
  if (/^\d{10}$/.test(t)) return Number(t) * 1000;
  if (/^\d{11,14}$/.test(t)) return Number(t);
  if (/^\d{19}$/.test(t)) return Number(t.slice(0, 13));
  return /^\d{4}-\d\d-\d\d/.test(t) ? Date.parse(t.replace(" ", "T")) : NaN;
}

export function resolve(range: TimeRange, now = Date.now()): Span {
  const end = parseMoment(range.to, now);
  const start = parseMoment(range.from, now);
  if (Number.isNaN(start) || Number.isNaN(end) || start >= end) return { start: now - 3600e3, end: now };
  return { start, end };
}

export function absolute(span: Span): TimeRange {
  return { from: String(Math.floor(span.start)), to: String(Math.ceil(span.end)) };
}

export function isRelative(range: TimeRange): boolean {
  return range.from.startsWith("now") || range.to.startsWith("now");
}

// The range moved by a part of its own length; zoomed around its middle.
export function shift(range: TimeRange, part: number): TimeRange {
  const { start, end } = resolve(range);
  const by = (end - start) * part;
  return absolute({ start: start + by, end: end + by });
}

export function zoomOut(range: TimeRange): TimeRange {
  const { start, end } = resolve(range);
  const half = (end - start) / 2;
  return absolute({ start: start - half, end: Math.min(end + half, Date.now()) });
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 7 * 86400];

// A round step in seconds that divides the span into at most `most` buckets.
export function stepFor(span: Span, most: number): number {
  const seconds = (span.end - span.start) / 1000;
  return STEPS.find((step) => seconds / step <= most) ?? Math.ceil(seconds / most);
}

export function toNs(ms: number): string {
  return `${Math.floor(ms)}000000`;
}
