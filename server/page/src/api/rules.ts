// Rules and alerts, in the form of Prometheus' API.
import { getJson } from "./client";

export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: "inactive" | "pending" | "firing";
  activeAt?: string;
  value?: string;
}

export interface Rule {
  name: string;
  query: string;
  type: "alerting" | "recording";
  state?: "inactive" | "pending" | "firing";
  health: string;
  lastError?: string;
  duration?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  alerts?: Alert[] | null;
  evaluationTime?: number;
  lastEvaluation?: string;
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
}

export async function ruleGroups(signal: AbortSignal): Promise<RuleGroup[]> {
  return (await getJson<{ data: { groups: RuleGroup[] } }>("/prometheus/api/v1/rules", {}, signal)).data.groups ?? [];
}
