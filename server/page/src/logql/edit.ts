// Changes to a query that a click makes: one more matcher, one more filter. The rest of the text stays as it was written.
import { quote, tokens, unquote, type Token } from "./tokens";

interface Selector {
  // Offsets of the braces.
  open: number;
  close: number;
  inside: Token[];
}

function solid(query: string): Token[] {
  return tokens(query).filter((t) => t.kind !== "space" && t.kind !== "comment");
}

function firstSelector(query: string): Selector | null {
  const all = solid(query);
  const open = all.findIndex((t) => t.text === "{");
  if (open < 0) return null;
  const close = all.findIndex((t, i) => i > open && t.text === "}");
  if (close < 0) return null;
  return { open: all[open]!.at, close: all[close]!.at, inside: all.slice(open + 1, close) };
}

// `{...}` of the query's first selector, "" without one.
export function selectorOf(query: string): string {
  const found = firstSelector(query);
  return found ? query.slice(found.open, found.close + 1) : "";
}

// The log query inside: from the first selector to the range, or to the end of a query of lines.
export function logPartOf(query: string): string {
  const found = firstSelector(query);
  if (!found) return "";
  let depth = 0;
  for (const token of solid(query)) {
    if (token.at <= found.close) continue;
    if (token.text === "[") return query.slice(found.open, token.at).trim();
    if (token.text === "(") depth++;
    if (token.text === ")" && --depth < 0) return query.slice(found.open, token.at).trim();
  }
  return query.slice(found.open).trim();
}

export function isMetric(query: string): boolean {
  const first = solid(query)[0];
  return first !== undefined && first.text !== "{";
}

export type MatchOperator = "=" | "!=" | "=~" | "!~";

// One more matcher on a stream label. The opposite matcher on the same value goes; an equal one on another value is replaced.
export function withMatcher(query: string, name: string, op: MatchOperator, value: string): string {
  const found = firstSelector(query);
  if (!found) return `{${name}${op}${quote(value)}}${query.trim() ? ` ${query.trim()}` : ""}`;
  const kept: string[] = [];
  for (let i = 0; i + 2 < found.inside.length; i += 4) {
    const [label, operator, text] = [found.inside[i]!, found.inside[i + 1]!, found.inside[i + 2]!];
    const same = label.text === name && unquote(text.text) === value;
    const replaced = label.text === name && op === "=" && (operator.text === "=" || operator.text === "=~");
    if (!same && !replaced) kept.push(query.slice(label.at, text.at + text.text.length));
  }
  // `{app=~".+"}` was only there because a selector needs something.
  const needed = kept.filter((matcher) => op !== "=" || kept.length !== 1 || !/=~\s*["`]\.\+["`]$/.test(matcher));
  return `${query.slice(0, found.open)}{${[...needed, `${name}${op}${quote(value)}`].join(", ")}${query.slice(found.close)}`;
}

// One more stage at the end of the log part.
export function withStage(query: string, stage: string): string {
  const part = logPartOf(query);
  if (!part) return query;
  const at = query.indexOf(part) + part.length;
  return `${query.slice(0, at)} ${stage}${query.slice(at)}`;
}

// A filter on a label that is no stream label; `parser` names the stage that makes it, where one has to be there.
export function withFieldFilter(query: string, name: string, op: MatchOperator, value: string, parser: string | null): string {
  const has = parser !== null && solid(logPartOf(query)).some((t) => t.kind === "word" && t.text === parser);
  const filter = `| ${name}${op}${quote(value)}`;
  return withStage(query, parser !== null && !has ? `| ${parser} ${filter}` : filter);
}

export function withLineFilter(query: string, op: "|=" | "!=", text: string): string {
  const found = firstSelector(query);
  if (!found) return query;
  return `${query.slice(0, found.close + 1)} ${op} ${quote(text)}${query.slice(found.close + 1)}`;
}

// What line filters look for, as one expression to mark it in lines; null when there is nothing to mark.
export function markedBy(query: string): RegExp | null {
  const all = solid(query);
  const parts: string[] = [];
  all.forEach((token, i) => {
    if (token.text !== "|=" && token.text !== "|~") return;
    for (let j = i + 1; j < all.length; j += 2) {
      const value = all[j]!.kind === "string" ? unquote(all[j]!.text) : null;
      if (value) {
        const pattern = token.text === "|=" ? value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") : asJavaScript(value);
        if (pattern) parts.push(pattern);
      }
      if (all[j + 1]?.text !== "or") break;
    }
  });
  try {
    return parts.length ? new RegExp(parts.join("|"), "gu") : null;
  } catch {
    return null;
  }
}

// RE2's expression as JavaScript's, with (?i) spelled as classes; "" where that cannot be said.
function asJavaScript(pattern: string): string {
  const insensitive = pattern.startsWith("(?i)");
  let text = insensitive ? pattern.slice(4) : pattern;
  if (/\(\?[^:]|[`]|\\[pPQEzAC]/.test(text)) return "";
  if (insensitive) {
    if (/[[\]\\]/.test(text)) return "";
    text = text.replace(/\p{L}/gu, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
  }
  try {
    new RegExp(text, "u");
    return `(?:${text})`;
  } catch {
    return "";
  }
}
