/**
 * Writing to standard output and error.
 *
 * @module
 */

/**
 * Writes all of a text. That nobody reads it is no error.
 *
 * @throws {Error} If it cannot be written: a full disk, for example.
 */
export function writeText(
  to: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  try {
    let rest = new TextEncoder().encode(text);
    while (rest.length > 0) rest = rest.subarray(to.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
