// LogQL's colours and indentation for the editor.
import { HighlightStyle, LanguageSupport, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import { AGGREGATIONS, KEYWORDS, RANGE_FUNCTIONS, STAGES } from "./tokens";

const functions = new Set([...AGGREGATIONS, ...RANGE_FUNCTIONS, "label_replace", "vector", "ip"]);
const keywords = new Set(KEYWORDS);
const stages = new Set(STAGES);

interface State {
  // Inside a `...` string that goes over lines.
  raw: boolean;
  inSelector: boolean;
  afterPipe: boolean;
}

const logql = StreamLanguage.define<State>({
  name: "logql",
  startState: () => ({ raw: false, inSelector: false, afterPipe: false }),
  token(stream, state) {
    if (state.raw) {
      while (!stream.eol()) if (stream.next() === "`") return (state.raw = false), "string";
      return "string";
    }
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.eat("`")) {
      state.raw = true;
      while (!stream.eol()) if (stream.next() === "`") return (state.raw = false), "string";
      return "string";
    }
    if (stream.match(/^\d[\w.µ]*/)) return "number";
    if (stream.match(/^(\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=)/)) return "operator";
    if (stream.eat("|")) {
      state.afterPipe = true;
      return "operator";
    }
    const word = stream.match(/^[\p{L}_][\p{L}\p{N}_:.]*/u) as RegExpMatchArray | null;
    if (word) {
      const stage = state.afterPipe && stages.has(word[0]);
      state.afterPipe = false;
      if (stage) return "keyword";
      if (!state.inSelector && functions.has(word[0]) && stream.match(/^\s*(\(|by\b|without\b)/, false)) return "variableName.function";
      if (!state.inSelector && keywords.has(word[0])) return "keyword";
      return "propertyName";
    }
    const c = stream.next();
    if (c === "{") state.inSelector = true;
    if (c === "}") state.inSelector = false;
    return c && "{}()[]".includes(c) ? "bracket" : "operator";
  },
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"', "`"] } },
});

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--ink-3)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--syn-string)" },
  { tag: tags.number, color: "var(--syn-number)" },
  { tag: tags.keyword, color: "var(--syn-keyword)" },
  { tag: tags.function(tags.variableName), color: "var(--syn-function)" },
  { tag: tags.propertyName, color: "var(--syn-label)" },
  { tag: [tags.operator, tags.bracket], color: "var(--ink-2)" },
]);

export function logqlSupport(): LanguageSupport {
  return new LanguageSupport(logql, syntaxHighlighting(colours));
}
