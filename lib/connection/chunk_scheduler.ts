/**
 * When chunks may go on that pass through the platform's streams.
 *
 * ```text
 *   socket ─► ReadableStream ─► … ─► WritableStream ─► socket
 *          ▲                                        ▲
 *          └──────────── enter ─────────────────────┘
 * ```
 *
 * A fused pipe does little for each read. What stages do with a chunk has no
 * bound: they hold much and let it go together, cut it into many writes, or
 * compute. So here the event loop turns after so many bytes, and the time that
 * they take counts towards the next look of the {@linkcode ReadScheduler}.
 *
 * @module
 */

import { READ_BUFFER } from "../lines/line_buffer.ts";
import { Queue } from "../util/queue.ts";
import { reads, type ReadScheduler } from "./read_scheduler.ts";

/** Bytes of chunks after which the event loop turns: what one read may give. */
export const BYTES_PER_TURN = READ_BUFFER;

/** A chunk that waits. */
interface Waiting {
  readonly bytes: number;
  readonly goOn: () => void;
}

/** Schedules the chunks of all streams of a thread. */
export class ChunkScheduler {
  readonly #reads: ReadScheduler;
  readonly #now: () => number;
  readonly #queue = new Queue<Waiting>();
  /** Whether something is to be done at the end of this event-loop turn. */
  #turning = false;
  /** Bytes that went on in this turn. */
  #bytes = 0;
  /** Until when the time of this turn has been charged, if at all. */
  #charged: number | undefined;

  /**
   * @param reads Whose looks it waits for.
   * @param now The time, in milliseconds.
   */
  constructor(reads: ReadScheduler, now: () => number) {
    this.#reads = reads;
    this.#now = now;
  }

  /**
   * Asks for the turn of a chunk.
   *
   * @param bytes How long it is.
   * @returns Settles when it may go on; undefined if that is at once.
   */
  enter(bytes: number): Promise<void> | undefined {
    this.#charge();
    const full = this.#bytes >= BYTES_PER_TURN || this.#queue.length > 0;
    if (full || this.#reads.mustLook) {
      return new Promise((goOn) => this.#queue.push({ bytes, goOn }));
    }
    this.#bytes += bytes;
    return undefined;
  }

  /** Charges the time since the last call in this turn: chunks took it. */
  #charge(): void {
    const now = this.#now();
    if (this.#charged !== undefined) this.#reads.spend(now - this.#charged);
    this.#charged = now;
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = async (): Promise<void> => {
    this.#charge();
    if (this.#queue.length > 0 && this.#reads.mustLook) {
      await this.#reads.afterLook();
    }
    this.#turning = false;
    // Until the next chunk comes, the thread may be idle.
    this.#charged = undefined;
    this.#bytes = 0;
    if (this.#queue.length > 0) this.#release();
  };

  #release(): void {
    this.#charge();
    while (this.#bytes < BYTES_PER_TURN) {
      const waiting = this.#queue.shift();
      if (!waiting) break;
      this.#bytes += waiting.bytes;
      waiting.goOn();
    }
  }
}

/** That of this thread. */
export const chunks: ChunkScheduler = new ChunkScheduler(
  reads,
  () => performance.now(),
);
