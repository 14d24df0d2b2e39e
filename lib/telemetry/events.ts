/**
 * How the server ended a connection. `drained`: in a shutdown, with nothing left
 * to give back. `deadline`: in a shutdown, when its time was up. `idle`: after
 * the idle time-out.
 */
export type Verdict = "drained" | "deadline" | "idle";

/**
 * How a connection ended. `closed`: its handler was done, for the default one
 * after the client's FIN. `reset`: by the client or the network. `failed`: its
 * handler threw something else.
 */
export type Ending = "closed" | "reset" | "failed" | Verdict;

/** The server listens. */
export interface ListeningEvent {
  /** Tells the events apart. */
  type: "listening";
  /** Where, with the real port. */
  addr: Deno.NetAddr;
}

/** A connection has ended. */
export interface ConnectionEvent {
  /** Tells the events apart. */
  type: "connection";
  /** The client's address. */
  remoteAddr: Deno.NetAddr;
  /** Bytes received. */
  bytesIn: number;
  /** Bytes sent. */
  bytesOut: number;
  /** How long it lasted, to the millisecond. */
  seconds: number;
  /** How it ended. */
  ending: Ending;
  /** Why the handler failed, if that was the end. */
  reason?: string;
}

/**
 * Descriptors, or memory for sockets, have run out: told once, and not again
 * until there has been no shortage for a second.
 */
export interface ShortageEvent {
  /** Tells the events apart. */
  type: "shortage";
  /** What the system said, for instance `EMFILE`. */
  code: string;
}

/** A child of the supervisor has ended and is started again. */
export interface RestartEvent {
  /** Tells the events apart. */
  type: "restart";
  /** Which child: `server`, or `worker 1` and so on. */
  id: string;
  /** Why it ended. */
  reason: string;
}

/** A shutdown has begun. */
export interface DrainEvent {
  /** Tells the events apart. */
  type: "drain";
  /** How many connections are open. */
  connections: number;
}

/** What has been served. */
export interface Totals {
  /** Connections served. */
  connections: number;
  /** Clients that had gone before they were accepted. */
  passedOver: number;
  /** Bytes received. */
  bytesIn: number;
  /** Bytes sent. */
  bytesOut: number;
}

/** The totals before anything is served. */
export const NO_TOTALS: Totals = {
  connections: 0,
  passedOver: 0,
  bytesIn: 0,
  bytesOut: 0,
};

/** The totals of two servers together. */
export function sum(one: Totals, other: Totals): Totals {
  return {
    connections: one.connections + other.connections,
    passedOver: one.passedOver + other.passedOver,
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
  };
}

/** A shutdown has ended. */
export interface StopEvent extends Totals {
  /** Tells the events apart. */
  type: "stop";
}

/**
 * The program could not start, or cannot go on. No server tells this: its
 * `start()` and `finished` reject, and who runs it may want a line in the log.
 */
export interface FailureEvent {
  /** Tells the events apart. */
  type: "failure";
  /** Why. */
  reason: string;
}

/**
 * What the server says of itself. Every event can be cloned and written as
 * JSON.
 */
export type ServerEvent =
  | ListeningEvent
  | ConnectionEvent
  | ShortageEvent
  | RestartEvent
  | DrainEvent
  | StopEvent
  | FailureEvent;
