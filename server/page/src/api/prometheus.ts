// Metrics of the Prometheus that the server is configured with, asked through the server.
import { getJson } from "./client";
import type { Series } from "./logs";
import type { Span } from "../time/range";

export async function metricRange(query: string, span: Span, step: number, signal: AbortSignal): Promise<Series[]> {
  const params = { query, start: span.start / 1000, end: span.end / 1000, step };
  const answer = await getJson<{ data: { resultType: string; result: Series[] } }>("/skald/api/v1/prometheus/query_range", params, signal);
  return answer.data.result ?? [];
}

export async function metricNames(signal: AbortSignal): Promise<string[]> {
  return (await getJson<{ data?: string[] }>("/skald/api/v1/prometheus/metric_names", {}, signal)).data ?? [];
}
