/**
 * Numbers that look random, and are the same again for the same seed.
 *
 * @module
 */

/** A sequence of random numbers: mulberry32. */
export class Random {
  #state: number;

  /** @param seed Which sequence: a whole number. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * end);
  }

  /** One of these. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /**
   * So many bytes; each is an LF with a chance of one in `line`, or as often as
   * any other if that is 0.
   */
  bytes(length: number, line = 0): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      all[i] = line > 0 && this.below(line) === 0 ? 0x0a : this.below(256);
    }
    return all;
  }
}
