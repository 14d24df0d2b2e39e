/**
 * One accepted socket: what has moved, how its input ends, how it closes.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";
import type { Wire } from "../net/transport.ts";
import type { Verdict } from "../telemetry/events.ts";
import { NO_PROOF, type Reader, reads } from "./read_scheduler.ts";

/**
 * Bytes that the two kernels hold at most for a client that has not read them.
 */
const MOST_UNREAD = 8 * 1024 * 1024;

/**
 * What a read that leaves room counts in a drain, in bytes of the bound of its
 * input. It has emptied the kernel's buffer, unless it stopped at an urgent byte,
 * of which a kernel keeps one: so a few of them are enough, and one is not.
 */
const SHORT_READ = 1024 * 1024;

/** Bytes of a read whose bytes are dropped. */
const DROP_BUFFER = 4096;

/** What all sockets of a server share, in place of clocks of their own. */
export interface Pulse {
  /** Idle sweeps so far. */
  sweeps: number;
  /** Called when a draining socket begins a read; see `drain.ts`. */
  onDrainRead?: () => void;
}

/** What the sockets of a listener share. */
export interface SocketContext {
  readonly pulse: Pulse;
  /** Whether a drain lets the client finish a line that it has begun. */
  readonly finishesLines: boolean;
  /** Whether a read is the kernel's answer, and not that of a buffer above it. */
  readonly isDirect: boolean;
  /** Bytes that a client reads at least between two idle sweeps. */
  readonly readPerSweep: number;
}

/**
 * One accepted socket. Its two directions end on their own:
 *
 * ```text
 *   input    open ──────────► ended ─────────► eof
 *                 endInput()         client's FIN, or a failure
 *                 what comes now is dropped
 *   output   open ──────────► ended
 *                 closeWrite(): FIN
 * ```
 *
 * Then it is closed, which `linger.ts` does without losing what the client has
 * not read yet.
 *
 * Who reads calls {@linkcode Socket.beginRead}, awaits the wire's own promise
 * and passes the answer to {@linkcode Socket.received}: a promise more for each
 * read would cost a line a twentieth of its time. Writes likewise.
 */
export class Socket {
  /** Bytes received before the end of input. */
  bytesIn = 0;
  /** Bytes sent. */
  bytesOut = 0;
  /** Why the server ended it, if it did. */
  reason: Verdict | undefined;
  /**
   * Whoever reads: told when the input is ended while a read is pending, which
   * then comes to nothing.
   */
  input: { endInput(): void } | undefined;

  #wire: Wire;
  readonly #context: SocketContext;
  /** Made when somebody asks for it: most handlers do not. */
  #controller: AbortController | undefined;
  #input: "open" | "ended" | "eof" = "open";
  #output: "open" | "ended" = "open";
  #finSent: Promise<void> | undefined;
  #closed = false;
  #onClose: (() => void) | undefined;
  /** Made when somebody waits for the end. */
  #end: PromiseWithResolvers<void> | undefined;
  /** Whether it waits for its turn to read. */
  #queued = false;
  /** The read that has not been answered. */
  #pending: Promise<number | null> | undefined;
  /** What the scheduler made of the last read. */
  #mark = NO_PROOF;
  #lastByte = LF;
  #lastSweep: number;
  /** Bytes sent that the client has had the time to read. */
  #bytesRead = 0;
  /** In a drain: whether the kernel may hold input from before it. */
  #draining = false;
  /** Bytes of input beyond which it ends at the next line end. */
  #inputBound = Infinity;
  #writeWaited = false;

  /** @param onClose Called once, when it has been closed. */
  constructor(wire: Wire, context: SocketContext, onClose?: () => void) {
    this.#wire = wire;
    this.#context = context;
    this.#onClose = onClose;
    this.#lastSweep = context.pulse.sweeps;
    reads.connections++;
  }

  /** What it reads and writes; a handshake puts another in its place. */
  get wire(): Wire {
    return this.#wire;
  }

