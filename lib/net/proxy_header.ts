/**
 * The PROXY protocol, versions 1 and 2: what a proxy says, before all else, of
 * the client that it speaks for. The specification is HAProxy's
 * `doc/proxy-protocol.txt`.
 *
 * @module
 */

import {
  type Address,
  formatIp,
  parseIp,
  toAddress,
  unmapped,
} from "./address.ts";

/** What a header says. */
export type ProxyHeader =
  /** The proxy speaks for a client. */
  | { command: "proxy"; source: Address; destination: Address }
  /**
   * The real endpoints count: the proxy speaks for itself, for example in a
   * health check, or for something that the protocol has no address for.
   */
  | { command: "local" };

/** What the bytes so far are. */
export type ProxyParse =
  /** The beginning of a header: more bytes are needed. */
  | { need: true }
  /** A header, in the first `length` bytes. */
  | { header: ProxyHeader; length: number }
  /** No beginning of a valid header, for this reason. */
  | { refused: string };

/** Bytes that a header of version 2 has before its addresses. */
const FIXED_LENGTH = 16;

/** The longest that may follow: addresses and TLVs. */
const MAX_REST = 4096;

/** The longest line of version 1, its CRLF counted. */
const MAX_LINE = 107;

/** Bytes that the longest header has. */
export const MAX_HEADER = FIXED_LENGTH + MAX_REST;

const NEED: ProxyParse = { need: true };
const LOCAL: ProxyHeader = { command: "local" };
const P = 0x50;

/**
 * Reads a header.
 *
 * @param bytes All bytes that have come so far; what follows the header is not
 * looked at.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyParse {
  if (bytes.length === 0) return NEED;
  return bytes[0] === P ? parseLine(bytes) : parseBinary(bytes);
}

// Version 1: `PROXY TCP4 192.0.2.7 198.51.100.1 56324 443` and CRLF.

function parseLine(bytes: Uint8Array): ProxyParse {
  const text = String.fromCharCode(...bytes.subarray(0, MAX_LINE));
  const end = text.indexOf("\n");
  if (end >= 0) {
    if (text[end - 1] !== "\r") return { refused: "LF without CR" };
    const line = text.slice(0, end - 1);
    const wrong = wrongField(line, true);
    if (wrong) return { refused: wrong };
    return { header: headerOf(line), length: end + 1 };
  }
  const endBegins = text.endsWith("\r");
  if (text.length + (endBegins ? 1 : 2) > MAX_LINE) {
    return { refused: `no CRLF within ${MAX_LINE} bytes` };
  }
  const wrong = wrongField(endBegins ? text.slice(0, -1) : text, endBegins);
  return wrong ? { refused: wrong } : NEED;
}

/** A field of the line. */
interface Field {
  readonly name: string;
  /** Whether the text is a valid one. */
  readonly is: (text: string, protocol: string) => boolean;
  /** Whether the text is what a valid one begins with. */
  readonly begins: (text: string, protocol: string) => boolean;
}

const SIGNATURE = oneOf("signature", ["PROXY"]);
const PROTOCOL = oneOf("protocol", ["TCP4", "TCP6", "UNKNOWN"]);

/** One of these completes each text that an IP address can begin with. */
const REST_OF_ADDRESS = [
  "",
  "::",
  ":",
  "0",
  ".0",
  "0.0",
  ".0.0",
  "0.0.0",
  ".0.0.0",
  "0.0.0.0",
];

const ADDRESS: Field = {
  name: "address",
  is: (text, protocol) =>
    parseIp(text)?.length === (protocol === "TCP4" ? 4 : 16),
  begins: (text, protocol) =>
    REST_OF_ADDRESS.some((rest) => ADDRESS.is(text + rest, protocol)),
};

const PORT: Field = {
  name: "port",
  is: (text) => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535,
  begins: (text) => text === "" || PORT.is(text, ""),
};

function oneOf(name: string, words: readonly string[]): Field {
  return {
    name,
    is: (text) => words.includes(text),
    begins: (text) => words.some((word) => word.startsWith(text)),
  };
}

const FIELDS = [SIGNATURE, PROTOCOL, ADDRESS, ADDRESS, PORT, PORT];

/**
 * What is wrong with a line, if anything is.
 *
 * @param whole Whether that is all of it, or more may follow.
 */
function wrongField(line: string, whole: boolean): string | undefined {
  const texts = line.split(" ");
  const protocol = texts[1] ?? "";
  const last = texts.length - 1;
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i]!;
    // Behind UNKNOWN and a space there may be anything.
    if (i > 1 && protocol === "UNKNOWN") return undefined;
    const field = FIELDS[i];
    if (!field) return "too many fields";
    const good = whole || i < last ? field.is : field.begins;
    if (!good(text, protocol)) return `invalid ${field.name}`;
  }
  const missing = whole && protocol !== "UNKNOWN" && texts.length < 6;
  return missing ? "too few fields" : undefined;
}

function headerOf(line: string): ProxyHeader {
  const [, protocol, source, destination, sourcePort, destinationPort] = line
    .split(" ");
  if (protocol === "UNKNOWN") return LOCAL;
  return {
    command: "proxy",
    source: endpoint("tcp", parseIp(source!)!, Number(sourcePort)),
    destination: endpoint(
      "tcp",
      parseIp(destination!)!,
      Number(destinationPort),
    ),
  };
}

