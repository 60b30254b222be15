// Live lines over a WebSocket. After a break it goes on behind the last line it had; the server sends no line twice and misses none.
import { addNs, rowsOfStreams, type Row, type StreamResult } from "../lines/row";
import { url } from "./client";

export type TailState = "connecting" | "live" | "waiting" | "ended";

export interface TailEvents {
  // Rows oldest first.
  rows(rows: Row[]): void;
  dropped(lines: number): void;
  state(state: TailState, reason: string): void;
}

const FIRST_DELAY = 500;
const MOST_DELAY = 10_000;
// Lines that came in during a break and are asked for again.
const CATCH_UP = 1000;

export class Tail {
  private socket: WebSocket | null = null;
  private timer = 0;
  private delay = FIRST_DELAY;
  private stopped = false;
  private last: string;

  // `start` in nanoseconds, inclusive.
  constructor(
    private readonly query: string,
    start: string,
    private readonly events: TailEvents,
  ) {
    this.last = addNs(start, -1n);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    window.clearTimeout(this.timer);
    this.socket?.close();
  }

  private connect(): void {
    this.events.state("connecting", "");
    const address = url("/loki/api/v1/tail", { query: this.query, start: addNs(this.last, 1n), limit: CATCH_UP }).replace(/^http/, "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.onopen = () => {
      this.delay = FIRST_DELAY;
      this.events.state("live", "");
    };
    socket.onmessage = (message) => this.receive(String(message.data));
    socket.onclose = (event) => {
      if (this.stopped) return;
      // 1011 and 1008 say what is wrong with the question: asking again would not help.
      if (event.code === 1011 || event.code === 1008) return this.events.state("ended", event.reason);
      this.events.state("waiting", event.reason || "the connection is lost");
      this.timer = window.setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(this.delay * 2, MOST_DELAY);
    };
  }

  private receive(text: string): void {
    const frame = JSON.parse(text) as { streams?: StreamResult[]; dropped_entries?: unknown[] | null };
    const rows = rowsOfStreams(frame.streams ?? [], "forward");
    const newest = rows[rows.length - 1];
    if (newest && BigInt(newest.ns) > BigInt(this.last)) this.last = newest.ns;
    if (rows.length) this.events.rows(rows);
    if (frame.dropped_entries?.length) this.events.dropped(frame.dropped_entries.length);
  }
}
