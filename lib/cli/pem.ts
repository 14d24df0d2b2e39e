/**
 * Files of certificates and keys.
 *
 * @module
 */

import { plainReasonOf } from "../util/text.ts";

/**
 * Reads a file.
 *
 * @throws {Error} If it cannot be read, or holds no PEM: the message names it,
 * and the cure.
 */
export async function readPem(
  what: "certificate" | "key",
  path: string,
): Promise<string> {
  const text = await readText(what, path);
  const problem = problemOf(what, text);
  if (problem === undefined) return text;
  throw new Error(`Cannot use the ${what} ${path}: ${problem}`);
}

function problemOf(what: "certificate" | "key", text: string) {
  if (!text.includes("-----BEGIN ")) return "it is not PEM";
  const [needed, missing] = NEEDED[what];
  if (!needed.test(text)) return missing;
  const encrypted = what === "key" && ENCRYPTED.test(text);
  return encrypted ? "it is encrypted, decrypt it first" : undefined;
}

/** What must be in a file, and what is said if it is not. */
const NEEDED = {
  certificate: [/-----BEGIN CERTIFICATE-----/, "it holds no certificate"],
  key: [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "it holds no private key"],
} as const;

/** PKCS #8 says so in its first line, OpenSSL's older form in the second. */
const ENCRYPTED = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m;

async function readText(what: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? "permission missing, run again with --allow-read"
      : plainReasonOf(error);
    throw new Error(`Cannot read the ${what} ${path}: ${reason}`);
  }
}
