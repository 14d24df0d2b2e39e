/**
 * What a server, or a thread of one, tells of itself when it is asked.
 *
 * @module
 */

import type { ListenerSnapshot } from "./counters.ts";
import type { Totals } from "./events.ts";

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

/** The open connections. */
export interface OpenSnapshot {
  /** How many there are. */
  total: number;
  /** Some of them. */
  connections: ConnectionInfo[];
}

/** What a listener has served until one moment, with its name. */
export type NamedSnapshot = ListenerSnapshot & {
  /** Its name, with the scheme: `tcp://127.0.0.1:1050`. */
  listener: string;
};

/** What all listeners together have served. */
export function totalsOf(listeners: readonly ListenerSnapshot[]): Totals {
  const sum = (of: (listener: ListenerSnapshot) => number) =>
    listeners.reduce((total, listener) => total + of(listener), 0);
  const rejected = sum(({ rejected }) =>
    Object.values(rejected).reduce((total, count) => total + count, 0)
  );
  const datagramsIn = sum((listener) => listener.datagramsIn);
  const datagramsOut = sum((listener) => listener.datagramsOut);
  return {
    connections: sum(({ accepted }) => accepted) - rejected,
    passedOver: sum(({ abortedBeforeAccept }) => abortedBeforeAccept),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    ...rejected > 0 && { rejected },
    ...datagramsIn > 0 && { datagramsIn },
    ...datagramsOut > 0 && { datagramsOut },
  };
}
