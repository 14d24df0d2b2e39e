/**
 * A socket in memory.
 *
 * @module
 */

import type { Wire } from "../../lib/net/transport.ts";
import { joined } from "./chunks.ts";

/**
 * Gives out its input in chunks, then FIN, and takes only a part of each write.
 */
export class MemoryWire implements Wire {
  readonly remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.7",
    port: 7777,
  };
  /** What each call of `write` was given, in full. */
  readonly writes: Uint8Array[] = [];
  /** How many bytes each call of `read` asked for. */
  readonly asked: number[] = [];
  /** Whether FIN was sent. */
  finished = false;
  /** Whether it was closed. */
  closed = false;
  /** What the next read fails with. */
  readError: Error | undefined;
  /** What the next write fails with. */
  writeError: Error | undefined;

  readonly #input: Uint8Array[];
  readonly #output: Uint8Array[] = [];
  readonly #mostTaken: number;
  #end = true;
  #news = Promise.withResolvers<void>();

  /**
   * @param input What the client sends, in the chunks in which it arrives,
   * before its FIN.
   * @param mostTaken How many bytes of a write are taken at most.
   */
  constructor(input: Uint8Array[] = [], mostTaken = Infinity) {
    this.#input = input.map((chunk) => chunk.slice());
    this.#mostTaken = mostTaken;
  }

  /**
   * A wire whose client says more with {@linkcode push}, until {@linkcode end}.
   */
  static open(): MemoryWire {
    const wire = new MemoryWire();
    wire.#end = false;
    return wire;
  }

  /** The client sends more. */
  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
    this.#wake();
  }

  /** The client sends FIN. */
  end(): void {
    this.#end = true;
    this.#wake();
  }

  /** What has been taken so far. */
  get output(): Uint8Array {
    return joined(this.#output);
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.asked.push(into.length);
    for (;;) {
      if (this.closed) throw new Deno.errors.Interrupted("closed");
      if (this.readError) throw this.readError;
      const [chunk] = this.#input;
      if (chunk) {
        const part = chunk.subarray(0, into.length);
        into.set(part);
        if (part.length === chunk.length) this.#input.shift();
        else this.#input[0] = chunk.subarray(part.length);
        return part.length;
      }
      if (this.#end) return null;
      await this.#news.promise;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    await Promise.resolve();
    if (this.closed) throw new Deno.errors.Interrupted("closed");
    if (this.writeError) throw this.writeError;
    if (this.finished) throw new Deno.errors.BrokenPipe("after FIN");
    const part = bytes.slice(0, this.#mostTaken);
    this.writes.push(bytes.slice());
    this.#output.push(part);
    return part.length;
  }

  // deno-lint-ignore require-await -- as of a socket
  async closeWrite(): Promise<void> {
    this.finished = true;
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
