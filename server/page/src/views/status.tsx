// Status: is it ready, what is it doing, what is it set to.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { getJson, getText, textOf } from "../api/client";
import { parseMetrics, total, type Sample } from "../api/metrics_text";
import { useShortcuts } from "../app/keys";
import { runAgain, runs } from "../app/state";
import { bytes, count, duration } from "../time/format";

const EVERY_MS = 5_000;

interface Known {
  ready: string;
  version: string;
  services: [string, string][];
  samples: Sample[];
  config: string;
}

async function load(): Promise<Known> {
  const [ready, build, services, metrics, config] = await Promise.all([
    getText("/ready").catch(textOf),
    getJson<{ version: string }>("/loki/api/v1/status/buildinfo"),
    getText("/services"),
    getText("/metrics"),
    getText("/config"),
  ]);
  return {
    ready: ready.trim(),
    version: build.version,
    services: services.trim().split("\n").map((l): [string, string] => l.split(" => ") as [string, string]),
    samples: parseMetrics(metrics),
    config,
  };
}

interface Tile {
  name: string;
  value: string;
  bad?: boolean;
}

function tilesOf(known: Known): Tile[] {
  const s = known.samples;
  const tile = (name: string, metric: string, format: (n: number) => string, bad?: (n: number) => boolean): Tile[] => {
    const value = total(s, metric);
    return value === null ? [] : [{ name, value: format(value), bad: bad?.(value) ?? false }];
  };
  return [
    { name: "state", value: known.ready, bad: known.ready !== "ready" },
    { name: "version", value: known.version },
    ...tile("up for", "process_start_time_seconds", (n) => duration(Math.max(1, Math.floor(Date.now() / 1000 - n)))),
    ...tile("memory", "process_resident_memory_bytes", bytes),
    ...tile("active streams", "skald_store_active_streams", count),
    ...tile("lines taken in", "skald_store_appended_rows_total", count),
    ...tile("in memory", "skald_store_head_bytes", bytes),
    ...tile("segments", "skald_store_segments", count),
    ...tile("on disk", "skald_store_segment_bytes", bytes),
    ...tile("write-ahead log", "skald_wal_bytes", bytes),
    ...tile("lines refused", "loki_discarded_samples_total", count, (n) => n > 0),
    ...tile("queries running", "skald_queries_running", count),
    ...tile("queries waiting", "skald_queries_waiting", count, (n) => n > 0),
    ...tile("rule files with faults", "skald_rule_files_with_problems", count, (n) => n > 0),
  ];
}

interface RouteRow {
  route: string;
  requests: number;
  failed: number;
  mean: number;
}

function routesOf(samples: Sample[]): RouteRow[] {
  const rows = new Map<string, { requests: number; failed: number; seconds: number }>();
  for (const s of samples) {
    const isCount = s.name === "loki_request_duration_seconds_count";
    if (!isCount && s.name !== "loki_request_duration_seconds_sum") continue;
    const route = s.labels["route"] ?? "";
    const row = rows.get(route) ?? { requests: 0, failed: 0, seconds: 0 };
    if (!isCount) row.seconds += s.value;
    else {
      row.requests += s.value;
      if (/^5/.test(s.labels["status_code"] ?? "")) row.failed += s.value;
    }
    rows.set(route, row);
  }
  return [...rows].map(([route, r]) => ({ route, requests: r.requests, failed: r.failed, mean: r.requests ? r.seconds / r.requests : 0 })).sort((a, b) => b.requests - a.requests);
}

export function Status(): JSX.Element {
  const [known, setKnown] = useState<Known | null>(null);
  const [fault, setFault] = useState("");
  const [search, setSearch] = useState("");
  useEffect(() => {
    let stopped = false;
    const ask = (): void => void load().then((k) => !stopped && (setKnown(k), setFault("")), (error: unknown) => !stopped && setFault(textOf(error)));
    ask();
    const timer = window.setInterval(ask, EVERY_MS);
    return () => {
      stopped = true;
      window.clearInterval(timer);
    };
  }, [runs.value]);
  useShortcuts([{ keys: "r", title: "Ask again", group: "Query", run: runAgain }], []);
  const metrics = (known?.samples ?? []).filter((s) => !/_bucket$/.test(s.name) && `${s.name} ${Object.values(s.labels).join(" ")}`.includes(search.trim()));
  return (
    <div class="page-view">
      {fault && <p class="fault banner" role="alert">{fault}</p>}
      {known && (
        <>
          <div class="tiles">{tilesOf(known).map((t) => <div class="tile" key={t.name} data-state={t.bad ? "firing" : ""}><b>{t.value}</b><span>{t.name}</span></div>)}</div>
          <div class="columns">
            <section>
              <h2>Requests</h2>
              <div class="table-box" tabIndex={0} role="region" aria-label="Requests by path">
                <table>
                  <thead><tr><th scope="col">path</th><th scope="col" class="n">requests</th><th scope="col" class="n">failed</th><th scope="col" class="n">mean</th></tr></thead>
                  <tbody>{routesOf(known.samples).map((r) => <tr key={r.route}><th scope="row">{r.route}</th><td class="n">{count(r.requests)}</td><td class="n" data-bad={r.failed > 0}>{count(r.failed)}</td><td class="n">{duration(r.mean)}</td></tr>)}</tbody>
                </table>
              </div>
              <h2>Parts</h2>
              <ul class="parts">{known.services.map(([name, state]) => <li key={name}><span class="state" data-state={state === "Running" ? "ok" : "firing"}>{state}</span> {name}</li>)}</ul>
              <h2>Metrics <small>{count(metrics.length)} of <a href="./metrics">/metrics</a></small></h2>
              <input type="search" placeholder="Find a metric" aria-label="Find a metric" value={search} onInput={(e) => setSearch(e.currentTarget.value)} />
              <div class="table-box tall" tabIndex={0} role="region" aria-label="Metrics">
                <table><tbody>{metrics.slice(0, 300).map((s, i) => <tr key={i}><th scope="row">{s.name}<small>{Object.entries(s.labels).map(([k, v]) => ` ${k}=${v}`).join("")}</small></th><td class="n">{s.value}</td></tr>)}</tbody></table>
              </div>
            </section>
            <section>
              <h2>Settings in force <small><a href="./config">/config</a></small></h2>
              <pre class="config" tabIndex={0} role="region" aria-label="Settings">{known.config}</pre>
            </section>
          </div>
        </>
      )}
    </div>
  );
}
