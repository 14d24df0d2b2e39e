/**
 * Certificates: makes a self-signed one, names one by its fingerprint, and
 * finds out whether one can be used.
 *
 * @module
 */

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
 * @param hosts Names and addresses that it is for, beside `localhost`,
 * `127.0.0.1` and `::1`.
 * @param now When it is made.
 */
export async function makeCertificate(
  hosts: readonly string[],
  now: Date = new Date(),
): Promise<KeyPair> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const spki = await crypto.subtle.exportKey("spki", publicKey);
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
  const signed = toBeSigned(new Uint8Array(spki), hosts, now);
  const signature = await crypto.subtle.sign(
    { name: "ECDSA", hash: "SHA-256" },
    privateKey,
    signed,
  );
  const certificate = sequence(
    signed,
    ECDSA_WITH_SHA256,
    bitString(ecdsaSignature(new Uint8Array(signature))),
  );
  return {
    cert: pem("CERTIFICATE", certificate),
    key: pem("PRIVATE KEY", new Uint8Array(pkcs8)),
  };
}

/**
 * The SHA-256 fingerprint of the first certificate, as 64 hexadecimal digits in
 * lower case.
 *
 * @throws {Deno.errors.InvalidData} If there is no certificate.
 */
export async function fingerprint(certPem: string): Promise<string> {
  const [, base64] = certPem.match(
    /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/,
  ) ?? [];
  if (base64 === undefined) throw unusable(NO_CERTIFICATE);
  const der = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const digest = await crypto.subtle.digest("SHA-256", der);
  return Array.from(
    new Uint8Array(digest),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** What people want to know of a certificate. */
export interface CertificateFacts {
  /** The names and addresses that it is for, joined by commas. */
  names: string;
  /** When it becomes valid, as RFC 3339 writes it, in UTC. */
  validFrom: string;
  /** When it expires. */
  validTo: string;
  /** Whether it is valid now. */
  valid: boolean;
}

/**
 * Tells of the first certificate, which can be used.
 *
 * @param certPem The certificate, PEM.
 * @param now In milliseconds since 1970.
 */
export async function factsOf(
  certPem: string,
  now: number = Date.now(),
): Promise<CertificateFacts> {
  const { X509Certificate } = await import("node:crypto");
  const { subjectAltName, validFrom, validTo } = new X509Certificate(certPem);
  const names = subjectAltName?.replace(/(?:DNS|IP Address):/g, "");
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return {
    names: names || "no name",
    validFrom: new Date(from).toISOString(),
    validTo: new Date(to).toISOString(),
    valid: from <= now && now <= to,
  };
}

/**
 * Checks that a certificate and its private key can be used, so that the first
 * client is not the one to find out.
 *
 * @throws {Deno.errors.InvalidData} If they cannot, with the cause in one line.
 */
export function checkCertificate(cert: string, key: string): void {
  try {
    // The same TLS library, made ready for a client with this certificate. It
    // needs no permission and opens nothing.
    Deno.createHttpClient({ cert, key }).close();
  } catch (error) {
    const { message } = error as Error;
    const [, cause = message] = CAUSES.find(([pattern]) =>
      pattern.test(message)
    ) ?? [];
    throw unusable(cause);
  }
}

const NO_CERTIFICATE = "it is no PEM certificate";

/** What the TLS library says, and what that means. */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/No certificates found/, NO_CERTIFICATE],
  [
    /UnsupportedCertVersion/,
    "it is of X.509 version 1 or 2, and must be of version 3",
  ],
  [/invalid peer certificate/, "it is damaged"],
  [/No keys found/, "its key is no PEM private key, or an encrypted one"],
  [/KeyMismatch/, "its key belongs to another certificate"],
  [
    /failed to parse private key/,
    "its key is damaged or of the wrong kind, which must be RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519",
  ],
];

function unusable(cause: string): Error {
  return new Deno.errors.InvalidData(`Cannot use the certificate: ${cause}`);
}

