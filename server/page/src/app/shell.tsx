// The frame of all views: the name, where one can go, the time range, and the view itself.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { setTenant, tenant } from "../api/client";
import { Icon } from "../ui/icons";
import { TimePicker } from "../ui/time_picker";
import { Alerts } from "../views/alerts";
import { Correlate } from "../views/correlate";
import { Explore } from "../views/explore";
import { Status } from "../views/status";
import { Targets } from "../views/targets";
import { Help, helpOpen } from "./help";
import { useShortcuts } from "./keys";
import { Notice } from "./notice";
import { pageInfo } from "./page_info";
import { go, hashOf, here, runAgain, view, VIEWS, type ViewName } from "./state";
import { theme, toggleTheme } from "./theme";

const TITLES: Record<ViewName, string> = { explore: "Explore", correlate: "Correlate", alerts: "Alerts", targets: "Targets", status: "Status" };
const SHOW: Record<ViewName, () => JSX.Element> = { explore: Explore, correlate: Correlate, alerts: Alerts, targets: Targets, status: Status };

function Tenant(): JSX.Element | null {
  if (!pageInfo.value.auth) return null;
  return (
    <input class="tenant" aria-label="Tenant" placeholder="tenant" value={tenant()} spellcheck={false}
      onChange={(e) => { setTenant(e.currentTarget.value.trim()); runAgain(); }} />
  );
}

export function Shell(): JSX.Element {
  const now = view.value;
  useShortcuts(
    [
      ...VIEWS.map((v) => ({ keys: `g ${v[0]}`, title: TITLES[v], group: "Go to", run: () => go({ view: v }) })),
      { keys: "x", title: "Dark or light", group: "General", run: toggleTheme },
      { keys: "?", title: "This help", group: "General", run: () => (helpOpen.value = true) },
    ],
    [],
  );
  useEffect(() => {
    document.title = `${TITLES[now]} · Skald`;
  }, [now]);
  const View = SHOW[now];
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
      <header class="top">
        <a class="brand" href={hashOf({ ...here(), view: "explore", query: "" })} onClick={(e) => { if (e.metaKey || e.ctrlKey) return; e.preventDefault(); go({ view: "explore", query: "" }); }}>
          <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true"><path d="M4 1.5v13M4 6.5l7-4.5M4 10.5 12.5 5M12.5 5v9.5" /></svg>Skald
        </a>
        <nav aria-label="Views">
          {VIEWS.map((v) => (
            <a key={v} href={hashOf({ ...here(), view: v })} aria-current={v === now ? "page" : undefined}
              onClick={(e) => { if (e.metaKey || e.ctrlKey || e.shiftKey) return; e.preventDefault(); go({ view: v, query: v === "explore" || v === "correlate" ? here().query : "" }); }}>{TITLES[v]}</a>
          ))}
        </nav>
        <span class="space" />
        <Tenant />
        {now !== "status" && <TimePicker />}
        <button type="button" class="square" aria-label={theme.value === "dark" ? "Light" : "Dark"} title="Dark or light  x" onClick={toggleTheme}><Icon name={theme.value === "dark" ? "sun" : "moon"} /></button>
        <button type="button" class="square" aria-label="Keyboard shortcuts" title="Keyboard  ?" onClick={() => (helpOpen.value = true)}>?</button>
      </header>
      <main id="main" tabIndex={-1} aria-label={TITLES[now]}>
        <h1 class="unseen">{TITLES[now]}</h1>
        <View key={now} />
      </main>
      <Help />
      <Notice />
    </>
  );
}
