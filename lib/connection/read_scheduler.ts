/**
 * When the connections of this thread may read, and what the kernel has been
 * asked since.
 *
 * @module
 */

import { eventLoopTurn } from "../util/async.ts";

/**
 * Event-loop turns in a row without an answer that prove that the kernel holds
 * nothing for the pending reads, while no new read begins. The runtime asks the
 * kernel at least once in 61 polls of its main task (tokio's `event_interval`),
 * and one turn is one poll; one more lets the answer arrive.
 */
const PROOF_TURNS = 62;

/**
 * Schedules the reads of all connections of a thread, whichever server they
 * belong to: sockets that are always ready starve the whole thread, not only
 * their own server.
 *
 * Its one act is a **round**: no read begins until {@linkcode PROOF_TURNS}
 * event-loop turns in a row have answered none. A read that is still pending
 * then had nothing to get when the round began. On it rest the drain, the idle
 * sweep and the fairness towards those beside a flood.
 *
 * Sockets of the process that are not read through here are not seen: a flood
 * on them delays a round, and can make its proof too weak.
 */
export class ReadScheduler {
  /** Reads answered so far. Whoever reads counts it. */
  answers = 0;
  #resumed: PromiseWithResolvers<void> | undefined;
  /** Who waits for the next round. */
  #asking: (() => void)[] = [];
  #running = false;

  /** Whether a read must wait for {@linkcode ReadScheduler.resumed}. */
  get paused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Settles when reads may begin. */
  async resumed(): Promise<void> {
    while (this.#resumed) await this.#resumed.promise;
  }

  /**
   * Makes a round that begins now, or after the one that is under way; all who
   * ask meanwhile share it.
   *
   * @param proven Called at its end, before any other read begins: each read
   * that is pending then had nothing to get when this was called.
   */
  round(proven: () => void = () => {}): void {
    this.#asking.push(proven);
    if (!this.#running) this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#asking.length > 0) {
      const asking = this.#asking;
      this.#asking = [];
      const resumed = this.#resumed = Promise.withResolvers<void>();
      await this.#silence();
      for (const proven of asking) proven();
      this.#resumed = undefined;
      resumed.resolve();
      // Between two rounds reads begin.
      await eventLoopTurn();
    }
    this.#running = false;
  }

  /** Turns the event loop until it has been silent for long enough. */
  async #silence(): Promise<void> {
    let seen = this.answers;
    for (let silent = 0; silent < PROOF_TURNS; silent++) {
      await eventLoopTurn();
      if (this.answers === seen) continue;
      seen = this.answers;
      silent = -1;
    }
  }
}

/** That of this thread. */
export const reads: ReadScheduler = new ReadScheduler();
