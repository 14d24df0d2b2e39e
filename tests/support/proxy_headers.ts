/**
 * PROXY headers, written by the specification and not with the code under test.
 *
 * @module
 */

import fc from "fast-check";
import type { Address } from "../../lib/net/address.ts";
import type { ProxyHeader } from "../../lib/net/proxy_header.ts";
import { joined } from "./chunks.ts";
import { bytes } from "./client.ts";

/** A header as it is on the wire, and what it says. */
export interface WrittenHeader {
  wire: Uint8Array;
  header: ProxyHeader;
}

/** A Type-Length-Value vector. */
export interface Tlv {
  type: number;
  value: Uint8Array;
}

/** What a header of version 2 is written from. */
export interface BinaryHeader {
  /** Version and command: 0x21 is PROXY of version 2, and the default. */
  command?: number;
  /** Family and type: 0x11 is TCP over IPv4. */
  protocol: number;
  /** Both addresses with their ports. */
  addresses?: Uint8Array;
  /** What follows the addresses. */
  tlvs?: Tlv[];
  /** Whether a checksum follows those. */
  checksum?: boolean;
  /** What the length field says, if not the truth. */
  length?: number;
}

/** What every header of version 2 begins with. */
export const SIGNATURE = Uint8Array.fromHex("0d0a0d0a000d0a515549540a");

/** Writes a header of version 2. */
export function binaryHeader(parts: BinaryHeader): Uint8Array<ArrayBuffer> {
  const { command = 0x21, protocol, addresses = new Uint8Array() } = parts;
  const tlvs = (parts.tlvs ?? []).map(writtenTlv);
  if (parts.checksum) {
    tlvs.push(writtenTlv({ type: 3, value: new Uint8Array(4) }));
  }
  const rest = joined([addresses, ...tlvs]);
  const header = joined([
    SIGNATURE,
    Uint8Array.of(command, protocol),
    uint16(parts.length ?? rest.length),
    rest,
  ]);
  if (parts.checksum) {
    new DataView(header.buffer).setUint32(header.length - 4, crc32c(header));
  }
  return header;
}

/** Both addresses, then both ports. */
export function endpoints(
  source: Uint8Array,
  destination: Uint8Array,
  sourcePort: number,
  destinationPort: number,
): Uint8Array<ArrayBuffer> {
  return joined([
    source,
    destination,
    uint16(sourcePort),
    uint16(destinationPort),
  ]);
}

/** A path, or an abstract name behind a NUL, in its 108 bytes. */
export function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const field = new Uint8Array(108);
  field.set(bytes(path));
  return field;
}

/** An IPv4 address as bytes, text and {@linkcode Address}. */
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
  .map((ip) => ({ ip, text: ip.join("."), hostname: ip.join(".") }));

/** The same for an IPv6 address, with all groups written out. */
const ipv6 = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), {
  minLength: 8,
  maxLength: 8,
}).map((groups) => {
  const text = groups.map((group) => group.toString(16)).join(":");
  return {
    ip: joined(groups.map(uint16)),
    text,
    // The URL standard writes IPv6 as RFC 5952 does, mapped addresses excepted.
    hostname: new URL(`http://[${text}]`).hostname.slice(1, -1),
  };
}).filter(({ hostname }) => !hostname.startsWith("::ffff:"));

const port = fc.oneof(fc.constantFrom(0, 65_535), fc.nat(65_535));

const pair = fc.constantFrom(ipv4, ipv6)
  .chain((ip) => fc.tuple(ip, ip, port, port));

/** A line of version 1 that names the client. */
const line = pair.map(([from, to, fromPort, toPort]): WrittenHeader => ({
  wire: bytes(
    `PROXY TCP${from.ip.length === 4 ? 4 : 6} ` +
      `${from.text} ${to.text} ${fromPort} ${toPort}\r\n`,
  ),
  header: {
    command: "proxy",
    source: { transport: "tcp", hostname: from.hostname, port: fromPort },
    destination: { transport: "tcp", hostname: to.hostname, port: toPort },
  },
}));

/** Anything that may stand behind UNKNOWN. */
const unknownLine = fc.string({ unit: "binary-ascii", maxLength: 91 })
  .filter((text) => !text.includes("\n") && !text.endsWith("\r"))
  .map((text): WrittenHeader => ({
    wire: bytes(`PROXY UNKNOWN${text && " "}${text}\r\n`),
    header: { command: "local" },
  }));

const tlvs = fc.array(
  fc.record({
    type: fc.nat(255).filter((type) => type !== 3),
    value: fc.uint8Array({ maxLength: 40 }),
  }),
  { maxLength: 4 },
);

const binary = fc.tuple(pair, fc.constantFrom(1, 2), tlvs, fc.boolean()).map(
  ([[from, to, fromPort, toPort], type, tlvs, checksum]): WrittenHeader => {
    const transport = type === 1 ? "tcp" : "udp";
    return {
      wire: binaryHeader({
        protocol: (from.ip.length === 4 ? 0x10 : 0x20) | type,
        addresses: endpoints(from.ip, to.ip, fromPort, toPort),
        tlvs,
        checksum,
      }),
      header: {
        command: "proxy",
        source: { transport, hostname: from.hostname, port: fromPort },
        destination: { transport, hostname: to.hostname, port: toPort },
      },
    };
  },
);

const path = fc.string({ unit: "grapheme-ascii", maxLength: 108 });

const unixBinary = fc.tuple(path, path, fc.constantFrom(1, 2), tlvs).map(
  ([from, to, type, tlvs]): WrittenHeader => ({
    wire: binaryHeader({
      protocol: 0x30 | type,
      addresses: joined([unixAddress(from), unixAddress(to)]),
      tlvs,
    }),
    header: {
      command: "proxy",
      source: unix(from),
      destination: unix(to),
    },
  }),
);

/** LOCAL with any family, and PROXY of something without an address. */
const localBinary = fc.tuple(
  fc.oneof(
    fc.tuple(fc.constant(0x20), fc.nat(255)),
    fc.tuple(
      fc.constant(0x21),
      fc.constantFrom(0x00, 0x01, 0x02, 0x10, 0x20, 0x30),
    ),
  ),
  fc.uint8Array({ maxLength: 60 }),
).map(([[command, protocol], addresses]): WrittenHeader => ({
  wire: binaryHeader({ command, protocol, addresses }),
  header: { command: "local" },
}));

/** Valid headers of both versions and all kinds. */
export const headers: fc.Arbitrary<WrittenHeader> = fc.oneof(
  line,
  unknownLine,
  binary,
  unixBinary,
  localBinary,
);

function unix(path: string): Address {
  return { transport: "unix", hostname: "", port: 0, path };
}

function writtenTlv({ type, value }: Tlv): Uint8Array {
  return joined([Uint8Array.of(type), uint16(value.length), value]);
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

/** CRC32C, bit by bit. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ byte >> bit) & 1;
      crc = crc >>> 1 ^ (odd ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}
