// Answers of a counting query as stacked buckets over time.
import type { LabelSet, Series } from "../api/logs";

export interface Stack<Key extends string = string> {
  keys: Key[];
  // Milliseconds of each bucket's end; a bucket holds what lies behind the end before it.
  ends: number[];
  // Per key, per bucket.
  values: Record<string, number[]>;
  totals: number[];
  stepMs: number;
}

// `keyOf` names the layer a series belongs to; `order` sorts layers from the bottom up.
export function stack<Key extends string>(series: Series[], stepMs: number, keyOf: (metric: LabelSet) => Key, order: readonly Key[]): Stack<Key> {
  const moments = new Set<number>();
  for (const s of series) for (const [t] of s.values) moments.add(Math.round(t * 1000));
  const ends = [...moments].sort((a, b) => a - b);
  const index = new Map(ends.map((end, i) => [end, i]));
  const values: Record<string, number[]> = {};
  const totals = new Array<number>(ends.length).fill(0);
  for (const s of series) {
    const key = keyOf(s.metric);
    const layer = (values[key] ??= new Array<number>(ends.length).fill(0));
    for (const [t, v] of s.values) {
      const i = index.get(Math.round(t * 1000))!;
      const n = Number(v);
      layer[i]! += n;
      totals[i]! += n;
    }
  }
  const sum = (key: string): number => values[key]!.reduce((a, b) => a + b, 0);
  const rank = (key: Key): number => (order.includes(key) ? order.indexOf(key) : order.length);
  const keys = (Object.keys(values) as Key[]).sort((a, b) => rank(a) - rank(b) || sum(b) - sum(a));
  return { keys, ends, values, totals, stepMs };
}

export function sumOf(stack: Stack, key: string): number {
  return (stack.values[key] ?? []).reduce((a, b) => a + b, 0);
}
