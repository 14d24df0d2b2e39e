/**
 * What a server tells of itself: the events, and the totals in some of them.
 *
 * @module
 */

import type { Address } from "../net/address.ts";

/**
 * How the server ended a connection. `drained`: in a shutdown, with nothing left
 * to give back. `deadline`: in a shutdown, when its time was up. `idle`: after
 * the idle timeout.
 */
export type Verdict = "drained" | "deadline" | "idle";

/**
 * How a connection ended. `closed`: its handler was done; the built-in echo is
 * after the client's FIN. `reset`: by the client or the network. `failed`: its
 * handler threw something else.
 */
export type Ending = "closed" | "reset" | "failed" | Verdict;

/**
 * Why a connection was not served. `access`: the client's address is not
 * allowed. `per_address`: its address has as many connections as it may have.
 * `proxy`: the PROXY header is wrong, late or missing, or the peer is not a
 * proxy. `handshake`: the TLS handshake failed, or was not done in time.
 */
export type RejectReason = "access" | "per_address" | "proxy" | "handshake";

/** The server listens. One for each address, also after a restart. */
export interface ListeningEvent {
  /** Tells the events apart. */
  type: "listening";
  /** Where, with the real port. */
  addr: Address;
  /** The listener's name: scheme and address, such as `tls://127.0.0.1:1050`. */
  listener: string;
}

/** A connection has ended. */
export interface ConnectionEvent {
  /** Tells the events apart. */
  type: "connection";
  /** The name of the listener that it came from. */
  listener: string;
  /**
   * Its number: each listener counts its connections from 1, rejected ones too.
   * With workers each thread counts its own.
   */
  connection: number;
  /** The client's address: what a PROXY header says, or else the peer's. */
  remoteAddr: Address;
  /** The peer's address, if a PROXY header named another client. */
  peerAddr?: Address;
  /** Bytes received; a PROXY header and what TLS adds are not counted. */
  bytesIn: number;
  /** Bytes sent; a greeting and what TLS adds are not counted. */
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
 * The limit of connections has been reached, and further clients wait in the
 * backlog; or there has been room again for a second.
 */
export interface LimitEvent {
  /** Tells the events apart. */
  type: "limit";
  /** Whether it has been reached, or is over. */
  reached: boolean;
  /** The limit: connections served at once. */
  connections: number;
}

/**
 * Descriptors, memory for sockets, or threads for workers have run out. Told
 * once, and not again until there has been no shortage for a second.
 */
export interface ShortageEvent {
  /** Tells the events apart. */
  type: "shortage";
  /** What the system said, for instance `EMFILE`. */
  code: string;
}

/**
 * A child of an {@linkcode EchoSupervisor} has ended and is started again: the
 * server if accepting failed for a reason other than a client or a shortage, a
 * worker if anything in its thread failed.
 */
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

/** What has been served since the start. */
export interface Totals {
  /** Connections served. */
  connections: number;
  /** Clients that disconnected before they were accepted. */
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

/**
 * How a running server is. The program tells this at SIGUSR1; no server does by
 * itself.
 */
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
  /** Its SHA-256 fingerprint: 64 hex digits, as `probe()` takes them. */
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

/** A listener has faults. Told before the `listening` events. */
export interface FaultsEvent {
  /** Tells the events apart. */
  type: "faults";
  /** The listener's name. */
  listener: string;
  /** Which, such as `latency 0.08 s, corrupt 0.01`. */
  faults: string;
}

/**
 * The seed of a listener's faults, where none was given and it was drawn. Told
 * before the `listening` events, for each address.
 */
export interface SeedEvent {
  /** Tells the events apart. */
  type: "seed";
  /** The listener's name, with the real port. */
  listener: string;
  /** Give it as `seed` to have the same faults again. */
  seed: number;
}

/** Health, metrics and the live page are served. */
export interface AdminEvent {
  /** Tells the events apart. */
  type: "admin";
  /** Where, with the real port, for instance `http://127.0.0.1:9090`. */
  url: string;
}

/**
 * SIGHUP came, but there was no terminal at the start: the program goes on. The
 * program tells this, no server does.
 */
export interface HangupEvent {
  /** Tells the events apart. */
  type: "hangup";
}

/** The address to listen on is not available; another one takes its place. */
export interface FallbackEvent {
  /** Tells the events apart. */
  type: "fallback";
  /** What was asked for: `::`, where the system has no IPv6. */
  host: string;
  /** What is listened on instead. */
  instead: string;
}

/**
 * Lines of the log were lost because they could not be written in time. The
 * program's log tells this, no server does.
 */
export interface DroppedEvent {
  /** Tells the events apart. */
  type: "dropped";
  /** How many. */
  lines: number;
}

/**
 * The program could not start, or cannot go on. The program tells this; of a
 * server, `start()` and `finished` reject.
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
