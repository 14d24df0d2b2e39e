/**
 * Addresses: one flat shape for all transports, and IP addresses as text and as
 * bytes.
 *
 * @module
 */

import type { Transport } from "./transport.ts";

/** Where one end of a connection, or a listener, is. */
export interface Address {
  /** TLS is `tcp` here: the name of a listener has the scheme `tls`. */
  readonly transport: "tcp" | "udp" | "unix";
  /**
   * An IP address; one that is IPv4-mapped (`::ffff:192.0.2.7`) is plain IPv4.
   * Empty for Unix.
   */
  readonly hostname: string;
  /** 0 for Unix. */
  readonly port: number;
  /**
   * For Unix alone: the path of the socket, or `@` and its abstract name. Empty
   * for a socket without a name, which clients usually have.
   */
  readonly path?: string;
}

/**
 * Deno's address in the shape of {@linkcode Address}.
 *
 * @throws {TypeError} If it is a VSOCK address.
 */
export function toAddress(addr: Deno.Addr): Address {
  const transport = Reflect.get(addr, "transport") as Deno.Addr["transport"];
  switch (transport) {
    case "tcp":
    case "udp": {
      const { hostname, port } = copyOf(addr as Deno.NetAddr);
      return { transport, hostname: plainHostname(hostname), port };
    }
    case "unix":
    case "unixpacket":
      return {
        transport: "unix",
        hostname: "",
        port: 0,
        // A socket without a name has null, whatever the type says.
        path: (Reflect.get(addr, "path") ?? "").replace(/^\0/, "@"),
      };
    default:
      throw new TypeError(
        `Cannot use an address: unknown transport: ${transport}`,
      );
  }
}

/**
 * The same address, quick to read: no two of Deno's own have one layout, so each
 * property that is read by name costs a microsecond. Nor has one a prototype.
 */
export function copyOf(addr: Deno.NetAddr): Deno.NetAddr {
  return {
    transport: Reflect.get(addr, "transport"),
    hostname: Reflect.get(addr, "hostname"),
    port: Reflect.get(addr, "port"),
  };
}

/** An address as people write it: `127.0.0.1:1050`, `[::1]:1050`, `unix:/p`. */
export function showAddress(
  { hostname, port, path }: Pick<Address, "hostname" | "port" | "path">,
): string {
  if (path !== undefined) return `unix:${path}`;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/** A listener's name: its address with its scheme, `tls://127.0.0.1:1050`. */
export function listenerName(
  scheme: Transport,
  address: Pick<Address, "hostname" | "port" | "path">,
): string {
  const shown = showAddress(address);
  return scheme === "unix" ? shown : `${scheme}://${shown}`;
}

/**
 * The bytes of an IP address: 4 or 16 of them. A plain array, as a typed one
 * takes longer to make than the text to read.
 *
 * @param text Dotted decimals without leading zeros, or IPv6 in any form of
 * RFC 4291 without a zone.
 * @returns `undefined` if it is anything else.
 */
export function parseIp(text: string): number[] | undefined {
  if (text.includes(":")) return parseIpv6(text);
  const bytes: number[] = [];
  return pushIpv4(text, bytes) ? bytes : undefined;
}

/**
 * Whether `text` is an address, with a zone or without, or can be a name: what
 * separates the parts of a URL is in none.
 */
export function isHost(text: string): boolean {
  return text.includes(":")
    ? parseIp(text.replace(/%.+$/, "")) !== undefined
    : /^[^\0-\x20\x7f/?#@%\\[\]]+$/.test(text);
}

/** The text of an IP address; for IPv6 in the form of RFC 5952. */
export function formatIp(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.slice(12).join(".")}`;
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push(bytes[at]! << 8 | bytes[at + 1]!);
  }
  const { start, length } = longestZeros(groups);
  if (length < 2) return hexadecimal(groups);
  const front = groups.slice(0, start);
  const back = groups.slice(start + length);
  return `${hexadecimal(front)}::${hexadecimal(back)}`;
}

/** An IPv4-mapped IPv6 address as the IPv4 address that it means. */
export function unmapped(bytes: number[]): number[] {
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** Listening on `::`, the system shows IPv4 clients as mapped addresses. */
function plainHostname(hostname: string): string {
  if (!hostname.startsWith("::ffff:")) return hostname;
  const bytes = parseIp(hostname);
  return bytes ? formatIp(unmapped(bytes)) : hostname;
}

function isMapped(bytes: readonly number[]): boolean {
  if (bytes.length !== 16) return false;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/**
 * Adds the bytes of an IPv4 address.
 *
 * @returns Whether `text` is one; if not, some may have been added.
 */
function pushIpv4(text: string, bytes: number[]): boolean {
  let numbers = 0;
  let value = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + digit;
      if (value > 255) return false;
      digits++;
    } else {
      const ends = i === text.length || text[i] === ".";
      if (!ends || digits === 0) return false;
      bytes.push(value);
      numbers++;
      value = digits = 0;
    }
  }
  return numbers === 4;
}

function parseIpv6(text: string): number[] | undefined {
  const gap = text.indexOf("::");
  const front: number[] = [];
  const back: number[] = [];
  const valid = gap < 0
    ? pushGroups(text, front, true)
    : pushGroups(text.slice(0, gap), front, false) &&
      pushGroups(text.slice(gap + 2), back, true);
  const missing = 16 - front.length - back.length;
  if (!valid || (gap < 0 ? missing !== 0 : missing < 2)) return undefined;
  for (let i = 0; i < missing; i++) front.push(0);
  return front.concat(back);
}

/**
 * Adds the bytes of a part of an IPv6 address.
 *
 * @param last Whether the address ends with it, so that it may end with an IPv4
 * address.
 * @returns Whether it is one; if not, some may have been added.
 */
function pushGroups(text: string, bytes: number[], last: boolean): boolean {
  if (text === "") return true;
  let start = 0;
  let value = 0;
  for (let i = 0; i <= text.length; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit >= 0) {
      value = value << 4 | digit;
    } else if (i === text.length || text[i] === ":") {
      if (i === start || i > start + 4) return false;
      bytes.push(value >> 8, value & 255);
      start = i + 1;
      value = 0;
    } else {
      return last && pushIpv4(text.slice(start), bytes);
    }
  }
  return true;
}

/** The value of a digit, given as its character code; -1 if it is none. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** The longest run of groups that are 0, the first one of several. */
function longestZeros(groups: number[]): { start: number; length: number } {
  const longest = { start: 0, length: 0 };
  let length = 0;
  for (let i = 0; i < groups.length; i++) {
    length = groups[i] === 0 ? length + 1 : 0;
    if (length > longest.length) {
      longest.start = i - length + 1;
      longest.length = length;
    }
  }
  return longest;
}

function hexadecimal(groups: number[]): string {
  return groups.map((group) => group.toString(16)).join(":");
}
