// How many lines of each level; a click takes only those, with Alt all others.
import type { JSX } from "preact";
import type { Level } from "../lines/row";
import { count } from "../time/format";
import { sumOf, type Stack } from "./buckets";

export function LevelLegend(props: { stack: Stack; pick: (level: Level, op: "=" | "!=") => void }): JSX.Element {
  return (
    <div class="levels" role="group" aria-label="Levels">
      {[...props.stack.keys].reverse().map((key) => (
        <button type="button" class="bare" key={key} title={`Only ${key}; with Alt: without`} onClick={(e) => props.pick(key as Level, e.altKey ? "!=" : "=")}>
          <i class="dot" style={{ background: `var(--level-${key})` }} />{key} <small>{count(sumOf(props.stack, key))}</small>
        </button>
      ))}
    </div>
  );
}
