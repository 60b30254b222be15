// What can be pressed right now.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../ui/icons";
import { activeShortcuts } from "./keys";

export const helpOpen = signal(false);

function Keys(props: { keys: string }): JSX.Element {
  const parts = props.keys.split(" ");
  return <span class="keys">{parts.map((p, i) => <kbd key={i}>{p.replace("Mod+", /Mac/.test(navigator.platform) ? "⌘ " : "Ctrl ").replace("Escape", "Esc")}</kbd>)}</span>;
}

export function Help(): JSX.Element | null {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (helpOpen.value) dialog.current?.showModal();
  }, [helpOpen.value]);
  if (!helpOpen.value) return null;
  const all = activeShortcuts();
  const groups = [...new Set(all.map((s) => s.group))];
  return (
    <dialog class="help" ref={dialog} aria-label="Keyboard shortcuts" onClose={() => (helpOpen.value = false)} onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
      <header><h2>Keyboard</h2><button type="button" class="bare" aria-label="Close" onClick={() => dialog.current?.close()}><Icon name="close" /></button></header>
      <div class="help-groups">
        {groups.map((g) => (
          <section key={g}>
            <h3>{g}</h3>
            <dl>{all.filter((s) => s.group === g).map((s) => <div key={s.keys}><dt><Keys keys={s.keys} /></dt><dd>{s.title}</dd></div>)}</dl>
          </section>
        ))}
        <section>
          <h3>Mouse</h3>
          <dl>
            <div><dt>drag</dt><dd>over a histogram or chart: that part of the time</dd></div>
            <div><dt>Alt click</dt><dd>on a value or level: without it</dd></div>
          </dl>
        </section>
      </div>
    </dialog>
  );
}
