/**
 * What the admin server asks the echo server for.
 *
 * @module
 */

import type { NamedSnapshot, OpenSnapshot } from "../telemetry/snapshot.ts";

/** What is served now and has been served so far. */
export interface AdminSnapshot {
  /** Of each listener, over all threads. */
  listeners: NamedSnapshot[];
  /** How often a child of the supervisor was started again. */
  restarts: number;
}

/** The echo server, as the admin server sees it. */
export interface AdminSource {
  /** The server's name. */
  readonly name: string;
  /** The program's version. */
  readonly version: string;
  /** Whether all listeners are open: false from the first moment of a drain. */
  ready(): boolean;
  /** Counts, of all threads. */
  snapshot(): Promise<AdminSnapshot>;
  /** At most `limit` of the open connections, and how many there are. */
  connections(limit: number): Promise<OpenSnapshot>;
}
