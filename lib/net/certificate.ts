/**
 * Certificates: names one by its fingerprint, tells of it, and finds out whether
 * it can be used.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";

/**
 * The SHA-256 fingerprint of the first certificate, as 64 hexadecimal digits in
 * lower case.
 *
 * @throws {Deno.errors.InvalidData} If there is no certificate.
 */
export function fingerprint(certPem: string): string {
  return read(certPem).fingerprint256.replaceAll(":", "").toLowerCase();
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
export function factsOf(
  certPem: string,
  now: number = Date.now(),
): CertificateFacts {
  const { subjectAltName, validFrom, validTo } = read(certPem);
  const names = subjectAltName?.replace(/(?:DNS|IP Address):/g, "");
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return {
    names: names || "no name",
    validFrom: new Date(from).toISOString(),
    validTo: new Date(to).toISOString(),
    valid: from <= now && now <= to,
  };
}

function read(certPem: string): X509Certificate {
  try {
    return new X509Certificate(certPem);
  } catch {
    throw unusable(NO_CERTIFICATE);
  }
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
