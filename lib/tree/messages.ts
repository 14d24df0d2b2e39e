/**
 * What the tree and its workers say to each other: orders down, reports up.
 *
 * @module
 */

import type { Settings } from "../options/options.ts";
import { Counters, type ListenerSnapshot } from "../telemetry/counters.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import type { OpenSnapshot } from "../telemetry/snapshot.ts";

/** Settings without the functions, which cannot cross threads. */
export type WorkerSettings = Omit<Settings, "handler" | "onEvent">;

/** To serve, from now on. */
export interface ServeOrder {
  type: "serve";
  /** What to serve: checked, with the worker's share of the connections. */
  settings: WorkerSettings;
  /** Where to count; it outlives the worker. See {@linkcode countersIn}. */
  counters: SharedArrayBuffer;
  /** Whether it is the worker that has the UDP and Unix sockets. */
  first: boolean;
  /**
   * Whether the ports must be free: binding a shared port succeeds even if another
   * program listens on it.
   */
  claimsPorts: boolean;
}

/** What a worker is told. */
export type Order =
  | ServeOrder
  /** To stop listening and to drain its connections. */
  | { type: "drain" }
  /** To report what is open, and at most `limit` connections one by one. */
  | { type: "snapshot"; id: number; limit: number };

/** The answer to the order for a snapshot that has its `id`. */
export interface SnapshotReport {
  type: "snapshot";
  id: number;
  /** What is open. */
  open: OpenSnapshot;
  /** What each listener has served at the same moment, in order. */
  listeners: ListenerSnapshot[];
}

/** What a worker tells. */
export type Report =
  /** It listens. */
  | { type: "listening" }
  /** Events of its server since the last report, in order. */
  | { type: "events"; events: ServerEvent[] }
  /** It has stopped listening and drains so many connections. */
  | { type: "draining"; connections: number }
  /** It has stopped. */
  | { type: "stopped" }
  /** It cannot start, or cannot go on. */
  | { type: "failed"; reason: string }
  | SnapshotReport;

const COUNTERS_BYTES = Counters.LENGTH * Float64Array.BYTES_PER_ELEMENT;

/** Memory in which a worker counts for so many listeners. */
export function counterMemory(listeners: number): SharedArrayBuffer {
  return new SharedArrayBuffer(listeners * COUNTERS_BYTES);
}

/** The counters in such memory, one for each listener in order. */
export function countersIn(memory: SharedArrayBuffer): Counters[] {
  return Array.from(
    { length: memory.byteLength / COUNTERS_BYTES },
    (_, index) => {
      const start = index * COUNTERS_BYTES;
      return new Counters(new Float64Array(memory, start, Counters.LENGTH));
    },
  );
}
