/**
 * Whole lines, in one buffer: the only place that splits them.
 *
 * @module
 */

import type { Range } from "../util/check.ts";
import { lastLineFeed, LF } from "./line_feed.ts";

/**
 * What a connection begins with: small, because many never send more than a
 * short line. It grows with what is sent, and never shrinks.
 */
const FIRST_ROOM = 256;

/** The most that one read takes: a larger one would not save time. */
export const READ_BUFFER = 128 * 1024;

/** The line limits that can be set, in bytes. */
export const LINE_LIMIT = { min: 1, max: 16_777_216 } satisfies Range;

/** The line limit where none is set, in bytes. */
export const DEFAULT_LINE_LIMIT = 65_536;

/** The line limit of raw mode: nothing is held, bytes pass as they come. */
export const RAW = 0;

/** First rooms that are cut from one buffer: memory of its own costs each 1 µs. */
const SLAB = 16 * FIRST_ROOM;

let slab = new ArrayBuffer(SLAB);
let cut = 0;

function firstRoom(): Uint8Array<ArrayBuffer> {
  if (cut === SLAB) {
    slab = new ArrayBuffer(SLAB);
    cut = 0;
  }
  const room = new Uint8Array(slab, cut, FIRST_ROOM);
  cut += FIRST_ROOM;
  return room;
}

/**
 * Bytes in, whole lines out, without copying them: bytes are read straight into
 * {@linkcode room}, what {@linkcode takeLines} returns is a view of them, and
 * only the start of an unfinished line is moved.
 *
 * ```text
 *   0                 #held           #taken   #filled       #bytes.length
 *   ├── unfinished line ──┼── bytes just read ─────┼── free ──────────┤
 *   └────────── whole lines ────────────┴── rest ──┘
 * ```
 *
 * It starts small and doubles whenever a read fills it, up to one line limit
 * and one read buffer.
 */
export class LineBuffer {
  #bytes = firstRoom();
  /** Bytes at the front that belong to an unfinished line. They hold no LF. */
  #held = 0;
  /** Where the bytes end that were handed out last. */
  #taken = 0;
  /** Where the bytes end that have been read. */
  #filled = 0;
  readonly #maxLineLength: number;

  /**
   * @param maxLineLength Most bytes held of an unfinished line, or {@linkcode
   * RAW}.
   */
  constructor(maxLineLength: number) {
    this.#maxLineLength = maxLineLength;
  }

  /**
   * Where the next bytes go: from 1 to {@linkcode READ_BUFFER} of them. Asking
   * for it ends the use of what {@linkcode takeLines} has returned.
   */
  room(): Uint8Array<ArrayBuffer> {
    this.#makeRoom();
    if (this.#held === 0 && this.#bytes.length <= READ_BUFFER) {
      return this.#bytes;
    }
    return this.#bytes.subarray(this.#held, this.#held + READ_BUFFER);
  }

  /**
   * Takes note of `count` bytes (at least one) put at the front of {@linkcode
   * room}.
   *
   * @returns All whole lines, or more of a line that is longer than may be
   * held; empty if everything is held.
   */
  takeLines(count: number): Uint8Array<ArrayBuffer> {
    this.#filled = this.#held + count;
    this.#taken = this.#endOfLines();
    return this.#bytes.subarray(0, this.#taken);
  }

  /** Takes what is held: the tail that no LF has ended. */
  takeTail(): Uint8Array<ArrayBuffer> {
    this.#makeRoom();
    const tail = this.#bytes.subarray(0, this.#held);
    this.#held = 0;
    this.#filled = 0;
    return tail;
  }

  #endOfLines(): number {
    const filled = this.#filled;
    if (this.#bytes[filled - 1] === LF || this.#maxLineLength === RAW) {
      return filled;
    }
    // Only the new bytes are searched, or a line sent byte by byte would cost
    // the square of its length.
    const end = lastLineFeed(this.#bytes, this.#held, filled) + 1;
    return filled - end > this.#maxLineLength ? filled : end;
  }

  #makeRoom(): void {
    const { length } = this.#bytes;
    const rest = this.#filled - this.#taken;
    const most = this.#maxLineLength + READ_BUFFER;
    const tight = this.#filled === length && length < READ_BUFFER ||
      rest > length / 2;
    if (tight && length < most) {
      const larger = new Uint8Array(Math.min(length * 2, most));
      larger.set(this.#bytes.subarray(this.#taken, this.#filled));
      this.#bytes = larger;
    } else if (rest > 0 && this.#taken > 0) {
      this.#bytes.copyWithin(0, this.#taken, this.#filled);
    }
    this.#held = rest;
    this.#filled = rest;
    this.#taken = 0;
  }
}
