/**
 * Addresses: one flat shape for all transports, and IP addresses as text and as
 * bytes.
 *
 * @module
 */

/** Where one end of a connection, or a listener, is. */
export interface Address {
  /** TLS is TCP here. */
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
  switch (addr.transport) {
    case "tcp":
    case "udp":
      return {
        transport: addr.transport,
        hostname: plainHostname(addr.hostname),
        port: addr.port,
      };
    case "unix":
    case "unixpacket":
      return {
        transport: "unix",
        hostname: "",
        port: 0,
        // A socket without a name has null, whatever the type says.
        path: (addr.path ?? "").replace(/^\0/, "@"),
      };
    default:
      throw new TypeError(
        `Cannot use an address: unknown transport: ${addr.transport}`,
      );
  }
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
  scheme: "tcp" | "tls" | "udp" | "unix",
  address: Address,
): string {
  const shown = showAddress(address);
  return scheme === "unix" ? shown : `${scheme}://${shown}`;
}

/**
 * The bytes of an IP address: 4 or 16 of them.
 *
 * @param text Dotted decimals without leading zeros, or IPv6 in any form of
 * RFC 4291 without a zone.
 * @returns `undefined` if it is anything else.
 */
export function parseIp(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.includes(":")) return parseIpv6(text);
  const bytes = new Uint8Array(4);
  return writeIpv4(text, bytes, 0) ? bytes : undefined;
}

/** The text of an IP address; for IPv6 in the form of RFC 5952. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
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
export function unmapped<T extends Uint8Array>(bytes: T): T {
  return isMapped(bytes) ? bytes.subarray(12) as T : bytes;
}

/** Listening on `::`, the system shows IPv4 clients as mapped addresses. */
function plainHostname(hostname: string): string {
  if (!hostname.startsWith("::ffff:")) return hostname;
  const bytes = parseIp(hostname);
  return bytes ? formatIp(unmapped(bytes)) : hostname;
}

function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16) return false;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/**
 * Writes the octets of an IPv4 address from `at` on.
 *
 * @returns Whether `text` is one.
 */
function writeIpv4(text: string, bytes: Uint8Array, at: number): boolean {
  let octets = 0;
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
      if (!ends || digits === 0 || octets === 4) return false;
      bytes[at + octets++] = value;
      value = digits = 0;
    }
  }
  return octets === 4;
}

function parseIpv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const gap = text.indexOf("::");
  const front = groupsOf(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const back = groupsOf(gap < 0 ? "" : text.slice(gap + 2), true);
  if (!front || !back) return undefined;
  const zeros = 8 - front.length - back.length;
  if (gap < 0 ? zeros !== 0 : zeros < 1) return undefined;
  const bytes = new Uint8Array(16);
  writeGroups(front, bytes, 0);
  writeGroups(back, bytes, 16 - 2 * back.length);
  return bytes;
}

/**
 * The groups of a part of an IPv6 address.
 *
 * @param last Whether the address ends with it, so that it may end with an IPv4
 * address.
 */
function groupsOf(text: string, last: boolean): number[] | undefined {
  const groups: number[] = [];
  if (text === "") return groups;
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      const octets = new Uint8Array(4);
      const takes = last && i === parts.length - 1;
      if (!takes || !writeIpv4(part, octets, 0)) return undefined;
      groups.push(octets[0]! << 8 | octets[1]!, octets[2]! << 8 | octets[3]!);
    }
  }
  return groups;
}

function writeGroups(groups: number[], bytes: Uint8Array, at: number): void {
  for (const group of groups) {
    bytes[at++] = group >> 8;
    bytes[at++] = group;
  }
}

/** The longest run of groups that are 0, the first one of several. */
function longestZeros(groups: number[]): { start: number; length: number } {
  const longest = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
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
