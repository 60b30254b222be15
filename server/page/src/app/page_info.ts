// What the server says about itself to its page.
import { signal } from "@preact/signals";
import { getJson } from "../api/client";

export interface PageInfo {
  version: string;
  // A Prometheus is configured and can be asked through the server.
  prometheus: boolean;
  // Agents are configured, so that their files can be listed.
  agents: boolean;
  // Where a trace id leads, with {trace_id} in it; "" for nowhere.
  trace_url: string;
  auth: boolean;
}

export const pageInfo = signal<PageInfo>({ version: "", prometheus: false, agents: false, trace_url: "", auth: false });

export async function loadPageInfo(): Promise<void> {
  try {
    pageInfo.value = await getJson<PageInfo>("/skald/api/v1/page");
  } catch {
    // The page works without; what needs it says so.
  }
}

export function traceLink(id: string): string {
  const template = pageInfo.value.trace_url;
  return template && /^https?:\/\//.test(template) ? template.replaceAll("{trace_id}", encodeURIComponent(id)) : "";
}
