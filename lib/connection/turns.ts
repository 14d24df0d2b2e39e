import { pause } from "../util/async.ts";

/**
 * Reads that are answered together from which on there is a crowd: nearly as
 * many as the runtime can answer together.
 */
const CROWD = 120;

/** Reads that begin together in a crowd: few, which leaves room for others. */
const TURN = 24;

/**
 * If no read is answered for two timers of so many milliseconds, those whose
 * turn it was are idle, and all who wait may read.
 */
const STALL = 1;

/**
 * Lets busy connections take turns.
 *
 * The runtime does 128 reads and writes at a time (tokio's budget for a task,
 * see rust-lang/futures-rs#2053), and where more sockets are ready it prefers
 * those that became so last: of a thousand busy clients, half would get nothing
 * for seconds. So in a crowd whoever has been served waits here for its next
 * read, first come, first served.
 *
 * And as long as a few sockets are always ready, it hardly ever asks the kernel
 * about the others: whoever must know of them has all {@linkcode rest}.
 */
export class Turns {
  #waiting: (() => void)[] = [];
  #reads = 0;
  #crowd = false;
  #resting = 0;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;

  /** Whether to {@linkcode wait} before a read. */
  get crowded(): boolean {
    return this.#crowd || this.#resting > 0 || this.#waiting.length > 0;
  }

  /**
   * Calls `read` when its turn has come. The first to wait is let in soon; those
   * behind it by the answers to others, or when these stay away.
   */
  wait(read: () => void): void {
    if (this.#waiting.push(read) === 1) setImmediate(() => this.#next());
  }

  /** Counts a read that has been answered, in whatever way. */
  count(): void {
    // What is completed together is heard of in one go of microtasks.
    if (this.#reads++ === 0) queueMicrotask(() => this.#endBatch());
  }

  /**
   * Lets nobody begin to read for some milliseconds, in which the runtime has
   * nothing to do but to ask the kernel who is ready. One is too short where
   * the machine has no time for us.
   */
  async rest(milliseconds: number): Promise<void> {
    this.#resting++;
    for (let i = 0; i < milliseconds; i++) await pause(1);
    this.#resting--;
    this.#next();
  }

  #endBatch(): void {
    this.#crowd = this.#reads >= CROWD;
    this.#reads = 0;
    if (this.#waiting.length > 0) this.#next();
  }

  #next(count = TURN): void {
    clearTimeout(this.#stallTimer);
    if (this.#resting > 0) return;
    for (const read of this.#waiting.splice(0, count)) read();
    if (this.#waiting.length === 0) return;
    this.#stallTimer = setTimeout(() => {
      // Once is too early: it may be we who had no time.
      this.#stallTimer = setTimeout(() => this.#next(Infinity), STALL);
    }, STALL);
  }
}
