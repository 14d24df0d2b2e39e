/**
 * Files of certificates and keys.
 *
 * @module
 */

import { reasonOf } from "../util/text.ts";

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
  if (text.includes("-----BEGIN ")) return text;
  throw new Error(`Cannot use the ${what} ${path}: it is not PEM`);
}

async function readText(what: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? "permission missing, run again with --allow-read"
      : reasonOf(error);
    throw new Error(`Cannot read the ${what} ${path}: ${reason}`);
  }
}