function endpoint(
  transport: "tcp" | "udp",
  ip: number[],
  port: number,
): Address {
  return { transport, hostname: formatIp(unmapped(ip)), port };
}

// Version 2:
//
//   0          12         13        14       16
//   signature | version, | family, | length | addresses | TLVs …
//             | command  | type    |        | ◄──── length ────►

const BINARY_SIGNATURE = new TextEncoder().encode("\r\n\r\n\0\r\nQUIT\n");

const LOCAL_COMMAND = 0x20;
const PROXY_COMMAND = 0x21;
const DATAGRAM = 2;

/** Bytes of the addresses and ports of each family, UNSPEC first. */
const ADDRESS_BYTES = [0, 12, 36, 216];
const IPV6 = 2;
const UNIX = 3;

function parseBinary(bytes: Uint8Array): ProxyParse {
  const wrong = wrongByte(bytes);
  if (wrong) return { refused: wrong };
  if (bytes.length < FIXED_LENGTH) return NEED;
  const length = FIXED_LENGTH + readUint16(bytes, 14);
  if (!namesClient(bytes)) {
    return bytes.length < length ? NEED : { header: LOCAL, length };
  }
  const tlvs = FIXED_LENGTH + ADDRESS_BYTES[bytes[13]! >> 4]!;
  if (length < tlvs) return { refused: "too short for its addresses" };
  if (bytes.length < length) return NEED;
  const header = bytes.subarray(0, length);
  return checksumHolds(header, tlvs)
    ? { header: endpointsOf(header), length }
    : { refused: "wrong checksum" };
}

/** What is wrong with the first 16 bytes, or with as many as there are. */
function wrongByte(bytes: Uint8Array): string | undefined {
  const signature = Math.min(bytes.length, BINARY_SIGNATURE.length);
  for (let i = 0; i < signature; i++) {
    if (bytes[i] !== BINARY_SIGNATURE[i]) return "invalid signature";
  }
  // What has not come yet is taken for the least that it can be.
  const command = bytes[12] ?? LOCAL_COMMAND;
  const protocol = bytes[13] ?? 0;
  const rest = (bytes[14] ?? 0) << 8 | (bytes[15] ?? 0);
  if (command !== LOCAL_COMMAND && command !== PROXY_COMMAND) {
    return "unknown version or command";
  }
  // Behind LOCAL the family is not looked at.
  const known = protocol >> 4 <= UNIX && (protocol & 15) <= DATAGRAM;
  if (command === PROXY_COMMAND && !known) return "unknown address family";
  return rest > MAX_REST ? `longer than ${MAX_HEADER} bytes` : undefined;
}

/** Whether it is PROXY, and neither family nor type is UNSPEC. */
function namesClient(bytes: Uint8Array): boolean {
  const protocol = bytes[13]!;
  return bytes[12] === PROXY_COMMAND && protocol >> 4 > 0 &&
    (protocol & 15) > 0;
}

function endpointsOf(header: Uint8Array): ProxyHeader {
  const family = header[13]! >> 4;
  if (family === UNIX) {
    return {
      command: "proxy",
      source: unixEndpoint(header.subarray(16, 124)),
      destination: unixEndpoint(header.subarray(124, 232)),
    };
  }
  const transport = (header[13]! & 15) === DATAGRAM ? "udp" : "tcp";
  const size = family === IPV6 ? 16 : 4;
  const destination = FIXED_LENGTH + size;
  const ports = destination + size;
  return {
    command: "proxy",
    source: endpoint(
      transport,
      [...header.subarray(FIXED_LENGTH, destination)],
      readUint16(header, ports),
    ),
    destination: endpoint(
      transport,
      [...header.subarray(destination, ports)],
      readUint16(header, ports + 2),
    ),
  };
}

/** A path ends before its first NUL; an abstract name begins with one. */
function unixEndpoint(bytes: Uint8Array): Address {
  const text = new TextDecoder().decode(bytes);
  const path = text.startsWith("\0")
    ? text.replace(/\0+$/, "")
    : text.split("\0", 1)[0]!;
  return toAddress({ transport: "unix", path });
}

/** The TLV that holds a checksum of the header. */
const CHECKSUM = 3;

/**
 * Whether each checksum among the TLVs, from `at` on, is that of the header.
 * All other TLVs are skipped, and so is what is too short for one.
 */
function checksumHolds(header: Uint8Array, at: number): boolean {
  while (at + 3 <= header.length) {
    const end = at + 3 + readUint16(header, at + 1);
    if (header[at] === CHECKSUM) {
      const value = header.subarray(at + 3, end);
      if (value.length !== 4) return false;
      const said = readUint16(value, 0) * 2 ** 16 + readUint16(value, 2);
      if (said !== crc32c(header, at + 3)) return false;
    }
    at = end;
  }
  return true;
}

let crcTable: Uint32Array | undefined;

/** CRC32C (RFC 4960, appendix B), with 4 bytes from `zeros` on taken for 0. */
function crc32c(bytes: Uint8Array, zeros: number): number {
  crcTable ??= Uint32Array.from({ length: 256 }, crcOfByte);
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= zeros && i < zeros + 4 ? 0 : bytes[i]!;
    crc = crc >>> 8 ^ crcTable[(crc ^ byte) & 255]!;
  }
  return ~crc >>> 0;
}

function crcOfByte(_: unknown, byte: number): number {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc >>> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc;
}

function readUint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}
