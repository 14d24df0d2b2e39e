/**
 * Who may connect, by address.
 *
 * @module
 */

import { CidrSet } from "../net/cidr.ts";
import type { RejectReason } from "../telemetry/events.ts";

/**
 * Why an address may not connect: by the lists, or because it has as many
 * connections as it may.
 */
export type AccessRefusal = RejectReason & ("access" | "per_address");

/** Who may connect, and how often. */
export interface AccessSettings {
  /** Blocks of addresses that may connect; none means all. */
  readonly allow: readonly string[];
  /** Blocks of addresses that may not, whatever `allow` says. */
  readonly deny: readonly string[];
  /** Connections that one address may have at a time; 0 for any number. */
  readonly maxPerAddress: number;
}

/**
 * Which clients may connect, by their IP address. One for all listeners of a
 * server, as they count together.
 */
export class Access {
  readonly #allow: CidrSet | undefined;
  readonly #deny: CidrSet | undefined;
  readonly #maxPerAddress: number;
  /** Connections of each address that has any. */
  readonly #connections = new Map<string, number>();

  /**
   * @throws {RangeError} If `allow` or `deny` has something that is no block of
   * addresses.
   */
  constructor({ allow, deny, maxPerAddress }: AccessSettings) {
    if (allow.length > 0) this.#allow = new CidrSet(allow);
    if (deny.length > 0) this.#deny = new CidrSet(deny);
    this.#maxPerAddress = maxPerAddress;
  }

  /** Addresses that have connections. */
  get addresses(): number {
    return this.#connections.size;
  }

  /**
   * Whether the lists let this address in, however many connections it has:
   * all that is asked of a datagram.
   */
  allows(hostname: string): boolean {
    if (this.#deny?.has(hostname)) return false;
    return this.#allow === undefined || this.#allow.has(hostname);
  }

  /** Why this address may not have one more connection, if so. */
  verdict(hostname: string): AccessRefusal | undefined {
    if (!this.allows(hostname)) return "access";
    const full = this.#maxPerAddress > 0 &&
      (this.#connections.get(hostname) ?? 0) >= this.#maxPerAddress;
    return full ? "per_address" : undefined;
  }

  /**
   * Counts one more connection of this address, unless it may not have it.
   * Whoever enters must {@linkcode Access.leave}.
   *
   * @returns Why not.
   */
  enter(hostname: string): AccessRefusal | undefined {
    const reason = this.verdict(hostname);
    if (reason === undefined && this.#maxPerAddress > 0) {
      const count = this.#connections.get(hostname) ?? 0;
      this.#connections.set(hostname, count + 1);
    }
    return reason;
  }

  /** A connection that has entered has ended. */
  leave(hostname: string): void {
    const count = this.#connections.get(hostname);
    if (count === undefined) return;
    if (count === 1) this.#connections.delete(hostname);
    else this.#connections.set(hostname, count - 1);
  }
}
