// The lines before and after one line in its own stream, whatever the query filters.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { textOf } from "../api/client";
import { queryRange } from "../api/logs";
import { addNs, sameRow, type Row } from "../lines/row";
import { LineText } from "../lines/text";
import { quote } from "../logql/tokens";
import { clockTime, exactTime } from "../time/format";
import { Icon } from "./icons";

const PAGE = 12;
const AROUND = 2n * 3600n * 1_000_000_000n;

// The selector of the stream a row is of.
function streamOf(row: Row): string {
  return `{${Object.entries(row.labels).map(([name, value]) => `${name}=${quote(value)}`).join(", ")}}`;
}

async function before(row: Row, stream: string, known: Row[]): Promise<Row[]> {
  const answer = await queryRange({ query: stream, start: addNs(row.ns, -AROUND), end: addNs(row.ns, 1n), limit: PAGE + known.length + 1, direction: "backward" });
  return answer.kind === "lines" ? answer.rows.filter((r) => !known.some((k) => sameRow(k, r))).slice(0, PAGE).reverse() : [];
}

async function after(row: Row, stream: string, known: Row[]): Promise<Row[]> {
  const answer = await queryRange({ query: stream, start: row.ns, end: addNs(row.ns, AROUND), limit: PAGE + known.length + 1, direction: "forward" });
  return answer.kind === "lines" ? answer.rows.filter((r) => !known.some((k) => sameRow(k, r))).slice(0, PAGE) : [];
}

export function LineContext(props: { row: Row; close: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const here = useRef<HTMLDivElement>(null);
  const [rows, setRows] = useState<Row[]>([props.row]);
  const [ends, setEnds] = useState({ first: false, last: false });
  const [fault, setFault] = useState("");
  const stream = streamOf(props.row);

  const grow = async (up: boolean, down: boolean, base: Row[]): Promise<void> => {
    try {
      const [older, newer] = await Promise.all([
        up ? before(base[0]!, stream, base.filter((r) => r.ns === base[0]!.ns)) : [],
        down ? after(base[base.length - 1]!, stream, base.filter((r) => r.ns === base[base.length - 1]!.ns)) : [],
      ]);
      setRows([...older, ...base, ...newer]);
      setEnds((e) => ({ first: e.first || (up && older.length < PAGE), last: e.last || (down && newer.length < PAGE) }));
    } catch (error) {
      setFault(textOf(error));
    }
  };

  useEffect(() => {
    dialog.current!.showModal();
    void grow(true, true, [props.row]).then(() => requestAnimationFrame(() => here.current?.scrollIntoView({ block: "center" })));
  }, []);

  return (
    <dialog class="context" ref={dialog} aria-label="Lines around this one" onClose={props.close} onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
      <header>
        <h2>Around {exactTime(props.row.ns)}</h2>
        <code><bdi>{stream}</bdi></code>
        <button type="button" class="bare" aria-label="Close" onClick={() => dialog.current?.close()}><Icon name="close" /></button>
      </header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <div class="scroll" tabIndex={0} role="region" aria-label="Lines">
        <button type="button" class="more" disabled={ends.first} onClick={() => void grow(true, false, rows)}>{ends.first ? "nothing earlier within two hours" : "earlier"}</button>
        {rows.map((row) => (
          <div key={row.id} class="log-row" data-level={row.level} data-here={row === props.row} ref={row === props.row ? here : null} aria-current={row === props.row ? "true" : undefined}>
            <span class="bar" />
            <time>{clockTime(row.ms)}</time>
            <LineText line={row.line} mark={null} />
          </div>
        ))}
        <button type="button" class="more" disabled={ends.last} onClick={() => void grow(false, true, rows)}>{ends.last ? "nothing later within two hours" : "later"}</button>
      </div>
    </dialog>
  );
}
