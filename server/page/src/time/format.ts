// Times and amounts as text. All times of the page go through here, so that the switch between local time and UTC holds everywhere.
import { signal } from "@preact/signals";
import { QUICK_RANGES, resolve, type Span, type TimeRange } from "./range";

export const utc = signal(localStorage.getItem("skald.utc") === "1");

export function setUtc(on: boolean): void {
  utc.value = on;
  localStorage.setItem("skald.utc", on ? "1" : "0");
}

const two = (n: number): string => String(n).padStart(2, "0");

interface Parts {
  date: string;
  clock: string;
  milli: string;
}

function parts(ms: number): Parts {
  const d = new Date(ms);
  const u = utc.value;
  const year = u ? d.getUTCFullYear() : d.getFullYear();
  const month = (u ? d.getUTCMonth() : d.getMonth()) + 1;
  const day = u ? d.getUTCDate() : d.getDate();
  const clock = u
    ? `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`
    : `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return { date: `${year}-${two(month)}-${two(day)}`, clock, milli: String(d.getUTCMilliseconds()).padStart(3, "0") };
}

export function clockTime(ms: number): string {
  const p = parts(ms);
  return `${p.clock}.${p.milli}`;
}

export function dayAndClock(ms: number): string {
  const p = parts(ms);
  return `${p.date.slice(5)} ${p.clock}.${p.milli}`;
}

export function dateTime(ms: number): string {
  const p = parts(ms);
  return `${p.date} ${p.clock}`;
}

// A 19-digit time with all its digits.
export function exactTime(ns: string): string {
  const ms = Number(ns.slice(0, -6));
  const p = parts(ms);
  const sub = ns.slice(-6);
  return `${p.date} ${p.clock}.${p.milli}${sub === "000000" ? "" : sub}`;
}

// Marks of a time axis: as much as tells neighbours apart.
export function axisTime(ms: number, span: Span): string {
  const p = parts(ms);
  const length = span.end - span.start;
  if (length > 3 * 86400e3) return p.date.slice(5);
  if (length > 86400e3) return `${p.date.slice(5)} ${p.clock.slice(0, 5)}`;
  return length > 600e3 ? p.clock.slice(0, 5) : p.clock;
}

export function rangeText(range: TimeRange): string {
  const quick = range.to === "now" && QUICK_RANGES.find(([from]) => from === range.from);
  if (quick) return quick[1];
  if (range.to === "now") return `${range.from} to now`;
  const { start, end } = resolve(range);
  const a = dateTime(start);
  const b = dateTime(end);
  return a.slice(0, 10) === b.slice(0, 10) ? `${a} – ${b.slice(11)}` : `${a} – ${b}`;
}

// The zone's name next to the switch.
export function zoneName(): string {
  if (utc.value) return "UTC";
  const offset = -new Date().getTimezoneOffset();
  const sign = offset < 0 ? "−" : "+";
  const a = Math.abs(offset);
  return `UTC${sign}${two(Math.floor(a / 60))}:${two(a % 60)}`;
}

export function duration(seconds: number): string {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${trim(seconds)} s`;
  // The two largest units, the second only where there is something of it.
  const two = (large: number, unit: string, rest: number, smaller: string): string => (rest > 0 ? `${large} ${unit} ${rest} ${smaller}` : `${large} ${unit}`);
  if (seconds < 3600) return two(Math.floor(seconds / 60), "m", Math.floor(seconds % 60), "s");
  if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "m");
  return two(Math.floor(seconds / 86400), "d", Math.floor((seconds % 86400) / 3600), "h");
}

export function ago(ms: number): string {
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  return seconds < 1 ? "now" : `${duration(Math.floor(seconds))} ago`;
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 ? n : trim(n)} ${units[i]}`;
}

export function plural(n: number, one: string): string {
  return `${count(n)} ${one}${n === 1 ? "" : "s"}`;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

// A sample's value: short, but never so short that two values look alike that are not.
export function number(n: number): string {
  if (!Number.isFinite(n)) return String(n);
  const a = Math.abs(n);
  if (a !== 0 && a < 0.001) return n.toExponential(2);
  if (a >= 1e12) return n.toExponential(3);
  if (a >= 1000) return n.toLocaleString("en-US", { maximumFractionDigits: 1 });
  return String(Number(n.toPrecision(4)));
}

function trim(n: number): string {
  return n >= 100 ? n.toFixed(0) : String(Number(n.toPrecision(3)));
}
