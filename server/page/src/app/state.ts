// What the page shows, as signals, kept in the address: an address that is sent to somebody shows them the same.
import { batch, signal } from "@preact/signals";
import { absolute, resolve, type TimeRange } from "../time/range";

export const VIEWS = ["explore", "correlate", "alerts", "targets", "status"] as const;
export type ViewName = (typeof VIEWS)[number];
export type MetricSource = "prometheus" | "logql";

export const view = signal<ViewName>("explore");
// The query that was run last; what is being typed is the editor's.
export const query = signal("");
export const range = signal<TimeRange>({ from: "now-1h", to: "now" });
export const limit = signal(1000);
export const newestFirst = signal(true);
// Of the correlate view.
export const metric = signal("");
export const metricSource = signal<MetricSource>("logql");
// Counts up when the same question is to be asked again.
export const runs = signal(0);
export const wrap = signal(localStorage.getItem("skald.wrap") === "1");

export interface Place {
  view: ViewName;
  query: string;
  range: TimeRange;
  limit: number;
  newestFirst: boolean;
  metric: string;
  metricSource: MetricSource;
}

export function here(): Place {
  return {
    view: view.value,
    query: query.value,
    range: range.value,
    limit: limit.value,
    newestFirst: newestFirst.value,
    metric: metric.value,
    metricSource: metricSource.value,
  };
}

export function hashOf(place: Place): string {
  const search = new URLSearchParams();
  if (place.query) search.set("q", place.query);
  search.set("from", place.range.from);
  search.set("to", place.range.to);
  if (place.limit !== 1000) search.set("limit", String(place.limit));
  if (!place.newestFirst) search.set("order", "oldest");
  if (place.view === "correlate" && place.metric) {
    search.set("metric", place.metric);
    search.set("source", place.metricSource);
  }
  return `#/${place.view}?${search.toString()}`;
}

// Goes to a place: the back button comes back.
export function go(change: Partial<Place>): void {
  const place = { ...here(), ...change };
  const hash = hashOf(place);
  if (hash !== location.hash) history.pushState(null, "", hash);
  take(place);
}

export function runAgain(): void {
  runs.value++;
}

function take(place: Place): void {
  batch(() => {
    view.value = place.view;
    query.value = place.query;
    range.value = place.range;
    limit.value = place.limit;
    newestFirst.value = place.newestFirst;
    metric.value = place.metric;
    metricSource.value = place.metricSource;
    runs.value++;
  });
}

function fromAddress(): void {
  const match = /^#\/(\w+)(?:\?(.*))?$/s.exec(location.hash);
  const name = match?.[1] as ViewName | undefined;
  const search = new URLSearchParams(match?.[2] ?? "");
  const wanted = Number(search.get("limit") ?? 1000);
  take({
    view: name && VIEWS.includes(name) ? name : "explore",
    query: search.get("q") ?? "",
    range: { from: search.get("from") ?? "now-1h", to: search.get("to") ?? "now" },
    limit: Number.isInteger(wanted) && wanted > 0 ? Math.min(wanted, 5000) : 1000,
    newestFirst: search.get("order") !== "oldest",
    metric: search.get("metric") ?? "",
    metricSource: search.get("source") === "prometheus" ? "prometheus" : "logql",
  });
}

// An address that shows the same moment tomorrow too.
export function lastingAddress(): string {
  return new URL(hashOf({ ...here(), range: absolute(resolve(range.value)) }), location.href).toString();
}

export function setWrap(on: boolean): void {
  wrap.value = on;
  localStorage.setItem("skald.wrap", on ? "1" : "0");
}

export function startState(): void {
  fromAddress();
  window.addEventListener("popstate", fromAddress);
}
