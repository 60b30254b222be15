// Dark or light: as the system has it, until somebody chooses.
import { signal } from "@preact/signals";

export type Theme = "dark" | "light";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const stored = localStorage.getItem("skald.theme");

export const theme = signal<Theme>(stored === "dark" || stored === "light" ? stored : system.matches ? "dark" : "light");

function apply(): void {
  document.documentElement.dataset["theme"] = theme.value;
}

export function toggleTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem("skald.theme", theme.value);
  apply();
}

export function startTheme(): void {
  apply();
  system.addEventListener("change", () => {
    if (localStorage.getItem("skald.theme")) return;
    theme.value = system.matches ? "dark" : "light";
    apply();
  });
}

// A colour of the style sheet, for canvases.
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
