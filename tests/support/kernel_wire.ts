/**
 * A socket in memory whose bytes are answered late, as the runtime answers what
 * the kernel holds.
 *
 * @module
 */

import type { Wire } from "../../lib/net/transport.ts";
import { eventLoopTurn } from "../../lib/util/async.ts";

/**
 * What has been sent waits "in the kernel". A read that finds something there
 * gets it only after some event-loop turns: 62 at most, as seen of Deno.
 */
export class KernelWire implements Wire {
  readonly remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.7",
    port: 7777,
  };
  /** What has come back, as text. */
  output = "";
  /** Whether our FIN was sent. */
  finished = false;
  /** Whether it was closed. */
  closed = false;
  /** Whether writes wait, as to a client that does not read. */
  stuck = false;
  readonly #turns: number;
  #held = "";
  #fin = false;
  #news = Promise.withResolvers<void>();

  /** @param turns Event-loop turns that an answer takes. */
  constructor(turns = 61) {
    this.#turns = turns;
  }

  /** The client sends. */
  send(text: string): void {
    this.#held += text;
    this.#wake();
  }

  /** The client sends FIN. */
  end(): void {
    this.#fin = true;
    this.#wake();
  }

  /** The client reads, and what waits can be written. */
  unblock(): void {
    this.stuck = false;
    this.#wake();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#held === "" && !this.#fin && !this.closed) {
      await this.#news.promise;
    }
    for (let turn = 1; turn < this.#turns; turn++) await eventLoopTurn();
    if (this.closed) throw new Deno.errors.Interrupted("closed");
    if (this.#held === "") return null;
    const part = this.#held.slice(0, into.length);
    this.#held = this.#held.slice(part.length);
    return new TextEncoder().encodeInto(part, into).written;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.stuck && !this.closed) await this.#news.promise;
    if (this.closed) throw new Deno.errors.Interrupted("closed");
    this.output += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  // deno-lint-ignore require-await -- as of a socket
  async closeWrite(): Promise<void> {
    this.finished = true;
    this.#wake();
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  /** Settles when our FIN was sent, or it was closed. */
  async ended(): Promise<void> {
    while (!this.finished && !this.closed) await this.#news.promise;
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
