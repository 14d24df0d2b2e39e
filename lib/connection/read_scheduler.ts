/**
 * When the connections of this thread may read, and whether the kernel has been
 * asked since.
 *
 * The runtime asks the kernel which sockets are ready only when it has nothing
 * else to do, or after 61 polls of its main task (tokio's `event_interval`). In
 * one poll it answers 128 reads and writes (tokio's budget of a task); reads
 * beyond that are put off, and get behind all that became ready since. Left
 * alone it starves others in two ways, and a thread has one of these to mend
 * both, whichever servers its connections belong to:
 *
 * ```text
 *   saturated   more sockets are ready than one poll answers. Reads queue, first
 *               come, first served, and few begin at a time.
 *   look        some sockets are always ready, so that the kernel is not asked
 *               about the others. Reads queue until it has been asked.
 *   round       somebody must know that the kernel holds nothing: the drain, the
 *               idle sweep. Reads queue until that has been proven.
 * ```
 *
 * Sockets of the process that are not read through here are not seen: a flood
 * on them delays a look or a round, and weakens the proof.
 *
 * @module
 */

import { eventLoopTurn } from "../util/async.ts";
import { Queue } from "../util/queue.ts";

/**
 * Event-loop turns after which the kernel has been asked for certain and its
 * answers have arrived: one turn is one poll.
 */
const LOOK_TURNS = 62;

/**
 * Event-loop turns in a row without an answer that prove that the kernel holds
 * nothing for the pending reads. Answers that the runtime has put off come with
 * its next look, up to 62 turns after the ones before; this is two looks.
 */
const PROOF_TURNS = 2 * LOOK_TURNS;

/** Reads answered together that tell of saturation: nearly a whole budget. */
const FULL_BATCH = 120;

/** Reads that begin together while it is saturated: few, to leave room. */
const RELEASE = 32;

/**
 * The cost of reads, in units of the cheapest one, after which the kernel should
 * have been asked; and of how many bytes one more unit is.
 */
const LOOK_COST = 1024;
const BYTES_PER_UNIT = 4096;

/** The cost of a millisecond of work, where that is measured. */
const UNITS_PER_MS = 256;

/**
 * Milliseconds after which reads that queue are looked after if no read has been
 * answered: those that had begun may all be idle.
 */
const STALL = 5;

/** Tells nothing of the kernel: see {@linkcode ReadScheduler.answered}. */
export const NO_PROOF = -1;

/** Somebody who reads. */
export interface Reader {
  /**
   * Begins a read, whose answer goes to {@linkcode ReadScheduler.answered}.
   *
   * @returns Whether it did: by now there may be no reason to.
   */
  beginRead(): boolean;
}

/** Schedules the reads of all connections of a thread. */
export class ReadScheduler {
  /** Connections that are open. Whoever opens and closes them counts. */
  connections = 0;

  readonly #queue = new Queue<Reader>();
  /** Whether readers have to queue. */
  #closed = false;
  /** Why nobody is released, if so. */
  #held: "look" | "round" | undefined;
  #pending = 0;
  #answers = 0;
  /** Reads answered since the last microtask of ours. */
  #batch = 0;
  /** The cost of all reads so far, and at the last look of the runtime. */
  #cost = 0;
  #looked = 0;
  #nudging = false;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  #seenAtStall = 0;
  /** Who waits for the next round. */
  #asking: (() => void)[] = [];
  #inRounds = false;
  /** Who waits for the next look to be over. */
  #awaitingLook: (() => void)[] = [];

