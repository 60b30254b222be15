// Questions about lines, labels and volumes.
import { rowsOfStreams, type Row, type StreamResult } from "../lines/row";
import { toNs, type Span } from "../time/range";
import { getJson, type Params } from "./client";

export type LabelSet = Record<string, string>;

export interface Series {
  metric: LabelSet;
  // Seconds since 1970, value as text.
  values: [number, string][];
}

export interface Stats {
  bytes: number;
  lines: number;
  seconds: number;
}

export type RangeAnswer =
  | { kind: "lines"; rows: Row[]; stats: Stats; warnings: string[] }
  | { kind: "series"; series: Series[]; stats: Stats; warnings: string[]; step: number };

interface QueryResponse {
  warnings?: string[];
  data: {
    resultType: "streams" | "matrix" | "vector" | "scalar";
    result: unknown;
    stats?: { summary?: { totalBytesProcessed?: number; totalLinesProcessed?: number; execTime?: number } };
  };
}

export interface RangeQuestion {
  query: string;
  // Nanoseconds as decimal text; start inclusive, end exclusive.
  start: string;
  end: string;
  limit?: number;
  step?: number;
  direction?: "forward" | "backward";
}

export async function queryRange(q: RangeQuestion, signal?: AbortSignal): Promise<RangeAnswer> {
  const params: Params = { query: q.query, start: q.start, end: q.end, limit: q.limit, direction: q.direction, step: q.step };
  const answer = await getJson<QueryResponse>("/loki/api/v1/query_range", params, signal);
  const summary = answer.data.stats?.summary;
  const stats = {
    bytes: summary?.totalBytesProcessed ?? 0,
    lines: summary?.totalLinesProcessed ?? 0,
    seconds: summary?.execTime ?? 0,
  };
  const warnings = answer.warnings ?? [];
  if (answer.data.resultType === "streams")
    return { kind: "lines", rows: rowsOfStreams(answer.data.result as StreamResult[], q.direction ?? "backward"), stats, warnings };
  return { kind: "series", series: (answer.data.result as Series[]) ?? [], stats, warnings, step: q.step ?? 0 };
}

// Lines by level over time: what the histogram shows.
export async function levelVolume(query: string, span: Span, step: number, signal?: AbortSignal): Promise<Series[]> {
  const answer = await queryRange(
    {
      query: `sum by (level, detected_level) (count_over_time(${query} | drop __error__ [${step}s]))`,
      start: toNs(span.start),
      end: toNs(span.end),
      step,
    },
    signal,
  );
  return answer.kind === "series" ? answer.series : [];
}

const bounds = (span: Span): Params => ({ start: toNs(span.start), end: toNs(span.end) });

export async function labelNames(span: Span, query?: string, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>("/loki/api/v1/labels", { ...bounds(span), query }, signal);
  return (answer.data ?? []).filter((name) => !name.startsWith("__"));
}

export async function labelValues(name: string, span: Span, query?: string, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>(`/loki/api/v1/label/${encodeURIComponent(name)}/values`, { ...bounds(span), query }, signal);
  return answer.data ?? [];
}

export interface Volume {
  value: string;
  bytes: number;
}

// Bytes by the values of one label, most first.
export async function volumeBy(label: string, selector: string, span: Span, signal?: AbortSignal): Promise<Volume[]> {
  const answer = await getJson<{ data: { result: { metric: LabelSet; value: [number, string] }[] } }>(
    "/loki/api/v1/index/volume",
    { ...bounds(span), query: selector, targetLabels: label, aggregateBy: "series", limit: 500 },
    signal,
  );
  return answer.data.result
    .map((entry) => ({ value: entry.metric[label] ?? "", bytes: Number(entry.value[1]) }))
    .filter((entry) => entry.value !== "")
    .sort((a, b) => b.bytes - a.bytes);
}

export interface DetectedField {
  label: string;
  type: string;
  cardinality: number;
  parsers: string[] | null;
}

export async function detectedFields(query: string, span: Span, signal?: AbortSignal): Promise<DetectedField[]> {
  const answer = await getJson<{ fields?: DetectedField[] }>("/loki/api/v1/detected_fields", { ...bounds(span), query, limit: 200 }, signal);
  return answer.fields ?? [];
}

export async function detectedValues(field: string, query: string, span: Span, signal?: AbortSignal): Promise<string[]> {
  const path = `/loki/api/v1/detected_field/${encodeURIComponent(field)}/values`;
  const answer = await getJson<{ values?: string[] }>(path, { ...bounds(span), query, limit: 50 }, signal);
  return answer.values ?? [];
}

export interface QueryFault {
  message: string;
  // 1-based; 0 when the fault is of the whole query.
  line: number;
  col: number;
}

// What the server's own parser finds wrong; null for a good query.
export async function faultOf(query: string, signal?: AbortSignal): Promise<QueryFault | null> {
  try {
    await getJson("/loki/api/v1/format_query", { query }, signal);
    return null;
  } catch (error) {
    if (!(error instanceof Error) || error.name === "AbortError") throw error;
    const at = /^parse error at line (\d+), col (\d+): (.*)$/s.exec(error.message);
    if (at) return { message: at[3] ?? "", line: Number(at[1]), col: Number(at[2]) };
    return { message: error.message.replace(/^parse error : /, ""), line: 0, col: 0 };
  }
}

export async function formatQuery(query: string): Promise<string> {
  return (await getJson<{ data: string }>("/loki/api/v1/format_query", { query })).data;
}
