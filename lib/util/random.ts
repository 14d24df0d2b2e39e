/**
 * Numbers that look random, and are the same again for the same seed.
 *
 * @module
 */

import { checkNumber, type Range } from "./check.ts";

/** Which seeds there are. */
const SEEDS: Range = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** Which numbers a connection can have. */
const CONNECTIONS: Range = { min: 1, max: Number.MAX_SAFE_INTEGER };

/** Draws a seed for somebody who has given none. */
export function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** Gives `seed` back if it is one, and draws one if there is none. */
export function seedOf(seed: number | undefined): number {
  return seed === undefined ? drawSeed() : checkNumber("seed", seed, SEEDS);
}

/**
 * What the draws for one connection depend on.
 *
 * @param purpose Keeps draws for different purposes apart.
 * @param seed Drawn if there is none.
 * @throws {RangeError} If a number is out of its range.
 */
export function keyOf(
  purpose: string,
  seed: number | undefined,
  connection: number,
): number {
  checkNumber("connection", connection, CONNECTIONS);
  return hash(purpose, seedOf(seed), connection);
}

/**
 * One number from 0 to 2 ** 32 - 1 made of several whole ones, and of a word
 * that keeps draws for different purposes apart. It depends on nothing else, so
 * the n-th of something can be asked for without the ones before it.
 */
export function hash(purpose: string, ...numbers: number[]): number {
  let mixed = 0;
  for (let i = 0; i < purpose.length; i++) {
    mixed = mix(mixed, purpose.charCodeAt(i));
  }
  for (const number of numbers) {
    mixed = mix(mix(mixed, number), Math.floor(number / 2 ** 32));
  }
  return mixed;
}

/** A number from 0 up to, and without, 1; otherwise as {@linkcode hash}. */
export function fraction(purpose: string, ...numbers: number[]): number {
  return hash(purpose, ...numbers) / 2 ** 32;
}

/** A sequence of random numbers: mulberry32. */
export class Random {
  #state: number;

  /** @param seed Which sequence: a whole number. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  }
}

/** Mixes 32 more bits into 32 bits: a step and the end of MurmurHash3. */
function mix(state: number, bits: number): number {
  let mixed = state ^ Math.imul(bits, 0xcc9e2d51);
  mixed = Math.imul(mixed ^ mixed >>> 16, 0x85ebca6b) + 0x9e3779b9;
  mixed = Math.imul(mixed ^ mixed >>> 13, 0xc2b2ae35);
  return (mixed ^ mixed >>> 16) >>> 0;
}
