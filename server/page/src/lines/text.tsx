// A line's text on the screen. Every line is isolated from its surroundings in direction; what would be invisible or would turn the
// text around (control characters, direction marks, bytes that were no UTF-8) is shown as itself; terminal colours become colours;
// keys of JSON and logfmt step back, what the query looks for stands out.
import type { ComponentChildren, JSX } from "preact";

// Written in escapes, since its members cannot be seen.
const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffd]/g;
const ANSI = /\u001b\[([\d;]*)m/g;

// Characters of a line in a list; all of them are in its details.
export const SHOWN = 2000;

const CONTROLS = "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(" ");

function nameOf(c: string): string {
  const code = c.charCodeAt(0);
  if (code === 0xfffd) return "�";
  if (code < 0x20) return CONTROLS[code]!;
  if (code === 0x7f) return "DEL";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function titleOf(c: string): string {
  return c === "\ufffd" ? "a byte that is not UTF-8" : `character U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

function visible(text: string, key: string): ComponentChildren {
  ODD.lastIndex = 0;
  if (!ODD.test(text)) return text;
  const out: ComponentChildren[] = [];
  let from = 0;
  ODD.lastIndex = 0;
  for (let m = ODD.exec(text); m; m = ODD.exec(text)) {
    if (m.index > from) out.push(text.slice(from, m.index));
    out.push(<span class="odd" key={`${key}o${m.index}`} title={titleOf(m[0])}>{nameOf(m[0])}</span>);
    from = m.index + 1;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}

interface Piece {
  text: string;
  className: string;
}

// Values are matched too, so that nothing inside them is taken for punctuation.
const JSON_KEY = /("(?:[^"\\]|\\.)*"(?=\s*:)|[{}[\],:]+)|"(?:[^"\\]|\\.)*"/g;
const LOGFMT_KEY = /((?:^|(?<=\s))[a-zA-Z_][\w.-]*=)|"(?:[^"\\]|\\.)*"/g;

// Keys and punctuation of structured lines are pieces of their own.
function structure(text: string): Piece[] {
  const rule = /^\s*\{/.test(text) ? JSON_KEY : /(?:^|\s)\w[\w.-]*=\S/.test(text.slice(0, 200)) ? LOGFMT_KEY : null;
  if (!rule) return [{ text, className: "" }];
  const out: Piece[] = [];
  let from = 0;
  rule.lastIndex = 0;
  for (let m = rule.exec(text); m; m = rule.exec(text)) {
    if (m.index > from) out.push({ text: text.slice(from, m.index), className: "" });
    out.push({ text: m[0], className: m[1] === undefined ? "" : "key" });
    from = m.index + m[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), className: "" });
  return out;
}

// Escape sequences of terminals: colours and bold are kept, all else falls away.
function coloured(text: string): Piece[] {
  const out: Piece[] = [];
  let from = 0;
  let classes: string[] = [];
  ANSI.lastIndex = 0;
  for (let m = ANSI.exec(text); m; m = ANSI.exec(text)) {
    if (m.index > from) out.push({ text: text.slice(from, m.index), className: classes.join(" ") });
    for (const code of (m[1] || "0").split(";").map(Number)) {
      if (code === 0) classes = [];
      else if (code === 1) classes = [...classes, "ansi-bold"];
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97))
        classes = [...classes.filter((c) => !/^ansi-\d/.test(c)), `ansi-${code % 10}`];
    }
    from = m.index + m[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), className: classes.join(" ") });
  return out;
}

function marked(piece: Piece, mark: RegExp | null, key: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let from = 0;
  if (mark) {
    mark.lastIndex = 0;
    for (let m = mark.exec(piece.text); m; m = mark.exec(piece.text)) {
      if (!m[0]) {
        mark.lastIndex++;
        continue;
      }
      if (m.index > from) out.push(visible(piece.text.slice(from, m.index), `${key}b${from}`));
      out.push(<mark key={`${key}m${m.index}`}>{visible(m[0], `${key}m${m.index}`)}</mark>);
      from = m.index + m[0].length;
    }
  }
  if (from < piece.text.length) out.push(visible(piece.text.slice(from), `${key}e${from}`));
  return out;
}

// `most` characters are shown, 0 for all.
export function LineText(props: { line: string; mark: RegExp | null; most?: number }): JSX.Element {
  const most = props.most ?? SHOWN;
  const cut = most > 0 && props.line.length > most;
  const text = cut ? props.line.slice(0, most) : props.line;
  const pieces = text.includes("\u001b[") ? coloured(text) : structure(text);
  // A mark may lie over the border of two pieces: lines with marks are then shown without the keys stepping back.
  const crossing = props.mark !== null && pieces.length > 1 && !text.includes("\u001b[");
  const shown = crossing ? [{ text, className: "" }] : pieces;
  return (
    <bdi class="line-text">
      {shown.map((piece, i) =>
        piece.className ? (
          <span class={piece.className} key={i}>{marked(piece, props.mark, String(i))}</span>
        ) : (
          marked(piece, props.mark, String(i))
        ),
      )}
      {cut && <span class="cut"> … {props.line.length - most} more characters</span>}
    </bdi>
  );
}
