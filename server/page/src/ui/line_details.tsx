// All of one line: its exact time, its text, and its fields, each of which filters with one click.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { copy } from "../app/notice";
import { traceLink } from "../app/page_info";
import { fieldsOf, isTraceId } from "../lines/fields";
import type { Row } from "../lines/row";
import { LineText } from "../lines/text";
import type { MatchOperator } from "../logql/edit";
import { exactTime } from "../time/format";
import { Icon } from "./icons";

export type FieldKind = "label" | "metadata" | "parsed" | "json" | "logfmt";

export interface LineDetailsProps {
  row: Row;
  mark: RegExp | null;
  filter: (kind: FieldKind, name: string, op: MatchOperator, value: string) => void;
  context: () => void;
  trace: (id: string) => void;
  close: () => void;
}

function Fields(props: { title: string; kind: FieldKind; entries: [string, string][]; filter: LineDetailsProps["filter"]; trace: LineDetailsProps["trace"] }): JSX.Element | null {
  if (!props.entries.length) return null;
  return (
    <section class="fields">
      <h3>{props.title}</h3>
      <dl>
        {props.entries.map(([name, value]) => (
          <div class="field" key={name}>
            <dt><bdi>{name}</bdi></dt>
            <dd>
              <bdi class="value">{value === "" ? <i class="hint">empty</i> : <LineText line={value} mark={null} />}</bdi>
              {isTraceId(name, value) && (
                <span class="trace">
                  <button type="button" class="link" onClick={() => props.trace(value)}>lines of this trace</button>
                  {traceLink(value) && <a class="link" href={traceLink(value)} target="_blank" rel="noopener noreferrer">open trace <Icon name="outside" /></a>}
                </span>
              )}
            </dd>
            <dd class="acts">
              <button type="button" class="bare" title={`Only ${name} = ${value}`} aria-label={`Only lines with ${name} = ${value}`} onClick={() => props.filter(props.kind, name, "=", value)}><Icon name="plus" /></button>
              <button type="button" class="bare" title={`Not ${name} = ${value}`} aria-label={`No lines with ${name} = ${value}`} onClick={() => props.filter(props.kind, name, "!=", value)}><Icon name="minus" /></button>
              <button type="button" class="bare" title="Copy" aria-label={`Copy ${name}`} onClick={() => void copy(value, name)}><Icon name="copy" /></button>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function pretty(line: string): string | null {
  if (!/^\s*[{[]/.test(line) || line.length > 100_000) return null;
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return null;
  }
}

export function LineDetails(props: LineDetailsProps): JSX.Element {
  const { row } = props;
  const found = useMemo(() => fieldsOf(row.line), [row]);
  const nice = useMemo(() => pretty(row.line), [row]);
  const fresh = found.fields.filter((f) => row.parsed[f.name] !== f.value && row.metadata[f.name] !== f.value).map((f): [string, string] => [f.name, f.value]);
  const more = { filter: props.filter, trace: props.trace };
  return (
    <aside class="details" aria-label="Line">
      <header>
        <span class="level" data-level={row.level}>{row.level}</span>
        <time>{exactTime(row.ns)}</time>
        <button type="button" class="bare" aria-label="Close" title="Close  Esc" onClick={props.close}><Icon name="close" /></button>
      </header>
      <div class="bar-of-acts">
        <button type="button" onClick={props.context} title="Lines around it  c"><Icon name="lines" /> Context</button>
        <button type="button" onClick={() => void copy(row.line, "line")} title="Copy line  y"><Icon name="copy" /> Copy</button>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Text and fields">
        <pre class="whole">{nice ? <LineText line={nice} mark={props.mark} most={0} /> : <LineText line={row.line} mark={props.mark} most={0} />}</pre>
        {found.parser && <Fields title={`Fields in the line (${found.parser})`} kind={found.parser} entries={fresh} {...more} />}
        <Fields title="Parsed by the query" kind="parsed" entries={Object.entries(row.parsed)} {...more} />
        <Fields title="Metadata" kind="metadata" entries={Object.entries(row.metadata)} {...more} />
        <Fields title="Labels" kind="label" entries={Object.entries(row.labels)} {...more} />
      </div>
    </aside>
  );
}
