/**
 * A flood of a server, from a thread of its own.
 *
 * What it does to others is told by no clock: the server is stopped once it has
 * done so much for the flood, and what it has not done for them by then counts
 * as never done. So a machine that is slow or busy changes nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Client } from "./client.ts";
import type { FloodOrder } from "./flooders.ts";
import { inTime, type Program } from "./program.ts";

/** Many clients of a server, until it is disposed of. */
export class Flood implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./flooders.ts"), {
    type: "module",
  });

  /**
   * Clients that send as much as they can; settles once something has come back
   * to each.
   */
  static async start(port: number, clients: number): Promise<Flood> {
    const flood = await Flood.connected(port, clients);
    await flood.#do({ type: "flood" });
    return flood;
  }

  /** Clients that send nothing. */
  static async connected(port: number, clients: number): Promise<Flood> {
    const flood = new Flood();
    await flood.#do({ type: "connect", port, clients });
    return flood;
  }

  /**
   * Lets a program that is stopped go on until so many bytes have come to the
   * clients. Then it is stopped again.
   */
  async letGoOn({ pid }: Program, bytes: number): Promise<void> {
    await this.#do({ type: "let", pid, bytes });
  }

  /**
   * Checks that a line which has arrived is answered before so many bytes have
   * come to the flood. Leaves the program stopped.
   */
  async assertAnswered(
    program: Program,
    client: Client,
    bytes: number,
  ): Promise<void> {
    program.kill("SIGSTOP");
    await this.#do({ type: "quiet" });
    await client.send("line\n");
    await this.letGoOn(program, bytes);
    assert.equal(await client.receiveText(5), "line\n");
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  async #do(order: FloodOrder): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#worker.onmessage = () => resolve();
    this.#worker.onerror = ({ message }) => reject(new Error(message));
    this.#worker.postMessage(order);
    try {
      await inTime(`a flood to ${order.type}`, promise);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }
}
