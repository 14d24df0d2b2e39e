/**
 * Blocks of IP addresses, written as CIDR (RFC 4632), and whether an address is
 * in one of them.
 *
 * @module
 */

import { parseIp, unmapped } from "./address.ts";

/** A block of addresses of one family. */
export interface Cidr {
  /** The first address, 4 or 16 bytes. */
  readonly network: readonly number[];
  /** How many leading bits all addresses of the block have in common. */
  readonly prefix: number;
}

/**
 * Reads `10.0.0.0/8` or `2001:db8::/32`; an address alone is a block of one.
 * Bits behind the prefix are cleared, and a block of IPv4-mapped addresses is
 * the IPv4 block that it means.
 *
 * @throws {RangeError} If it is no such block.
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const bytes = parseIp(address);
  if (!bytes) throw unreadable(text, "it must begin with an IP address");
  const bits = bytes.length * 8;
  const prefix = slash < 0 ? bits : parsePrefix(text.slice(slash + 1));
  if (!(prefix <= bits)) {
    throw unreadable(text, `its prefix must be a whole number up to ${bits}`);
  }
  const plain = prefix >= 96 ? unmapped(bytes) : bytes;
  const plainPrefix = prefix - (bits - plain.length * 8);
  return { network: masked(plain, plainPrefix), prefix: plainPrefix };
}

/**
 * A set of addresses, given as blocks. `node:net`'s `BlockList` would take
 * several microseconds for each address.
 */
export class CidrSet {
  readonly #blocks: readonly Cidr[];

  /**
   * @param cidrs The blocks, as {@linkcode parseCidr} reads them.
   * @throws {RangeError} If one of them is no block.
   */
  constructor(cidrs: readonly string[]) {
    this.#blocks = cidrs.map(parseCidr);
  }

  /**
   * Whether one of the blocks has this address. IPv4-mapped addresses are IPv4;
   * what is no IP address is in no set.
   */
  has(ip: string): boolean {
    const bytes = parseIp(ip);
    if (!bytes) return false;
    const plain = unmapped(bytes);
    return this.#blocks.some((block) => contains(block, plain));
  }
}

function parsePrefix(text: string): number {
  return /^(0|[1-9]\d*)$/.test(text) ? Number(text) : NaN;
}

function unreadable(text: string, why: string): RangeError {
  return new RangeError(
    `Cannot read a CIDR block: ${why}: ${JSON.stringify(text)}`,
  );
}

/** The address with all bits behind the prefix cleared. */
function masked(bytes: readonly number[], prefix: number): number[] {
  return bytes.map((byte, i) => {
    const bits = Math.min(Math.max(prefix - 8 * i, 0), 8);
    return byte & 0xff00 >> bits;
  });
}

function contains(
  { network, prefix }: Cidr,
  bytes: readonly number[],
): boolean {
  if (bytes.length !== network.length) return false;
  const whole = prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== network[i]) return false;
  // Behind the last byte, as behind the prefix, nothing differs.
  return (bytes[whole]! ^ network[whole]!) >> 8 - (prefix & 7) === 0;
}
