/**
 * Makes a self-signed certificate.
 *
 * @module
 */

import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { parseIp } from "./address.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** Days that a made certificate is valid: browsers refuse more than 398. */
const VALID_DAYS = 397;

/** Hours that a made certificate is valid already: clocks may differ. */
const CLOCK_TOLERANCE = 1;

/** Names that every made certificate has. */
const LOCAL = ["localhost", "127.0.0.1", "::1"];

/** Addresses that mean any: no client calls them. */
const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** A certificate and its private key, PEM. */
export interface KeyPair {
  /** The certificate. */
  cert: string;
  /** Its private key, PKCS #8. */
  key: string;
}

/**
 * Makes a self-signed certificate for a server: ECDSA on P-256 with SHA-256,
 * no CA, valid for 397 days.
 *
 * The keys come from `node:crypto`, which `node:tls` loads anyway: WebCrypto
 * takes 40 ms for its first ones.
 *
 * @param hosts Names and addresses that it is for, beside `localhost`,
 * `127.0.0.1` and `::1`.
 * @param now When it is made.
 */
export function makeCertificate(
  hosts: readonly string[],
  now: Date = new Date(),
): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const signed = toBeSigned([...publicKey], hosts, now);
  const signature = sign("sha256", Uint8Array.from(signed), privateKey);
  const certificate = sequence(
    signed,
    ECDSA_WITH_SHA256,
    der(TAG.bitString, [0, ...signature]),
  );
  return { cert: pem(certificate), key: privateKey };
}

/** DER (ITU-T X.690): each value is a tag, a length and its bytes. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  dnsName: 0x82,
  ipAddress: 0x87,
  version: 0xa0,
  extensions: 0xa3,
} as const;

const OID = {
  commonName: [0x55, 0x04, 0x03],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
};

const ECDSA_WITH_SHA256 = sequence(oid(OID.ecdsaWithSha256));

/** The part of a certificate that is signed (RFC 5280, section 4.1). */
function toBeSigned(
  publicKey: number[],
  hosts: readonly string[],
  now: Date,
): number[] {
  const from = now.getTime() - CLOCK_TOLERANCE * HOUR;
  const commonName = der(TAG.utf8String, utf8("echoserver"));
  const name = sequence(
    der(TAG.set, sequence(oid(OID.commonName), commonName)),
  );
  return sequence(
    // Version 3.
    der(TAG.version, der(TAG.integer, [2])),
    serialNumber(),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(from), time(from + VALID_DAYS * DAY - SECOND)),
    name,
    publicKey,
    der(TAG.extensions, extensions(hosts)),
  );
}

/** Random, and positive: its first two bits are 01. */
function serialNumber(): number[] {
  const [first, ...rest] = randomBytes(16);
  return der(TAG.integer, [first! & 0x3f | 0x40, ...rest]);
}

/** Two-digit years end with 2049. */
function time(milliseconds: number): number[] {
  const digits = new Date(milliseconds).toISOString()
    .replace(/\.\d+|[-:T]/g, "");
  return digits < "2050"
    ? der(TAG.utcTime, utf8(digits.slice(2)))
    : der(TAG.generalizedTime, utf8(digits));
}

function extensions(hosts: readonly string[]): number[] {
  const names = new Set([...LOCAL, ...hosts.map(canonical)]);
  const listed = [...names].filter((name) => !UNSPECIFIED.has(name));
  const digitalSignature = der(TAG.bitString, [7, 0x80]);
  const critical = der(TAG.boolean, [0xff]);
  return sequence(
    extension(OID.basicConstraints, sequence(), critical),
    extension(OID.keyUsage, digitalSignature, critical),
    extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...listed.map(generalName))),
  );
}

function extension(
  id: number[],
  value: number[],
  critical: number[] = [],
): number[] {
  return sequence(oid(id), critical, der(TAG.octetString, value));
}

/**
 * A name as certificates have it: lower case, in ASCII, addresses in short. What
 * is no name stays: to listen on it will fail, and say why.
 */
function canonical(host: string): string {
  if (!host.includes(":")) {
    return URL.parse(`http://${host}`)?.hostname ?? host;
  }
  const [address] = host.split("%");
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function generalName(name: string): number[] {
  const address = parseIp(name);
  return address ? der(TAG.ipAddress, address) : der(TAG.dnsName, utf8(name));
}

function sequence(...parts: number[][]): number[] {
  return der(TAG.sequence, parts.flat());
}

function oid(bytes: number[]): number[] {
  return der(TAG.objectIdentifier, bytes);
}

function der(tag: number, value: number[]): number[] {
  const { length } = value;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return [tag, ...size, ...value];
}

function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function pem(certificate: number[]): string {
  const lines = btoa(String.fromCharCode(...certificate)).match(/.{1,64}/g)!;
  return [
    "-----BEGIN CERTIFICATE-----",
    ...lines,
    "-----END CERTIFICATE-----",
    "",
  ].join("\n");
}
