/**
 * What a server tells of itself: the events, and the totals in some of them.
 *
 * @module
 */

import type { Address } from "../net/address.ts";

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

/**
 * Why a connection was not served. `access`: the client's address is not
 * allowed. `per_address`: its address has as many connections as it may have.
 * `proxy`: the PROXY header is wrong, late or missing. `handshake`: no TLS
 * handshake in time.
 */
export type RejectReason = "access" | "per_address" | "proxy" | "handshake";

/** The server listens. One for each address. */
export interface ListeningEvent {
  /** Tells the events apart. */
  type: "listening";
  /** Where, with the real port. */
  addr: Address;
  /** The listener's name: scheme and address, as `tcp://127.0.0.1:1050`. */
  listener: string;
}

/** A connection has ended. */
export interface ConnectionEvent {
  /** Tells the events apart. */
  type: "connection";
  /** The name of the listener that it came from. */
  listener: string;
  /** Its number, from 1 on each listener of each worker. */
  connection: number;
  /** The client's address: what a PROXY header says, or else the peer's. */
  remoteAddr: Address;
  /** The peer's address, if a PROXY header named another client. */
  peerAddr?: Address;
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

/** A connection was closed before it was served. */
export interface RejectedEvent {
  /** Tells the events apart. */
  type: "rejected";
  /** The name of the listener that it came from. */
  listener: string;
  /** The client's address: what a PROXY header says, or else the peer's. */
  remoteAddr: Address;
  /** The peer's address, if a PROXY header named another client. */
  peerAddr?: Address;
  /** Why, as metrics count it. */
  reason: RejectReason;
  /** Why, as a phrase. */
  detail: string;
}

/**
 * The limit of connections is reached, and further clients wait in the backlog;
 * or that is over. Told once an episode.
 */
export interface LimitEvent {
  /** Tells the events apart. */
  type: "limit";
  /** Whether it is reached, or over. */
  reached: boolean;
  /** The limit: connections served at once. */
  connections: number;
}

/**
 * Descriptors, memory for sockets, or threads for workers have run out: told
 * once, and not again until there has been no shortage for a second.
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
  /** How many seconds it takes at most. */
  seconds: number;
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
  /** Connections closed before they were served; absent if none. */
  rejected?: number;
  /** Datagrams received; absent if none. */
  datagramsIn?: number;
  /** Datagrams sent; absent if none. */
  datagramsOut?: number;
}

/** A shutdown has ended. */
export interface StopEvent extends Totals {
  /** Tells the events apart. */
  type: "stop";
}

/** How a running server is, told when somebody asked for it. */
export interface StateEvent extends Totals {
  /** Tells the events apart. */
  type: "state";
  /** Whether all listeners are open; false from the first moment of a drain. */
  ready: boolean;
  /** Connections that are open. */
  open: number;
  /** When it was started, as RFC 3339 writes it, in UTC. */
  since: string;
}

/**
 * The certificate that TLS is served with: one that was made at the start, signed
 * by itself, or the one that was given. Only of that the rest is told.
 */
export interface CertificateEvent {
  /** Tells the events apart. */
  type: "certificate";
  /** The SHA-256 of it, in hex digits. */
  fingerprint: string;
  /** The names and addresses that it is for, joined by commas. */
  names?: string;
  /** When it becomes valid, as RFC 3339 writes it, in UTC. */
  validFrom?: string;
  /** When it expires. */
  validTo?: string;
  /** Whether it was valid at the start. */
  valid?: boolean;
}

/** A listener has faults. */
export interface FaultsEvent {
  /** Tells the events apart. */
  type: "faults";
  /** The listener's name. */
  listener: string;
  /** Which, as `latency 0.08 s, corrupt 0.01`. */
  faults: string;
}

/** Which seed the faults of a listener are drawn from. */
export interface SeedEvent {
  /** Tells the events apart. */
  type: "seed";
  /** The listener's name. */
  listener: string;
  /** A whole number; the same one gives the same faults again. */
  seed: number;
}

/** Health, metrics and the live page can be asked for. */
export interface AdminEvent {
  /** Tells the events apart. */
  type: "admin";
  /** Where, for instance `http://127.0.0.1:9090`. */
  url: string;
}

/**
 * The terminal hung up, but no terminal was there at the start: the program goes
 * on. No server tells this, but the program.
 */
export interface HangupEvent {
  /** Tells the events apart. */
  type: "hangup";
}

/** The address to listen on is not to be had, but another one does instead. */
export interface FallbackEvent {
  /** Tells the events apart. */
  type: "fallback";
  /** What was asked for: `::`, where the system has no IPv6. */
  host: string;
  /** What is listened on instead. */
  instead: string;
}

/**
 * Lines of the log were lost since nobody took them in time, or nobody could.
 * No server tells this, but the log itself.
 */
export interface DroppedEvent {
  /** Tells the events apart. */
  type: "dropped";
  /** How many. */
  lines: number;
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
  | RejectedEvent
  | LimitEvent
  | ShortageEvent
  | RestartEvent
  | DrainEvent
  | StopEvent
  | StateEvent
  | CertificateEvent
  | FaultsEvent
  | SeedEvent
  | AdminEvent
  | HangupEvent
  | FallbackEvent
  | DroppedEvent
  | FailureEvent;
