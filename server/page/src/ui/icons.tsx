// The few icons of the page, drawn on a 16 grid with one stroke. They are decoration: buttons carry words of their own.
import type { JSX } from "preact";

const PATHS = {
  play: "M4.5 3v10l8-5z",
  stop: "M4 4h8v8H4z",
  live: "M8 8h.01M5.2 10.8a4 4 0 0 1 0-5.6M10.8 5.2a4 4 0 0 1 0 5.6M3 13A7 7 0 0 1 3 3M13 3a7 7 0 0 1 0 10",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5",
  clock: "M8 4.5V8l2.3 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  sun: "M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0z",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z",
  wrap: "M2 4h12M2 8h9.5a2.2 2.2 0 0 1 0 4.5H8.5m1.6-1.7L8.4 12.5l1.7 1.7M2 12h3",
  down: "M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M3 13.5h10",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.3-2.3a2.6 2.6 0 0 0-3.7-3.7l-.7.7M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.2 9.1a2.6 2.6 0 0 0 3.7 3.7l.7-.7",
  order: "M5 3v10M2.6 10.6 5 13l2.4-2.4M9.5 4H14M9.5 8H13M9.5 12H11.5",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  out: "M11 7H3.5M7.2 3.3a4.2 4.2 0 1 0 0 8.2 4.2 4.2 0 0 0 0-8.2zM10 10l3.5 3.5",
  side: "M2.5 3h11v10h-11zM6.5 3v10",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  outside: "M6.5 3.5h-3v9h9v-3M9 2.5h4.5V7M13 3 7.5 8.5",
  lines: "M2.5 4h11M2.5 8h11M2.5 12h7",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon(props: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[props.name]} />
    </svg>
  );
}
