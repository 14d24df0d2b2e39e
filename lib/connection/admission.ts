/**
 * What precedes the handler of a connection: access, PROXY header, handshake.
 *
 * @module
 */

import { type Address, toAddress } from "../net/address.ts";
import type { CidrSet } from "../net/cidr.ts";
import {
  MAX_HEADER,
  parseProxyHeader,
  type ProxyHeader,
  type ProxyParse,
} from "../net/proxy_header.ts";
import type { RawWire, Wire } from "../net/transport.ts";
import { reasonOf } from "../util/text.ts";
import type { RejectReason } from "../telemetry/events.ts";
import { NO_PROOF, reads } from "./read_scheduler.ts";
import type { Access, AccessRefusal } from "./access.ts";

/** Seconds from its first byte in which a PROXY header must be whole. */
const HEADER_TIMEOUT = 10;

/** Seconds that a TLS handshake may take. */
const HANDSHAKE_TIMEOUT = 10;

/** Bytes of the first read: most headers are shorter. */
const FIRST_READ = 256;

/** What is asked of the connections of a listener before they are served. */
export interface AdmissionRules {
  /**
   * The proxies: with it, connections come from these addresses alone and begin
   * with a PROXY header.
   */
  readonly proxy?: CidrSet | undefined;
  /** Which clients may connect; without it all may. */
  readonly access?: Access | undefined;
  /**
   * Seconds from its first byte in which a PROXY header must be whole.
   *
   * @default {10}
   */
  readonly headerTimeout?: number;
  /**
   * Seconds that a TLS handshake may take.
   *
   * @default {10}
   */
  readonly handshakeTimeout?: number;
  /**
   * Calls `expire` after so many seconds, unless the function that it returns
   * is called before.
   *
   * @default {setTimeout}
   */
  readonly startTimer?: (expire: () => void, seconds: number) => () => void;
}

/** The connection may be served. */
export interface Admitted {
  /** What to serve: the wire, or what its handshake made of it. */
  readonly wire: Wire;
  /** Bytes that came with the PROXY header: the first ones of the input. */
  readonly readAhead: Uint8Array;
  /** Who is served: what the PROXY header says, else the peer. */
  readonly client: Address;
  /** To be called once, when the connection has ended. */
  readonly leave: () => void;
}

/** The connection may not be served. */
export interface Rejected {
  readonly rejected: RejectReason;
  /** Who was refused, as far as was known. */
  readonly client: Address;
  /** One phrase for the log. */
  readonly detail: string;
}

/**
 * There is nothing to serve, and nobody to blame: the input ended before its
 * first byte, as in a health check, or `signal` aborted.
 */
export interface Ended {
  readonly ended: true;
}

/** What becomes of a connection: of the three, the one that has the key. */
export type Admission = Admitted | Rejected | Ended;

const NOTHING = new Uint8Array();
const ENDED: Ended = { ended: true };

/**
 * Why a connection from this peer is refused, as far as its address tells; so a
 * refused client costs no more than a close.
 */
export function peerVerdict(
  peer: Address,
  { proxy, access }: AdmissionRules,
): RejectReason | undefined {
  if (peer.transport === "unix") return undefined;
  if (proxy) return proxy.has(peer.hostname) ? undefined : "proxy";
  return access?.verdict(peer.hostname);
}

/**
 * All that precedes the handler, in the order in which it is on the wire:
 *
 * ```text
 *   accept ─► is the peer a proxy, or a client that may connect?
 *          ─► PROXY header ─► may the client that it names connect?
 *          ─► TLS handshake ─► handler
 * ```
 *
 * Who is refused by address is not read from. A wire that is not admitted is for
 * the caller to close, at once: a read or a handshake may still be under way.
 *
 * @param signal Gives up, whatever is under way.
 * @param onBytes Called when bytes of a PROXY header have come.
 * @throws What a read rejects with before a PROXY header is whole, for example
 * `Deno.errors.ConnectionReset`.
 */
export async function admit(
  wire: RawWire,
  rules: AdmissionRules,
  signal?: AbortSignal,
  onBytes?: () => void,
): Promise<Admission> {
  const identified = await identify(wire, rules, signal, onBytes);
  if (!("readAhead" in identified)) return identified;
  const { client, readAhead, access } = identified;
  const reason = access?.enter(client.hostname);
  if (reason) return rejection(reason, client, REFUSALS[reason]);
  const leave = access ? () => access.leave(client.hostname) : nothingToLeave;
  if (!hasHandshake(wire)) return { wire, readAhead, client, leave };
  const secured = await secure(wire, readAhead, rules, signal);
  if ("read" in secured) {
    return { wire: secured, readAhead: NOTHING, client, leave };
  }
  leave();
  return "refused" in secured
    ? rejection("handshake", client, secured.refused)
    : secured;
}

/** A client that may have to ask for access. */
interface Identified {
  readonly client: Address;
  readonly readAhead: Uint8Array;
  /** What to ask; nothing for Unix, and for a proxy that speaks for itself. */
  readonly access: Access | undefined;
}

