// Shortcuts: one table of what can be pressed at this moment, which the help shows too. A key in a text field is text.
import { useLayoutEffect } from "preact/hooks";

export interface Shortcut {
  // "j", "?", "Escape", "g e" (one after the other), "Mod+Enter" (Ctrl or Command; works in text fields too).
  keys: string;
  title: string;
  group: string;
  run: () => void;
}

const layers: Shortcut[][] = [];
const SEQUENCE_MS = 1200;
let pending = "";
let pendingSince = 0;

export function useShortcuts(shortcuts: Shortcut[], inputs: unknown[]): void {
  // Before the next frame: two keys pressed at once find what the first one changed.
  useLayoutEffect(() => {
    layers.push(shortcuts);
    return () => {
      const at = layers.indexOf(shortcuts);
      if (at >= 0) layers.splice(at, 1);
    };
  }, inputs);
}

export function activeShortcuts(): Shortcut[] {
  const seen = new Set<string>();
  return [...layers]
    .reverse()
    .flat()
    .filter((s) => !seen.has(s.keys) && seen.add(s.keys));
}

function isText(target: EventTarget | undefined): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function nameOf(event: KeyboardEvent): string {
  const mod = event.ctrlKey || event.metaKey;
  return (mod ? "Mod+" : "") + (event.altKey ? "Alt+" : "") + event.key;
}

function find(keys: string): Shortcut | undefined {
  for (let i = layers.length - 1; i >= 0; i--) {
    const found = layers[i]!.find((s) => s.keys === keys);
    if (found) return found;
  }
  return undefined;
}

export function startKeys(): void {
  window.addEventListener("keydown", (event) => {
    // A dialog has its own keys.
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const text = isText(event.composedPath()[0]);
    const name = nameOf(event);
    if (text && !name.startsWith("Mod+") && name !== "Escape") return;
    const sequence = pending && Date.now() - pendingSince < SEQUENCE_MS ? `${pending} ${name}` : "";
    pending = "";
    const found = (sequence && find(sequence)) || find(name);
    if (found) {
      event.preventDefault();
      found.run();
    } else if (!text && layers.some((layer) => layer.some((s) => s.keys.startsWith(`${name} `)))) {
      pending = name;
      pendingSince = Date.now();
    }
  });
}
