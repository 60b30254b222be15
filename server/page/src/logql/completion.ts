// What may come next at the cursor: labels and values as the server has them in the time range, stages, functions, fields found in lines.
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { detectedFields, labelNames, labelValues } from "../api/logs";
import { resolve, type TimeRange } from "../time/range";
import { logPartOf, selectorOf } from "./edit";
import { AGGREGATIONS, quote, RANGE_FUNCTIONS, tokens, type Token } from "./tokens";

const LINE_FILTERS: Completion[] = [
  { label: '|= ""', detail: "line contains", apply: caretBack('|= ""') },
  { label: '!= ""', detail: "line does not contain", apply: caretBack('!= ""') },
  { label: "|~ ``", detail: "line matches", apply: caretBack("|~ ``") },
  { label: "!~ ``", detail: "line does not match", apply: caretBack("!~ ``") },
];

const STAGE_HELP: Completion[] = [
  { label: "json", detail: "fields of JSON lines" },
  { label: "logfmt", detail: "fields of key=value lines" },
  { label: "pattern", detail: "fields by position", apply: caretBack("pattern ``") },
  { label: "regexp", detail: "fields by named groups", apply: caretBack("regexp ``") },
  { label: "unpack", detail: "what the pack stage packed" },
  { label: "line_format", detail: "rewrite the line", apply: caretBack("line_format ``") },
  { label: "label_format", detail: "rename or make labels" },
  { label: "unwrap", detail: "a field as the sample's value" },
  { label: "drop", detail: "remove labels" },
  { label: "keep", detail: "keep only these labels" },
  { label: "decolorize", detail: "without terminal colours" },
].map((c, i) => ({ ...c, type: "keyword", boost: 20 - i }));

const FUNCTIONS: Completion[] = [...RANGE_FUNCTIONS, ...AGGREGATIONS].map((label) => ({
  label,
  type: "function",
  apply: (view, _completion, from, to) => {
    const text = `${label}()`;
    view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length - 1 } });
  },
}));

const DURATIONS: Completion[] = ["1m", "5m", "10m", "30m", "1h", "6h", "1d"].map((label, i) => ({ label, type: "constant", boost: -i }));

// Inserts the text and puts the cursor before its last character.
function caretBack(text: string): NonNullable<Completion["apply"]> {
  return (view, _completion, from, to) =>
    view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length - 1 } });
}

const names = (list: string[], type: string): Completion[] => list.map((label) => ({ label, type }));

function valueCompletions(values: string[], quoted: string | null): Completion[] {
  return values.slice(0, 1000).map((value) => ({
    label: value,
    type: "text",
    apply: (view, _completion, from, to) => {
      // Inside quotes that are open, what follows up to the closing one goes with it.
      const after = view.state.sliceDoc(to, to + 1);
      const begin = quoted ? from - 1 : from;
      const end = quoted && after === quoted ? to + 1 : to;
      view.dispatch({ changes: { from: begin, to: end, insert: quote(value) }, selection: { anchor: begin + quote(value).length } });
    },
  }));
}

async function quiet<T>(promise: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await promise;
  } catch {
    return otherwise;
  }
}

// Where the cursor stands: in a selector, in a range, behind a pipe, ...
function last(all: Token[], back = 1): string {
  return all[all.length - back]?.text ?? "";
}

export function completionSource(range: () => TimeRange) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const whole = context.state.doc.toString();
    const before = whole.slice(0, context.pos);
    const all = tokens(before).filter((t) => t.kind !== "space");
    const span = resolve(range());
    let word = "";
    const tail = all[all.length - 1];
    if (tail && (tail.kind === "word" || tail.kind === "string") && tail.at + tail.text.length === before.length) {
      word = tail.text;
      all.pop();
    }
    const open = before.lastIndexOf("{") > before.lastIndexOf("}");
    const from = context.pos - word.length;

    if (open) {
      if (["=", "!=", "=~", "!~"].includes(last(all))) {
        const quoted = /^["`]/.test(word) ? word[0]! : null;
        if (quoted && word.length > 1 && word.endsWith(quoted)) return null;
        const values = await quiet(labelValues(last(all, 2), span), []);
        return { from: quoted ? from + 1 : from, options: valueCompletions(values, quoted), validFor: /^[^"`,}]*$/ };
      }
      if (last(all) === "{" || last(all) === ",")
        return { from, options: names(await quiet(labelNames(span), []), "property"), validFor: /^\w*$/ };
      return null;
    }
    if (/^["`]/.test(word)) return null;
    if (last(all) === "[") return { from: context.pos, options: DURATIONS };
    if (last(all) === "|") {
      const fields = await quiet(detectedFields(logPartOf(before.replace(/\|\s*\w*$/, "")) || selectorOf(whole), span), []);
      return { from, options: [...STAGE_HELP, ...names(fields.map((f) => f.label), "property")], validFor: /^\w*$/ };
    }
    if (last(all) === "unwrap") {
      const fields = await quiet(detectedFields(selectorOf(whole), span), []);
      const numeric = fields.filter((f) => f.type !== "string" && f.type !== "boolean");
      return { from, options: names(numeric.map((f) => f.label), "property"), validFor: /^\w*$/ };
    }
    const inGroup = /\b(by|without)\s*\([^()]*$/.test(before);
    if (inGroup) {
      const part = selectorOf(whole);
      const [labels, fields] = await Promise.all([quiet(labelNames(span), []), part ? quiet(detectedFields(part, span), []) : []]);
      return { from, options: names([...new Set([...labels, ...fields.map((f) => f.label)])], "property"), validFor: /^\w*$/ };
    }
    if (word && !before.includes("{")) return { from, options: FUNCTIONS, validFor: /^\w*$/ };
    if (!word && (last(all) === "}" || (context.explicit && before.includes("}"))) && /\s$/.test(before))
      return { from: context.pos, options: [...LINE_FILTERS, { label: "| json", detail: "fields of JSON lines" }, { label: "| logfmt", detail: "fields of key=value lines" }] };
    if (context.explicit && before.trim() === "") return { from: context.pos, options: [{ label: "{}", apply: caretBack("{}"), detail: "streams" }, ...FUNCTIONS] };
    return null;
  };
}