async function identify(
  wire: RawWire,
  rules: AdmissionRules,
  signal?: AbortSignal,
  onBytes?: () => void,
): Promise<Identified | Rejected | Ended> {
  const peer = toAddress(wire.remoteAddr);
  if (!rules.proxy) return identified(peer, NOTHING, rules.access);
  const untrusted = peerVerdict(peer, rules);
  if (untrusted) return rejection(untrusted, peer, "not a trusted proxy");
  const read = await readHeader(wire, rules, signal, onBytes);
  if ("ended" in read) return read;
  if ("refused" in read) return rejection("proxy", peer, read.refused);
  const { header, readAhead } = read;
  return header.command === "proxy"
    ? identified(header.source, readAhead, rules.access)
    : identified(peer, readAhead, undefined);
}

function identified(
  client: Address,
  readAhead: Uint8Array,
  access: Access | undefined,
): Identified {
  const asked = client.transport === "unix" ? undefined : access;
  return { client, readAhead, access: asked };
}

/** A header, and what came with it. */
interface HeaderRead {
  readonly header: ProxyHeader;
  readonly readAhead: Uint8Array;
}

async function readHeader(
  wire: Wire,
  { headerTimeout = HEADER_TIMEOUT, startTimer }: AdmissionRules,
  signal?: AbortSignal,
  onBytes: () => void = () => {},
): Promise<HeaderRead | { refused: string } | Ended> {
  const input = new HeaderInput(wire, onBytes);
  // Before the first byte there is no deadline but the idle time-out, which is
  // the server's.
  const first = await within(input.readMore(), { signal });
  if (first === null || typeof first === "string") return ENDED;
  const deadline = { seconds: headerTimeout, startTimer, signal };
  const parsed = "need" in first
    ? await within(input.readWhole(), deadline)
    : first;
  if (parsed === "aborted") return ENDED;
  if (parsed === "late") {
    return { refused: `PROXY header not whole after ${headerTimeout} s` };
  }
  if (parsed === null || "need" in parsed) {
    return { refused: "input ended within the PROXY header" };
  }
  if ("refused" in parsed) {
    return { refused: `bad PROXY header: ${parsed.refused}` };
  }
  const { header, length } = parsed;
  return { header, readAhead: input.bytes.subarray(length) };
}

/** The bytes that have come so far. */
class HeaderInput {
  readonly #wire: Wire;
  readonly #onBytes: () => void;
  #buffer = new Uint8Array(FIRST_READ);
  #length = 0;

  constructor(wire: Wire, onBytes: () => void) {
    this.#wire = wire;
    this.#onBytes = onBytes;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Reads once; null at the end of input. */
  async readMore(): Promise<ProxyParse | null> {
    if (this.#length === this.#buffer.length) {
      const longer = new Uint8Array(MAX_HEADER);
      longer.set(this.#buffer);
      this.#buffer = longer;
    }
    const room = this.#buffer.subarray(this.#length);
    await reads.turn();
    const count = await this.#wire.read(room).finally(() =>
      reads.answered(NO_PROOF, 0, false)
    );
    if (count === null) return null;
    this.#onBytes();
    this.#length += count;
    return parseProxyHeader(this.bytes);
  }

  /** Reads until there is no need for more. */
  async readWhole(): Promise<ProxyParse | null> {
    for (;;) {
      const parsed = await this.readMore();
      if (parsed === null || !("need" in parsed)) return parsed;
    }
  }
}

function hasHandshake(wire: RawWire): wire is Required<RawWire> {
  return wire.handshake !== undefined;
}

async function secure(
  wire: Required<RawWire>,
  readAhead: Uint8Array,
  { handshakeTimeout = HANDSHAKE_TIMEOUT, startTimer }: AdmissionRules,
  signal?: AbortSignal,
): Promise<Wire | { refused: string } | Ended> {
  const deadline = { seconds: handshakeTimeout, startTimer, signal };
  try {
    const secured = await within(wire.handshake(readAhead), deadline);
    if (secured === "aborted") return ENDED;
    if (secured !== "late") return secured;
  } catch (error) {
    return { refused: reasonOf(error).replace(OPENSSL, "") };
  }
  return { refused: `TLS handshake not done after ${handshakeTimeout} s` };
}

/** What Node adds to the cause, in OpenSSL's words. */
const OPENSSL = / \(SSL routines:.*\)$/;

/** When to wait no longer. */
interface Limits {
  /** Without it there is no deadline. */
  readonly seconds?: number;
  readonly startTimer?: AdmissionRules["startTimer"];
  readonly signal?: AbortSignal | undefined;
}

/** What `work` gives, or which of the limits came first. */
async function within<T>(
  work: Promise<T>,
  { seconds, startTimer = startTimeout, signal }: Limits,
): Promise<T | "late" | "aborted"> {
  const { promise: limit, resolve } = Promise.withResolvers<
    "late" | "aborted"
  >();
  const onAbort = () => resolve("aborted");
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();
  const stopTimer = seconds === undefined
    ? undefined
    : startTimer(() => resolve("late"), seconds);
  try {
    // Work that is given up fails when the caller closes the wire; the race
    // hears that too.
    return await Promise.race([work, limit]);
  } finally {
    stopTimer?.();
    signal?.removeEventListener("abort", onAbort);
  }
}

function startTimeout(expire: () => void, seconds: number): () => void {
  const timer = setTimeout(expire, seconds * 1000);
  return () => clearTimeout(timer);
}

const REFUSALS: Record<AccessRefusal, string> = {
  access: "address not allowed",
  per_address: "too many connections from this address",
};

function rejection(
  rejected: RejectReason,
  client: Address,
  detail: string,
): Rejected {
  return { rejected, client, detail };
}

function nothingToLeave(): void {}
