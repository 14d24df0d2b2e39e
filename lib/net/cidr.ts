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
 * A set of addresses, given as blocks.
 *
 * Blocks and addresses are compared as words of 32 bits: `node:net`'s
 * `BlockList` takes several microseconds for each address.
 */
export class CidrSet {
  readonly #ipv4: Int32Array;
  readonly #ipv6: Int32Array;

  /**
   * @param cidrs The blocks, as {@linkcode parseCidr} reads them.
   * @throws {RangeError} If one of them is no block.
   */
  constructor(cidrs: readonly string[]) {
    const blocks = cidrs.map(parseCidr);
    this.#ipv4 = compile(blocks.filter(({ network }) => network.length === 4));
    this.#ipv6 = compile(blocks.filter(({ network }) => network.length === 16));
  }

  /**
   * Whether one of the blocks has this address. IPv4-mapped addresses are IPv4;
   * what is no IP address is in no set.
   */
  has(ip: string): boolean {
    const bytes = parseIp(ip);
    if (!bytes) return false;
    const plain = unmapped(bytes);
    return contains(plain.length === 4 ? this.#ipv4 : this.#ipv6, plain);
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
function masked(bytes: number[], prefix: number): number[] {
  return bytes.map((byte, i) => byte & maskOf(8, prefix - 8 * i));
}

/** `width` bits, of which the first ones are set: as many as `prefix` says. */
function maskOf(width: number, prefix: number): number {
  const set = Math.min(Math.max(prefix, 0), width);
  return 2 ** width - 2 ** (width - set);
}

/** The blocks of one family: of each the words of its network, then its mask. */
function compile(blocks: Cidr[]): Int32Array {
  const words: number[] = [];
  for (const { network, prefix } of blocks) {
    const count = network.length / 4;
    for (let i = 0; i < count; i++) words.push(wordOf(network, i));
    for (let i = 0; i < count; i++) words.push(maskOf(32, prefix - 32 * i));
  }
  return Int32Array.from(words);
}

function contains(blocks: Int32Array, bytes: readonly number[]): boolean {
  const count = bytes.length / 4;
  for (let at = 0; at < blocks.length; at += 2 * count) {
    let same = 0;
    while (
      same < count &&
      (wordOf(bytes, same) & blocks[at + count + same]!) === blocks[at + same]
    ) same++;
    if (same === count) return true;
  }
  return false;
}

function wordOf(bytes: readonly number[], index: number): number {
  const at = 4 * index;
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
    bytes[at + 3]!;
}
