/**
 * One event of each type, with all that it can hold.
 *
 * @module
 */

import type { Address, ServerEvent } from "../../lib/mod.ts";

type Whole<Type> = Required<Extract<ServerEvent, { type: Type }>>;

const remoteAddr: Address = {
  transport: "tcp",
  hostname: "192.0.2.7",
  port: 4711,
};
const listener = "tcp://192.0.2.1:1050";
const totals = {
  connections: 3,
  passedOver: 2,
  bytesIn: 12,
  bytesOut: 10,
  rejected: 1,
  datagramsIn: 5,
  datagramsOut: 4,
};

/** The events, by their types. */
export const EVERY_EVENT: {
  readonly [Type in ServerEvent["type"]]: Whole<Type>;
} = {
  listening: { type: "listening", addr: remoteAddr, listener },
  connection: {
    type: "connection",
    listener,
    connection: 7,
    remoteAddr,
    peerAddr: remoteAddr,
    bytesIn: 12,
    bytesOut: 10,
    seconds: 1.5,
    ending: "closed",
    reason: "crash",
  },
  rejected: {
    type: "rejected",
    listener,
    remoteAddr,
    peerAddr: remoteAddr,
    reason: "access",
    detail: "address not allowed",
  },
  limit: { type: "limit", reached: true, connections: 100 },
  shortage: { type: "shortage", code: "EMFILE" },
  restart: { type: "restart", id: "server", reason: "accept failed" },
  drain: { type: "drain", connections: 2, seconds: 15 },
  stop: { type: "stop", ...totals },
  state: {
    type: "state",
    ...totals,
    ready: true,
    open: 1,
    since: "2026-01-02T12:00:00.005Z",
  },
  certificate: {
    type: "certificate",
    fingerprint: "12ab",
    names: "localhost",
    validFrom: "2026-01-01T00:00:00.000Z",
    validTo: "2027-01-01T00:00:00.000Z",
    valid: true,
  },
  faults: { type: "faults", listener, faults: "latency 0.08 s" },
  seed: { type: "seed", listener, seed: 5 },
  admin: { type: "admin", url: "http://127.0.0.1:9090" },
  hangup: { type: "hangup" },
  fallback: { type: "fallback", host: "::", instead: "0.0.0.0" },
  dropped: { type: "dropped", lines: 12 },
  failure: { type: "failure", reason: "permission denied" },
};
