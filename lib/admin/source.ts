/**
 * What the admin server asks the echo server for.
 *
 * @module
 */

import type { ListenerSnapshot } from "../telemetry/counters.ts";

/** What is served now and has been served so far. */
export interface AdminSnapshot {
  /** Of each listener, over all threads. */
  listeners: (ListenerSnapshot & {
    /** Its name, with the scheme: `tcp://127.0.0.1:1050`. */
    listener: string;
  })[];
  /** How often a child of the supervisor was started again. */
  restarts: number;
}

/** An open connection. */
export interface ConnectionInfo {
  /** Its number, counted from 1 for each listener and thread. */
  connection: number;
  /** The name of its listener. */
  listener: string;
  /** The address at the other end of the socket. */
  peer: string;
  /** The address that a PROXY header names, else the peer. */
  client: string;
  /** Bytes received. */
  bytesIn: number;
  /** Bytes sent. */
  bytesOut: number;
  /** How long it has been open. */
  seconds: number;
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
  connections(
    limit: number,
  ): Promise<{ total: number; connections: ConnectionInfo[] }>;
}
