// Lines as a file: text, or JSON lines with everything that is known of a line. The whole range is asked for in pages, oldest first.
import { queryRange } from "../api/logs";
import { exactTime } from "../time/format";
import { toNs, type Span } from "../time/range";
import { addNs, sameRow, type Row } from "./row";

const PAGE = 5000;
export const MOST_LINES = 200_000;

export type FileKind = "text" | "jsonl";

function rowText(row: Row, kind: FileKind): string {
  if (kind === "text") return `${exactTime(row.ns)} ${row.line}`;
  return JSON.stringify({ timestamp: row.ns, line: row.line, labels: row.labels, metadata: row.metadata, parsed: row.parsed });
}

export async function download(query: string, span: Span, kind: FileKind, progress: (lines: number) => void, signal: AbortSignal): Promise<number> {
  const parts: string[] = [];
  let start = toNs(span.start);
  const end = toNs(span.end);
  let lines = 0;
  let seen: Row[] = [];
  while (lines < MOST_LINES) {
    const answer = await queryRange({ query, start, end, limit: PAGE, direction: "forward" }, signal);
    if (answer.kind !== "lines") throw new Error("only lines can be downloaded");
    const fresh = answer.rows.filter((row) => !seen.some((old) => sameRow(old, row)));
    for (const row of fresh) parts.push(rowText(row, kind) + "\n");
    lines += fresh.length;
    progress(lines);
    const last = answer.rows[answer.rows.length - 1];
    if (!last || answer.rows.length < PAGE) break;
    // The next page begins with the last time again: what of it was there is known and left out.
    start = fresh.length ? last.ns : addNs(last.ns, 1n);
    seen = answer.rows.filter((row) => row.ns === last.ns);
  }
  save(parts, kind);
  return lines;
}

function save(parts: string[], kind: FileKind): void {
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: kind === "text" ? "text/plain" : "application/x-ndjson" }));
  link.download = `skald-${stamp}.${kind === "text" ? "log" : "jsonl"}`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