/** The part of a certificate that is signed (RFC 5280, section 4.1). */
function toBeSigned(
  publicKey: Uint8Array,
  hosts: readonly string[],
  now: Date,
): Uint8Array<ArrayBuffer> {
  const from = now.getTime() - CLOCK_TOLERANCE * HOUR;
  const name = sequence(
    set(sequence(OID.commonName, tlv(TAG.utf8String, ascii("echoserver")))),
  );
  return sequence(
    explicit(0, integer([2])),
    integer(crypto.getRandomValues(new Uint8Array(16))),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(from), time(from + VALID_DAYS * DAY - SECOND)),
    name,
    publicKey,
    explicit(3, extensions(hosts)),
  );
}

function extensions(hosts: readonly string[]): Uint8Array {
  const names = new Set([...LOCAL, ...hosts.map(canonical)]);
  const listed = [...names].filter((name) => !UNSPECIFIED.has(name));
  const digitalSignature = tlv(TAG.bitString, [7, 0x80]);
  return sequence(
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, digitalSignature),
    extension(OID.extendedKeyUsage, false, sequence(OID.serverAuth)),
    extension(OID.subjectAltName, false, sequence(...listed.map(generalName))),
  );
}

function extension(
  id: Uint8Array,
  critical: boolean,
  value: Uint8Array,
): Uint8Array {
  const flag = critical ? [tlv(TAG.boolean, [0xff])] : [];
  return sequence(id, ...flag, tlv(TAG.octetString, value));
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

function generalName(name: string): Uint8Array {
  const dnsName = 0x82;
  const ipAddress = 0x87;
  const address = parseIp(name);
  return address ? tlv(ipAddress, address) : tlv(dnsName, ascii(name));
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
  explicit: 0xa0,
} as const;

const OID = {
  commonName: oid(0x55, 0x04, 0x03),
  keyUsage: oid(0x55, 0x1d, 0x0f),
  subjectAltName: oid(0x55, 0x1d, 0x11),
  basicConstraints: oid(0x55, 0x1d, 0x13),
  extendedKeyUsage: oid(0x55, 0x1d, 0x25),
  serverAuth: oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01),
  ecdsaWithSha256: oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02),
} as const;

const ECDSA_WITH_SHA256 = sequence(OID.ecdsaWithSha256);

function tlv(tag: number, value: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const { length } = value;
  const head = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  bytes.set(value, head.length);
  return bytes;
}

function constructed(
  tag: number,
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return tlv(tag, parts.flatMap((part) => [...part]));
}

function sequence(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return constructed(TAG.sequence, parts);
}

function set(...parts: Uint8Array[]): Uint8Array {
  return constructed(TAG.set, parts);
}

function explicit(number: number, value: Uint8Array): Uint8Array {
  return tlv(TAG.explicit + number, value);
}

function oid(...bytes: number[]): Uint8Array {
  return tlv(TAG.objectIdentifier, bytes);
}

/** A positive integer: no needless zeros, and one before a high first bit. */
function integer(bytes: ArrayLike<number>): Uint8Array {
  const all = Array.from(bytes);
  const first = all.findIndex((byte) => byte !== 0);
  const short = first < 0 ? [0] : all.slice(first);
  return tlv(TAG.integer, short[0]! < 0x80 ? short : [0, ...short]);
}

function bitString(bytes: Uint8Array): Uint8Array {
  return tlv(TAG.bitString, [0, ...bytes]);
}

/** Two-digit years end with 2049. */
function time(milliseconds: number): Uint8Array {
  const digits = new Date(milliseconds).toISOString()
    .replace(/\.\d+|[-:T]/g, "");
  return digits < "2050"
    ? tlv(TAG.utcTime, ascii(digits.slice(2)))
    : tlv(TAG.generalizedTime, ascii(digits));
}

/** WebCrypto gives r and s side by side, X.509 wants two integers. */
function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return sequence(integer(raw.slice(0, half)), integer(raw.slice(half)));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function pem(label: string, der: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""]
    .join("\n");
}
