// The range of time: quick choices, free text, and the switch between local time and UTC.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { go, range, runAgain } from "../app/state";
import { dateTime, rangeText, setUtc, utc, zoneName } from "../time/format";
import { parseMoment, QUICK_RANGES, resolve, shift, zoomOut } from "../time/range";
import { Icon } from "./icons";

export const timePickerButton = { current: null as HTMLButtonElement | null };

function RangeForm(props: { done: () => void }): JSX.Element {
  const span = resolve(range.value);
  const [from, setFrom] = useState(range.value.from.startsWith("now") ? range.value.from : dateTime(span.start));
  const [to, setTo] = useState(range.value.to.startsWith("now") ? range.value.to : dateTime(span.end));
  const [fault, setFault] = useState("");
  const zone = utc.value ? "Z" : "";
  const moment = (text: string): string => {
    const t = text.trim();
    if (t.startsWith("now")) return Number.isNaN(parseMoment(t, Date.now())) ? "" : t.replace(/\s/g, "");
    const ms = parseMoment(/^\d{4}-/.test(t) && !/[zZ]|[+-]\d\d:?\d\d$/.test(t) ? t.replace(" ", "T") + (t.length > 10 ? zone : "") : t, Date.now());
    return Number.isNaN(ms) ? "" : String(ms);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const [a, b] = [moment(from), moment(to)];
    if (!a || !b) return setFault("Write now-2h, 2026-11-21 08:30:00, or seconds since 1970.");
    if (parseMoment(a, Date.now()) >= parseMoment(b, Date.now())) return setFault("The end lies before the beginning.");
    go({ range: { from: a, to: b } });
    props.done();
  };
  return (
    <form onSubmit={submit} class="range-form">
      <label>From<input value={from} onInput={(e) => setFrom(e.currentTarget.value)} spellcheck={false} /></label>
      <label>To<input value={to} onInput={(e) => setTo(e.currentTarget.value)} spellcheck={false} /></label>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <button type="submit" class="primary">Apply</button>
      <label class="check">
        <input type="checkbox" checked={utc.value} onChange={(e) => setUtc(e.currentTarget.checked)} /> Times in UTC
      </label>
    </form>
  );
}

export function TimePicker(): JSX.Element {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>(".quick button")?.focus();
    const away = (event: Event): void => {
      if (box.current && !event.composedPath().includes(box.current)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const close = (): void => {
    setOpen(false);
    timePickerButton.current?.focus();
  };
  return (
    <div class="time-picker" ref={box} onKeyDown={(e) => open && e.key === "Escape" && (e.preventDefault(), e.stopPropagation(), close())}>
      <div class="group">
        <button type="button" class="square" title="Earlier  [" aria-label="Earlier" onClick={() => go({ range: shift(range.value, -0.5) })}><Icon name="left" /></button>
        <button type="button" ref={(e) => void (timePickerButton.current = e)} aria-expanded={open} aria-haspopup="dialog" title="Time range  t" onClick={() => setOpen(!open)}>
          <Icon name="clock" /> <span class="range-text">{rangeText(range.value)}</span> <span class="zone">{zoneName()}</span>
        </button>
        <button type="button" class="square" title="Later  ]" aria-label="Later" onClick={() => go({ range: shift(range.value, 0.5) })}><Icon name="right" /></button>
        <button type="button" class="square" title="Zoom out  z" aria-label="Zoom out" onClick={() => go({ range: zoomOut(range.value) })}><Icon name="out" /></button>
      </div>
      <button type="button" class="square" title="Run again  r" aria-label="Run again" onClick={runAgain}><Icon name="refresh" /></button>
      {open && (
        <div class="popover range-popover" role="dialog" aria-label="Time range">
          <div class="quick">
            {QUICK_RANGES.map(([from, text]) => (
              <button type="button" key={from} aria-pressed={range.value.from === from && range.value.to === "now"}
                onClick={() => { go({ range: { from, to: "now" } }); close(); }}>{text}</button>
            ))}
          </div>
          <RangeForm done={close} />
        </div>
      )}
    </div>
  );
}
