/**
 * What the page is told once a second: counts, and how fast they grow.
 *
 * @module
 */

import {
  Counters,
  type ListenerSnapshot,
  sumSnapshots,
} from "../telemetry/counters.ts";
import type { ConnectionInfo } from "../telemetry/snapshot.ts";
import type { AdminSource } from "./source.ts";

/** How many open connections are told at most, and searched for the busiest. */
export const MAX_CONNECTIONS = 1_000;

/** How many of the busiest connections are told. */
const BUSIEST = 10;

/** Seconds after which an update is too old to compute rates from. */
const STALE = 10;

/** Growth a second; null without a recent update to compare with. */
export interface Rates {
  /** Connections accepted a second. */
  acceptedRate: number | null;
  /** Bytes received a second. */
  bytesInRate: number | null;
  /** Bytes sent a second. */
  bytesOutRate: number | null;
}

/** One update. */
export interface Update {
  /** The server's name. */
  name: string;
  /** The program's version. */
  version: string;
  /** Whether the server is ready; if not, it drains. */
  ready: boolean;
  /** Seconds since the admin server was started. */
  uptime: number;
  /** How often a part of the server was started again. */
  restarts: number;
  /** All listeners together. */
  total: ListenerSnapshot & Rates;
  /** Each listener. */
  listeners: (ListenerSnapshot & Rates & { listener: string })[];
  /** Of the open connections those that move most bytes a second, in and out. */
  busiest: (ConnectionInfo & { bytesRate: number })[];
}

/** Makes updates, each with the rates since the one before. */
export class Updates {
  readonly #source: AdminSource;
  readonly #now: () => number;
  readonly #start: number;
  #before = -Infinity;
  #counted = new Map<string, ListenerSnapshot>();
  #moved = new Map<string, number>();

  /** @param now The clock, in seconds. */
  constructor(
    source: AdminSource,
    now: () => number = () => performance.now() / 1_000,
  ) {
    this.#source = source;
    this.#now = now;
    this.#start = now();
  }

  /** The next one; not to be asked for while one is under way. */
  async next(): Promise<Update> {
    const source = this.#source;
    const [{ listeners, restarts }, { connections }] = await Promise.all([
      source.snapshot(),
      source.connections(MAX_CONNECTIONS),
    ]);
    const now = this.#now();
    const seconds = now - this.#before;
    if (seconds > STALE) this.#forget();
    this.#before = now;
    const total = listeners.reduce<ListenerSnapshot>(sumSnapshots, NOTHING);
    return {
      name: source.name,
      version: source.version,
      ready: source.ready(),
      uptime: now - this.#start,
      restarts,
      busiest: this.#busiest(connections, seconds),
      total: this.#withRates(TOTAL, total, seconds),
      listeners: listeners.map((of) =>
        this.#withRates(of.listener, of, seconds)
      ),
    };
  }

  #forget(): void {
    this.#counted.clear();
    this.#moved.clear();
  }

  #withRates<T extends ListenerSnapshot>(
    key: string,
    now: T,
    seconds: number,
  ): T & Rates {
    const before = this.#counted.get(key);
    this.#counted.set(key, now);
    const rate = (count: "accepted" | "bytesIn" | "bytesOut") =>
      before ? Math.max(0, now[count] - before[count]) / seconds : null;
    return {
      ...now,
      acceptedRate: rate("accepted"),
      bytesInRate: rate("bytesIn"),
      bytesOutRate: rate("bytesOut"),
    };
  }

  #busiest(connections: ConnectionInfo[], seconds: number): Update["busiest"] {
    const before = this.#moved;
    this.#moved = new Map();
    const all = connections.map((of) => {
      const key = `${of.listener} ${of.peer} ${of.connection}`;
      const moved = of.bytesIn + of.bytesOut;
      this.#moved.set(key, moved);
      // One that is new here has its average, over a second at least.
      const bytesRate = before.has(key)
        ? (moved - before.get(key)!) / seconds
        : moved / Math.max(1, of.seconds);
      return { ...of, bytesRate };
    });
    return all.sort((a, b) => b.bytesRate - a.bytesRate).slice(0, BUSIEST);
  }
}

/** No listener has this name. */
const TOTAL = "";

const NOTHING: ListenerSnapshot = new Counters().snapshot();