  /**
   * Lets `reader` begin now, or puts it into the queue.
   *
   * @returns Whether it may go on at once.
   */
  enter(reader: Reader): boolean {
    if (!this.#closed && !this.#overdue) {
      if (reader.beginRead()) this.#pending++;
      return true;
    }
    this.#queue.push(reader);
    if (!this.#closed) this.#look();
    if (!this.#held) this.#watch();
    return false;
  }

  /** Settles when its caller may begin a read. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.enter({
        beginRead: () => {
          resolve();
          return true;
        },
      });
    });
  }

  /**
   * Takes note of the answer to a read.
   *
   * @param mark What this returned for the reader's last read. If that emptied
   * the socket, the runtime must have asked the kernel before it could answer
   * another.
   * @param count Bytes that were read.
   * @param emptied Whether the read has emptied the socket, which shows in that
   * it did not fill its buffer.
   * @returns The mark of this read.
   */
  answered(mark: number, count: number, emptied: boolean): number {
    this.#pending--;
    if (this.#batch++ === 0) queueMicrotask(this.#endBatch);
    if (mark > this.#looked) this.#looked = mark;
    this.#cost += 1 + count / BYTES_PER_UNIT;
    return emptied ? this.#cost : NO_PROOF;
  }

  /** Takes note of so many milliseconds of work that is not reading. */
  spend(milliseconds: number): void {
    this.#cost += milliseconds * UNITS_PER_MS;
  }

  /** Whether work other than reading has to wait for {@linkcode afterLook}. */
  get mustLook(): boolean {
    return this.#held !== undefined || this.#overdue;
  }

  /** Settles once the kernel has been asked, before any read begins. */
  afterLook(): Promise<void> {
    if (!this.#held) this.#look();
    return new Promise((resolve) => this.#awaitingLook.push(resolve));
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
    if (!this.#inRounds) this.#runRounds();
  }

  /** Whether the kernel should have been asked. */
  get #overdue(): boolean {
    return this.#cost - this.#looked > LOOK_COST + 2 * this.connections;
  }

  /** All answers of one go of the runtime are in. */
  readonly #endBatch = (): void => {
    const batch = this.#batch;
    this.#batch = 0;
    this.#answers += batch;
    if (this.#held) return;
    if (this.#overdue) {
      this.#look();
      return;
    }
    if (this.#queue.length > 0) {
      // After a full batch, those that were put off go first.
      if (batch < FULL_BATCH || this.#pending === 0) this.#release(RELEASE);
      else if (!this.#nudging) this.#nudge();
    }
    if (this.#held) return;
    this.#closed = batch >= FULL_BATCH || this.#queue.length > 0;
  };

  /** Lets the first ones of the queue begin. */
  #release(count: number): void {
    // Whoever begins a read may ask for a round.
    for (let left = count; left > 0 && !this.#held; left--) {
      const reader = this.#queue.shift();
      if (!reader) break;
      if (reader.beginRead()) this.#pending++;
    }
    if (this.#held) return;
    this.#closed = this.#queue.length > 0;
    this.#watch();
  }

  /** Looks after readers that queue, as long as there are any. */
  #watch(): void {
    if (this.#queue.length > 0) {
      this.#stallTimer ??= setTimeout(this.#onStall, STALL);
    } else {
      clearTimeout(this.#stallTimer);
      this.#stallTimer = undefined;
    }
  }

  /** Holds all reads until the runtime has asked the kernel. */
  async #look(): Promise<void> {
    this.#held = "look";
    this.#closed = true;
    const looked = this.#looked;
    for (let turn = 0; turn < LOOK_TURNS; turn++) {
      await eventLoopTurn();
      // It has a round to make now, or has looked.
      if (this.#held !== "look" || this.#looked > looked) break;
    }
    if (this.#held === "look") this.#resume();
  }

  async #runRounds(): Promise<void> {
    this.#inRounds = true;
    while (this.#asking.length > 0) {
      this.#held = "round";
      this.#closed = true;
      const asking = this.#asking;
      this.#asking = [];
      await this.#silence();
      for (const proven of asking) proven();
      this.#resume();
      // Between two rounds reads begin.
      if (this.#asking.length > 0) await eventLoopTurn();
    }
    this.#inRounds = false;
  }

  /** Turns the event loop until so many turns in a row had no answer. */
  async #silence(): Promise<void> {
    let seen = this.#answers;
    for (let silent = 0; silent < PROOF_TURNS; silent++) {
      await eventLoopTurn();
      if (this.#answers === seen) continue;
      seen = this.#answers;
      silent = -1;
    }
  }

  #resume(): void {
    this.#held = undefined;
    this.#looked = this.#cost;
    for (const goOn of this.#awaitingLook.splice(0)) goOn();
    this.#release(this.#queue.length > FULL_BATCH ? RELEASE : Infinity);
  }

  /** After a full batch: goes on at the latest when nothing was put off. */
  async #nudge(): Promise<void> {
    this.#nudging = true;
    const quiet = await this.#isQuiet();
    this.#nudging = false;
    if (quiet) this.#release(RELEASE);
  }

  /** Releases all that queue if those that have begun are idle. */
  readonly #onStall = async (): Promise<void> => {
    this.#stallTimer = undefined;
    const stalled = this.#answers === this.#seenAtStall &&
      await this.#isQuiet();
    this.#seenAtStall = this.#answers;
    // Whoever holds the reads releases them.
    if (this.#held) return;
    if (stalled) this.#release(Infinity);
    else this.#watch();
  };

  /** Whether no read is answered although the kernel is asked. */
  async #isQuiet(): Promise<boolean> {
    const seen = this.#answers;
    for (let turn = 0; turn < LOOK_TURNS; turn++) {
      await eventLoopTurn();
      if (this.#answers !== seen || this.#held) return false;
    }
    return true;
  }
}

/** That of this thread. */
export const reads: ReadScheduler = new ReadScheduler();
