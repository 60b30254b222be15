// Fields inside a line, as LogQL's json and logfmt stages would name them, so that a click can filter by what a query has not parsed yet.

export interface Field {
  name: string;
  value: string;
}

export interface LineFields {
  // The stage that makes these fields; null when the line has none.
  parser: "json" | "logfmt" | null;
  fields: Field[];
}

const MOST = 200;
const LONGEST_LINE = 200_000;

export function fieldsOf(line: string): LineFields {
  if (line.length > LONGEST_LINE) return { parser: null, fields: [] };
  const text = line.trim();
  if (text.startsWith("{")) {
    try {
      const fields: Field[] = [];
      flatten("", JSON.parse(text), fields);
      return { parser: "json", fields: fields.slice(0, MOST) };
    } catch {
      return { parser: null, fields: [] };
    }
  }
  const fields = logfmt(text);
  return fields.length >= 2 ? { parser: "logfmt", fields: fields.slice(0, MOST) } : { parser: null, fields: [] };
}

// Names of nested keys are joined by "_"; arrays are no fields.
function flatten(prefix: string, value: unknown, out: Field[]): void {
  if (value === null || Array.isArray(value)) return;
  if (typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) flatten(prefix ? `${prefix}_${labelName(key)}` : labelName(key), inner, out);
    return;
  }
  if (prefix) out.push({ name: prefix, value: String(value) });
}

function labelName(key: string): string {
  return key.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_");
}

function logfmt(text: string): Field[] {
  const fields: Field[] = [];
  const pair = /(?:^|\s)([a-zA-Z_][\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)/g;
  for (let match = pair.exec(text); match; match = pair.exec(text)) {
    const raw = match[2] ?? "";
    fields.push({ name: labelName(match[1] ?? ""), value: raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, "$1") : raw });
  }
  return fields;
}

const TRACE_NAMES = /^(trace_?id|traceID|x_b3_traceid|dd_trace_id|otelTraceID)$/i;

export function isTraceId(name: string, value: string): boolean {
  return TRACE_NAMES.test(name) && /^[0-9a-f-]{8,64}$/i.test(value);
}
