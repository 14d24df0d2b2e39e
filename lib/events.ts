/** Why the server, not the client, ended a connection. */
export type Verdict = "drained" | "idle" | "deadline";

/**
 * How a connection ended: the client closed or reset it, its handler failed, or
 * the server ended it.
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
  remoteAddr: Deno.Addr;
  /** Bytes received. */
  bytesIn: number;
  /** Bytes sent. */
  bytesOut: number;
  /** How long it lasted. */
  seconds: number;
  /** How it ended. */
  ending: Ending;
  /** Why the handler failed, if that was the end. */
  reason?: string;
}

/**
 * Descriptors, or memory for sockets, have run out: said once for each episode.
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
  /** Which child. */
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

/** A shutdown has ended. */
export interface StopEvent extends Totals {
  /** Tells the events apart. */
  type: "stop";
}

/** The server could not start, or cannot go on. */
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
