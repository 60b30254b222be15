// A log line as the page has it, and the merging of streams into one order.

export type Values = Record<string, string>;

export interface Row {
  // Nanoseconds since 1970 as decimal text: numbers of JavaScript have not enough digits.
  ns: string;
  ms: number;
  line: string;
  labels: Values;
  metadata: Values;
  parsed: Values;
  level: Level;
  // Tells rows apart on the page.
  id: number;
}

export interface StreamResult {
  stream: Values;
  values: [string, string, { structuredMetadata?: Values; parsed?: Values }?][];
}

export const LEVELS = ["critical", "error", "warn", "info", "debug", "trace", "unknown"] as const;
export type Level = (typeof LEVELS)[number];

const LEVEL_OF: Record<string, Level> = {
  critical: "critical", crit: "critical", fatal: "critical", emerg: "critical", alert: "critical", panic: "critical",
  error: "error", err: "error", eror: "error",
  warn: "warn", warning: "warn",
  info: "info", information: "info", notice: "info",
  debug: "debug", dbug: "debug",
  trace: "trace",
};

export function levelOf(text: string | undefined): Level {
  return (text && LEVEL_OF[text.toLowerCase()]) || "unknown";
}

let nextId = 1;

export function makeRow(ns: string, line: string, labels: Values, metadata: Values, parsed: Values): Row {
  const level = metadata["detected_level"] ?? parsed["level"] ?? labels["detected_level"] ?? labels["level"];
  return { ns, ms: Number(ns.slice(0, -6)), line, labels, metadata, parsed, level: levelOf(level), id: nextId++ };
}

const NOTHING: Values = {};

// All streams' lines in one order: newest first for backward, oldest first for forward. Lines of one time keep the order they came in.
export function rowsOfStreams(streams: StreamResult[], direction: "forward" | "backward"): Row[] {
  const rows: Row[] = [];
  for (const { stream, values } of streams)
    for (const [ns, line, more] of values)
      rows.push(makeRow(ns, line, stream, more?.structuredMetadata ?? NOTHING, more?.parsed ?? NOTHING));
  const sign = direction === "backward" ? -1 : 1;
  return rows.sort((a, b) => sign * compareNs(a.ns, b.ns));
}

export function compareNs(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function addNs(ns: string, by: bigint): string {
  return (BigInt(ns) + by).toString();
}

// The same line of the same stream, as two pages of an answer may both hold it.
export function sameRow(a: Row, b: Row): boolean {
  return a.ns === b.ns && a.line === b.line && JSON.stringify(a.labels) === JSON.stringify(b.labels);
}