  set wire(wire: Wire) {
    this.#wire = wire;
    this.touch();
    if (this.#closed) wire.close();
  }

  /**
   * Aborts when the server gives the connection up: at the deadline of a drain,
   * or when it is idle too long.
   */
  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  /** Idle sweeps since a byte last moved. */
  get sweepsIdle(): number {
    return this.#context.pulse.sweeps - this.#lastSweep;
  }

  /** Takes note that bytes have moved that are not counted. */
  touch(): void {
    this.#lastSweep = this.#context.pulse.sweeps;
  }

  /** Whether input is still given out. */
  get inputOpen(): boolean {
    return this.#input === "open";
  }

  /** Whether a read is pending. */
  get reading(): boolean {
    return this.#pending !== undefined;
  }

  /** Whether it waits for its turn to read. */
  get queued(): boolean {
    return this.#queued;
  }

  /** Whether it has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Settles when it has been closed. */
  get untilClosed(): Promise<void> {
    this.#end ??= Promise.withResolvers();
    if (this.#closed) this.#end.resolve();
    return this.#end.promise;
  }

  /** Whether both directions have ended. */
  get ended(): boolean {
    return this.#input === "eof" && this.#output === "ended";
  }

  /** Whether the last write did not fit into the kernel's buffer. */
  get writeWaited(): boolean {
    return this.#writeWaited;
  }

  /**
   * Bytes sent that the client may still have to read. No kernel says how far it
   * is: this goes by the time that it has had.
   */
  get unread(): number {
    this.#moved();
    return this.bytesOut - this.#bytesRead;
  }

  /** Whether the client has begun a line that it may finish. */
  get midLine(): boolean {
    return this.#context.finishesLines && this.#lastByte !== LF;
  }

  /**
   * Lets `reader` begin a read as soon as it is its turn: it calls {@linkcode
   * Socket.beginRead} if {@linkcode Socket.inputOpen}.
   */
  enterRead(reader: Reader): void {
    if (!reads.enter(reader)) this.#queued = true;
  }

  /**
   * Begins a read to the front of `into`. Its answer goes to {@linkcode
   * Socket.received} or {@linkcode Socket.readFailed}.
   */
  beginRead(into: Uint8Array): Promise<number | null> {
    this.#queued = false;
    if (this.#draining) this.#context.pulse.onDrainRead?.();
    return this.#pending = this.#wire.read(into);
  }

  /**
   * Takes the answer to a read.
   *
   * @returns How many bytes of it are input; null at the end of input.
   */
  received(count: number | null, into: Uint8Array): number | null {
    this.#pending = undefined;
    if (count === null) {
      this.#answered(0, false);
      this.#input = "eof";
      return null;
    }
    this.#answered(count, count < into.length);
    // The input ended while the read was pending: what came is dropped.
    if (this.#input !== "open") return null;
    if (this.#draining && this.#context.isDirect && count < into.length) {
      this.#inputBound -= SHORT_READ;
    }
    if (this.bytesIn + count > this.#inputBound) {
      count = this.#boundedBy(into, count);
    }
    this.bytesIn += count;
    this.#lastByte = into[count - 1]!;
    this.#moved();
    return count;
  }

  /**
   * Takes note of a read that failed.
   *
   * @returns Whether that matters: not where the input had been ended before.
   */
  readFailed(): boolean {
    this.#answered(0, false);
    this.#pending = undefined;
    const open = this.#input === "open";
    this.#input = "eof";
    return open;
  }

  /** Begins a write. Its answer goes to {@linkcode Socket.sent}. */
  beginWrite(bytes: Uint8Array): Promise<number> {
    return this.#wire.write(bytes);
  }

  /**
   * Takes the answer to a write of `length` bytes.
   *
   * @returns How many of them were sent.
   */
  sent(count: number, length: number): number {
    this.#moved();
    this.bytesOut += count;
    this.#writeWaited = count < length;
    return count;
  }

  /**
   * Reads what there is, at least one byte, to the front of `into`. One read at
   * a time.
   *
   * @returns How many bytes; null at the end of input.
   */
  read(into: Uint8Array): Promise<number | null> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    const failed = (error: unknown) => {
      this.readFailed();
      reject(error);
    };
    this.input = { endInput: () => resolve(null) };
    this.enterRead({
      beginRead: () => {
        if (!this.inputOpen) {
          resolve(null);
          return false;
        }
        this.beginRead(into)
          .then((count) => resolve(this.received(count, into)), failed);
        return true;
      },
    });
    return promise;
  }

  /** Writes all of `bytes`. */
  async write(bytes: Uint8Array): Promise<void> {
    const sent = this.sent(await this.beginWrite(bytes), bytes.length);
    if (sent < bytes.length) await this.writeRest(bytes.subarray(sent));
  }

  /** Writes what a write has left over: the kernel's buffer is full. */
  async writeRest(rest: Uint8Array): Promise<void> {
    while (rest.length > 0) {
      const count = await this.beginWrite(rest);
      this.sent(count, rest.length);
      rest = rest.subarray(count);
    }
    this.#writeWaited = true;
  }

  /** Sends FIN. Doing so twice is fine. */
  closeWrite(): Promise<void> {
    return this.#finSent ??= this.#sendFin();
  }

  /** Ends the input here: a pending read, and any later one, gives null. */
  endInput(reason?: Verdict): void {
    this.reason ??= reason;
    if (this.#input !== "open") return;
    this.#input = "ended";
    if (this.#pending || this.#queued) this.input?.endInput();
    this.#queued = false;
  }

  /**
   * Begins a drain: the input ends at the first line end behind `most` more
   * bytes of it, in raw mode with the first read there, if not before.
   */
  beginDrain(most: number): void {
    this.#draining = true;
    this.#inputBound = this.bytesIn + most;
  }

  /**
   * Ends the drain of a socket whose pending read has been proven to have had
   * nothing in the kernel. A client in mid-line may finish its line.
   */
  endDrain(): void {
    if (!this.#draining || !this.#pending || !this.inputOpen) return;
    this.#draining = false;
    this.#inputBound = this.bytesIn;
    if (!this.midLine) this.endInput("drained");
  }

  /** Ends the input for `reason`, and tells the handler by the signal. */
  giveUp(reason: Verdict): void {
    // What a drain has read may still wait in the handler.
    if (this.#output === "open") this.reason = reason;
    (this.#controller ??= new AbortController()).abort();
    this.endInput(reason);
  }

  /**
   * Reads on behind the end of input, and drops what comes, until the client's FIN
   * or the socket's end.
   *
   * @param onAnswer Called for each read that was answered.
   */
  async dropInput(onAnswer: () => void): Promise<void> {
    if (this.#input === "eof" || this.#closed) return;
    const buffer = new Uint8Array(DROP_BUFFER);
    try {
      // A read that is under way goes on for us alone.
      let last = this.#pending ? await this.#pending : 0;
      while (last !== null) {
        onAnswer();
        await reads.turn();
        last = await this.#wire.read(buffer)
          .finally(() => this.#answered(0, false));
      }
    } catch {
      // It was closed, by us or by the client.
    }
    this.#input = "eof";
  }

  /** Closes at once. Doing so twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    reads.connections--;
    // A read that a failed handler has left behind ends as at the end of input:
    // nobody may be there to hear that it failed.
    this.endInput();
    this.#wire.close();
    this.#end?.resolve();
    this.#onClose?.();
  }

  #answered(count: number, emptied: boolean): void {
    const proves = emptied && this.#context.isDirect;
    this.#mark = reads.answered(this.#mark, count, proves);
  }

  /** Takes note that bytes move, before they are counted. */
  #moved(): void {
    const { pulse: { sweeps }, readPerSweep } = this.#context;
    if (sweeps === this.#lastSweep) return;
    const time = sweeps - this.#lastSweep;
    this.#lastSweep = sweeps;
    this.#bytesRead = Math.max(
      this.bytesOut - MOST_UNREAD,
      Math.min(this.bytesOut, this.#bytesRead + time * readPerSweep),
    );
  }

  /**
   * How many bytes of a read beyond the bound are input: up to the first line end
   * there, at which the input ends. What follows was sent after the signal.
   */
  #boundedBy(into: Uint8Array, count: number): number {
    const bound = Math.max(0, this.#inputBound - this.bytesIn);
    const end = this.#context.finishesLines
      ? into.subarray(0, count).indexOf(LF, bound) + 1
      : count;
    if (end === 0) return count;
    this.reason ??= "drained";
    this.#input = "ended";
    return end;
  }

  async #sendFin(): Promise<void> {
    if (!this.#closed) await this.#wire.closeWrite();
    this.#output = "ended";
  }
}
