/**
 * Bytes that wait, in one buffer.
 *
 * @module
 */

/** What a queue begins with, in bytes. */
const FIRST_ROOM = 256;

const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * Bytes, first in, first out. They are copied, so that small chunks cost no more
 * than their bytes. It takes at most twice the memory of the most that it held,
 * and none when it is empty.
 *
 * ```text
 *   0        #start         #end         #bytes.length
 *   ├── gone ──┼── held ──────┼── free ──────┤
 * ```
 */
export class ByteQueue {
  #bytes = NOTHING;
  #start = 0;
  #end = 0;

  /** How many bytes are held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds the bytes of `chunk`. */
  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) this.#room(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Takes the first `count` bytes: as many are held. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(this.#start, this.#start + count);
    this.#start += count;
    if (this.#start === this.#end) this.clear();
    return taken;
  }

  /** Forgets all bytes. */
  clear(): void {
    this.#bytes = NOTHING;
    this.#start = this.#end = 0;
  }

  /** Moves what is held to the front, so that `count` bytes fit behind it. */
  #room(count: number): void {
    const held = this.#bytes.subarray(this.#start, this.#end);
    const all = held.length + count;
    // At most half full after the move, or it would have to move too often.
    if (all > this.#bytes.length / 2) {
      this.#bytes = new Uint8Array(Math.max(FIRST_ROOM, all * 2));
    }
    this.#bytes.set(held);
    this.#start = 0;
    this.#end = held.length;
  }
}
