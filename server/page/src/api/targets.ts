// What agents read, file by file, as each of them tells the server when asked.
import { getJson } from "./client";

export interface TargetFile {
  path: string;
  labels: string;
  format: string;
  size: number;
  read: number;
  acknowledged: number;
  lag_bytes: number;
  generations: number;
  state: string;
  error: string;
}

export interface AgentTargets {
  // Where it was asked: the configured address, and the one of its addresses that this is about.
  url: string;
  address: string;
  // Why it did not answer; "" when it did.
  error: string;
  targets?: {
    agent_id: string;
    server: string;
    connected: boolean;
    files: TargetFile[];
  };
}

export async function agentTargets(signal: AbortSignal): Promise<AgentTargets[]> {
  return (await getJson<{ agents: AgentTargets[] }>("/skald/api/v1/targets", {}, signal)).agents;
}
