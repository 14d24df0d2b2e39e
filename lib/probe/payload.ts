/**
 * The lines that a probe sends: each differs from every other, and can be made
 * again from its connection and number, so that nothing that was sent needs to
 * be kept.
 *
 * @module
 */

import { LF, lineFeedsIn } from "../lines/line_feed.ts";

/** Digits of the connection, and of each half of the line's number. */
const DIGITS = 4;
/** Bytes of the header: the connection, then the number, high half first. */
const HEADER = 3 * DIGITS;
/** A digit is one of 64 printable characters from "0". */
const FIRST_DIGIT = 0x30;
/** How many values so many digits can write. */
const HALF = 64 ** DIGITS;

/** Bytes, and the same memory as words, the last one rounded up. */
export interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
}

/** Gives memory for so many bytes. */
export function allocate(size: number): Memory {
  const words = new Uint32Array(Math.ceil(size / 4));
  return { words, bytes: new Uint8Array(words.buffer, 0, size) };
}

/** Which line it is. */
export interface LineName {
  /** Number of the connection, from 1. */
  connection: number;
  /** Number of the line on its connection, from 0. */
  number: number;
}

/** Makes lines, and recognizes them. */
export class Payload {
  /** Bytes of a line, its LF counted. */
  readonly size: number;
  readonly #seed: number;
  readonly #scratch: Memory;

  /**
   * @param size Bytes of a line, its LF counted, at least 16.
   * @param seed What the lines are drawn from, besides their names: a whole
   * number.
   */
  constructor(size: number, seed: number) {
    this.size = size;
    this.#seed = seed ^ Math.floor(seed / 2 ** 32);
    this.#scratch = allocate(size);
  }

  /** Writes the line of that name into memory, from byte `start` on. */
  fill(
    memory: Memory,
    connection: number,
    number: number,
    start = 0,
  ): void {
    if (((start | this.size) & 3) === 0) {
      this.#fillWords(memory, connection, number, start);
    } else {
      // Its words would not be words there.
      this.#fillWords(this.#scratch, connection, number, 0);
      memory.bytes.set(this.#scratch.bytes, start);
    }
  }

  /** The name of a line, if `record` is one byte for byte. */
  recognize(record: Uint8Array): LineName | undefined {
    if (record.length !== this.size) return undefined;
    const connection = readDigits(record, 0);
    const high = readDigits(record, DIGITS);
    const low = readDigits(record, DIGITS * 2);
    if (connection < 0 || high < 0 || low < 0) return undefined;
    const number = high * HALF + low;
    this.#fillWords(this.#scratch, connection, number, 0);
    return equalBytes(record, 0, this.#scratch.bytes, 0, this.size) ===
        this.size
      ? { connection, number }
      : undefined;
  }

  #fillWords(
    { bytes, words }: Memory,
    connection: number,
    number: number,
    start: number,
  ): void {
    const low = number % HALF;
    const high = (number - low) / HALF;
    writeDigits(bytes, start, connection);
    writeDigits(bytes, start + DIGITS, high);
    writeDigits(bytes, start + DIGITS * 2, low);
    let word = this.#draw(connection, low ^ high);
    const end = start + this.size;
    for (let i = (start + HEADER) >>> 2; i < end / 4; i++) {
      // Marsaglia's xorshift32.
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      words[i] = withoutLF(word);
    }
    bytes[end - 1] = LF;
  }

  /** The first state of a generator; it must not be 0. */
  #draw(connection: number, number: number): number {
    // MurmurHash3's finalizer spreads neighbouring names.
    let mixed = this.#seed ^ Math.imul(connection + 1, 0x9e3779b1) ^
      Math.imul(number + 1, 0x85ebca6b);
    mixed = Math.imul(mixed ^ mixed >>> 16, 0x85ebca6b);
    mixed = Math.imul(mixed ^ mixed >>> 13, 0xc2b2ae35);
    return (mixed ^ mixed >>> 16) || 1;
  }
}

/**
 * How many bytes are equal before the first that is not: `length` if all are.
 */
export function equalBytes(
  a: Uint8Array,
  aStart: number,
  b: Uint8Array,
  bStart: number,
  length: number,
): number {
  let i = 0;
  while (i < length && a[aStart + i] === b[bStart + i]) i++;
  return i;
}

/** The same, word by word where the alignment allows it. */
export function equalWords(
  a: Memory,
  aStart: number,
  b: Memory,
  bStart: number,
  length: number,
): number {
  let equal = 0;
  if (((aStart | bStart) & 3) === 0) {
    const left = a.words;
    const right = b.words;
    const i = aStart >>> 2;
    const j = bStart >>> 2;
    const end = length >>> 2;
    let word = 0;
    while (word < end && left[i + word] === right[j + word]) word++;
    equal = word * 4;
  }
  const rest = length - equal;
  return equal +
    equalBytes(a.bytes, aStart + equal, b.bytes, bStart + equal, rest);
}

/** Changes each byte that is an LF into 0x8a, and perhaps one above it. */
function withoutLF(word: number): number {
  return word ^ lineFeedsIn(word);
}

function writeDigits(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = FIRST_DIGIT + (value >>> 18 & 63);
  bytes[at + 1] = FIRST_DIGIT + (value >>> 12 & 63);
  bytes[at + 2] = FIRST_DIGIT + (value >>> 6 & 63);
  bytes[at + 3] = FIRST_DIGIT + (value & 63);
}

/** The value of the digits, or -1 if one of them is none. */
function readDigits(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + DIGITS; i++) {
    const digit = bytes[i]! - FIRST_DIGIT;
    if (digit < 0 || digit > 63) return -1;
    value = value * 64 + digit;
  }
  return value;
}
