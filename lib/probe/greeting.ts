/**
 * Reads the line of JSON by which a server says who answers.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";

/** Characters of a greeting at most. */
const LONGEST = 16 * 1024;

/** Collects a greeting, however it is cut into reads. */
export class GreetingReader {
  #text = "";
  readonly #decoder = new TextDecoder();

  /**
   * Takes what has come.
   *
   * @returns The name that it says, once it is whole.
   * @throws {Error} If it is no greeting.
   */
  push(bytes: Uint8Array): string | undefined {
    const lf = bytes.indexOf(LF);
    const part = lf < 0 ? bytes : bytes.subarray(0, lf);
    this.#text += this.#decoder.decode(part, { stream: lf < 0 });
    if (this.#text.length > LONGEST) throw new Error("the greeting is endless");
    if (lf < 0) return undefined;
    if (lf + 1 < bytes.length) {
      throw new Error("more than a greeting came before the first line");
    }
    return nameIn(this.#text);
  }
}

function nameIn(text: string): string {
  let name: unknown;
  try {
    ({ name } = JSON.parse(text));
  } catch {
    throw new Error("the first line is no greeting: it is not JSON");
  }
  if (typeof name !== "string") {
    throw new Error('the first line is no greeting: it has no "name"');
  }
  return name;
}
