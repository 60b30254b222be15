// Labels and fields to browse: what there is in the time range, how much of it, and a click that narrows the query.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isAbort, textOf } from "../api/client";
import { detectedFields, detectedValues, labelNames, labelValues, volumeBy, type DetectedField } from "../api/logs";
import { query, range, runs } from "../app/state";
import { isMetric, logPartOf, selectorOf, type MatchOperator } from "../logql/edit";
import { bytes } from "../time/format";
import { resolve } from "../time/range";
import type { FieldKind } from "./line_details";
import { Icon } from "./icons";

export const ALL = '{service_name=~".+"}';

interface Value {
  text: string;
  amount: number | null;
}

interface SidebarProps {
  filter: (kind: FieldKind, name: string, op: MatchOperator, value: string) => void;
}

const MOST_VALUES = 200;

function Values(props: { values: Value[] | null; fault: string; pick: (value: string, op: MatchOperator) => void }): JSX.Element {
  if (props.fault) return <p class="fault">{props.fault}</p>;
  if (!props.values) return <p class="hint">…</p>;
  if (!props.values.length) return <p class="hint">no values in this time</p>;
  const most = Math.max(1, ...props.values.map((v) => v.amount ?? 0));
  return (
    <ul class="values">
      {props.values.slice(0, MOST_VALUES).map((v) => (
        <li key={v.text}>
          {v.amount !== null && <span class="amount" style={{ width: `${(v.amount / most) * 100}%` }} />}
          <button type="button" class="bare value" title={v.text} onClick={(e) => props.pick(v.text, e.altKey ? "!=" : "=")}><bdi>{v.text}</bdi></button>
          {v.amount !== null && <small>{bytes(v.amount)}</small>}
          <button type="button" class="bare not" aria-label={`Without ${v.text}`} title="Without" onClick={() => props.pick(v.text, "!=")}><Icon name="minus" /></button>
        </li>
      ))}
      {props.values.length > MOST_VALUES && <li class="hint">{props.values.length - MOST_VALUES} more</li>}
    </ul>
  );
}

function Entry(props: { name: string; note: string; load: (signal: AbortSignal) => Promise<Value[]>; pick: (value: string, op: MatchOperator) => void; open: boolean; toggle: () => void }): JSX.Element {
  const [values, setValues] = useState<Value[] | null>(null);
  const [fault, setFault] = useState("");
  useEffect(() => {
    if (!props.open) return;
    const abort = new AbortController();
    setFault("");
    props.load(abort.signal).then(setValues, (error: unknown) => !isAbort(error) && setFault(textOf(error)));
    return () => abort.abort();
  }, [props.open, runs.value]);
  return (
    <li>
      <button type="button" class="bare name" aria-expanded={props.open} onClick={props.toggle}>
        <bdi>{props.name}</bdi><small>{props.note}</small>
      </button>
      {props.open && <Values values={values} fault={fault} pick={props.pick} />}
    </li>
  );
}

async function valuesOf(name: string, signal: AbortSignal): Promise<Value[]> {
  const span = resolve(range.value);
  const selector = selectorOf(query.value) || ALL;
  try {
    const volumes = await volumeBy(name, selector, span, signal);
    if (volumes.length) return volumes.map((v) => ({ text: v.value, amount: v.bytes }));
  } catch (error) {
    if (isAbort(error)) throw error;
  }
  return (await labelValues(name, span, undefined, signal)).map((text) => ({ text, amount: null }));
}

export function Sidebar(props: SidebarProps): JSX.Element {
  const [labels, setLabels] = useState<string[]>([]);
  const [fields, setFields] = useState<DetectedField[]>([]);
  const [fault, setFault] = useState("");
  const [search, setSearch] = useState("");
  const [open, setOpen] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const span = resolve(range.value);
    labelNames(span, undefined, abort.signal).then((l) => (setLabels(l), setFault("")), (error: unknown) => !isAbort(error) && setFault(textOf(error)));
    const part = query.value && logPartOf(query.value);
    if (part) detectedFields(selectorOf(query.value), span, abort.signal).then(setFields, () => setFields([]));
    else setFields([]);
    return () => abort.abort();
  }, [runs.value]);
  const wanted = (name: string): boolean => name.toLowerCase().includes(search.trim().toLowerCase());
  const toggle = (key: string) => (): void => setOpen(open === key ? null : key);
  const parserOf = (f: DetectedField): FieldKind => (f.parsers?.includes("json") ? "json" : f.parsers?.includes("logfmt") ? "logfmt" : "metadata");
  return (
    <aside class="sidebar" aria-label="Labels and fields">
      <input type="search" placeholder="Find a label or field" aria-label="Find a label or field" value={search} onInput={(e) => setSearch(e.currentTarget.value)} spellcheck={false} />
      <div class="scroll" tabIndex={0} role="region" aria-label="Labels and fields">
        {fault && <p class="fault" role="alert">{fault}</p>}
        <h2>Labels</h2>
        {!labels.length && !fault && <p class="hint">none in this time</p>}
        <ul>
          {labels.filter(wanted).map((name) => (
            <Entry key={name} name={name} note="" open={open === `l:${name}`} toggle={toggle(`l:${name}`)} load={(signal) => valuesOf(name, signal)}
              pick={(value, op) => props.filter("label", name, op, value)} />
          ))}
        </ul>
        {fields.length > 0 && !isMetric(query.value) && <h2>Fields in the lines</h2>}
        {!isMetric(query.value) && (
          <ul>
            {fields.filter((f) => wanted(f.label)).map((f) => (
              <Entry key={f.label} name={f.label} note={`${f.cardinality} ${f.cardinality === 1 ? "value" : "values"}`} open={open === `f:${f.label}`} toggle={toggle(`f:${f.label}`)}
                load={async (signal) => (await detectedValues(f.label, selectorOf(query.value), resolve(range.value), signal)).map((text) => ({ text, amount: null }))}
                pick={(value, op) => props.filter(parserOf(f), f.label, op, value)} />
            ))}
          </ul>
        )}
      </div>
    </aside>
  );
}
