// Short words about what just happened, read out by screen readers too.
import { signal } from "@preact/signals";
import type { JSX } from "preact";

const text = signal("");
let timer = 0;

export function say(message: string, ms = 3000): void {
  text.value = message;
  window.clearTimeout(timer);
  timer = window.setTimeout(() => (text.value = ""), ms);
}

export async function copy(value: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(value);
  } catch {
    // Without a secure origin there is no clipboard API.
    const area = document.createElement("textarea");
    area.value = value;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`${what} copied`);
}

export function Notice(): JSX.Element {
  return (
    <div class="notice" role="status" aria-live="polite" data-shown={text.value !== ""}>
      {text.value}
    </div>
  );
}
