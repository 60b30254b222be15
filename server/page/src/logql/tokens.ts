// LogQL cut into tokens: enough for colours, completion and editing a query in place. What is right and wrong is the server's
// parser's business; here every text has tokens.

export type TokenKind = "space" | "comment" | "string" | "number" | "word" | "operator" | "bracket" | "odd";

export interface Token {
  kind: TokenKind;
  text: string;
  // Offset of its first character.
  at: number;
}

const RULES: [TokenKind, RegExp][] = [
  ["space", /\s+/y],
  ["comment", /#[^\n]*/y],
  ["string", /"(?:[^"\\\n]|\\.)*(?:"|$)|`[^`]*(?:`|$)/y],
  ["number", /\d+(?:\.\d+)?(?:[a-zA-Zµ]+(?:\d+[a-zA-Zµ]+)*)?/y],
  ["word", /[\p{L}_][\p{L}\p{N}_:.]*/uy],
  ["operator", /\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[|=<>+\-*/%^,]/y],
  ["bracket", /[{}()[\]]/y],
  ["odd", /[^]/y],
];

export function tokens(query: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < query.length) {
    for (const [kind, rule] of RULES) {
      rule.lastIndex = at;
      const match = rule.exec(query);
      if (!match || !match[0]) continue;
      found.push({ kind, text: match[0], at });
      at += match[0].length;
      break;
    }
  }
  return found;
}

export const STAGES = ["json", "logfmt", "pattern", "regexp", "unpack", "line_format", "label_format", "unwrap", "drop", "keep", "decolorize"];

export const RANGE_FUNCTIONS = [
  "rate", "count_over_time", "bytes_rate", "bytes_over_time", "sum_over_time", "avg_over_time", "max_over_time", "min_over_time",
  "quantile_over_time", "first_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time", "rate_counter", "absent_over_time",
];

export const AGGREGATIONS = ["sum", "avg", "min", "max", "count", "topk", "bottomk", "stddev", "stdvar", "sort", "sort_desc", "approx_topk"];

export const KEYWORDS = [
  "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless", "ip", "vector", "label_replace",
];

// A string token's value; null when it is not closed or has an escape that is none.
export function unquote(text: string): string | null {
  if (text.length < 2) return null;
  if (text.startsWith("`")) return text.endsWith("`") ? text.slice(1, -1) : null;
  if (!text.endsWith('"')) return null;
  try {
    return JSON.parse(text.replace(/\\x([0-9a-fA-F]{2})/g, "\\u00$1").replace(/\\a/g, "\\u0007").replace(/\\v/g, "\\u000b")) as string;
  } catch {
    return null;
  }
}

// A text as a LogQL string, in the form that needs least escaping.
export function quote(text: string): string {
  if (/["\\]/.test(text) && !/[`\r\n]/.test(text)) return `\`${text}\``;
  return JSON.stringify(text);
}
