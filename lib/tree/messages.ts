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
  /** Whether it is the one that listens where ports cannot be shared. */
  first: boolean;
  /**
   * Whether nobody may listen on the ports yet. Where a port can be shared, that
   * somebody does is no error.
   */
  claimsPorts: boolean;
}

/** To stop listening and to drain its connections. */
export interface DrainOrder {
  type: "drain";
}

/** To report what is open. */
export interface SnapshotOrder {
  type: "snapshot";
  /** Tells the answers apart. */
  id: number;
  /** Most connections to list. */
  limit: number;
}

/** What a worker is told. */
export type Order = ServeOrder | DrainOrder | SnapshotOrder;

/** It listens. */
export interface ListeningReport {
  type: "listening";
}

/** Events of its server since the last report, in order. */
export interface EventsReport {
  type: "events";
  events: ServerEvent[];
}

/** It has stopped listening and drains so many connections. */
export interface DrainingReport {
  type: "draining";
  connections: number;
}

/** It has stopped. */
export interface StoppedReport {
  type: "stopped";
}

/** What is open: the answer to a {@linkcode SnapshotOrder}. */
export interface SnapshotReport {
  type: "snapshot";
  id: number;
  open: OpenSnapshot;
  /** What each listener has served at the same moment, in order. */
  listeners: ListenerSnapshot[];
}

/** It cannot start, or cannot go on. */
export interface FailedReport {
  type: "failed";
  reason: string;
}

/** What a worker tells. */
export type Report =
  | ListeningReport
  | EventsReport
  | DrainingReport
  | StoppedReport
  | SnapshotReport
  | FailedReport;

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
