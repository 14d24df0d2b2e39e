import type { Verdict } from "../telemetry/events.ts";
import type { Turns } from "./turns.ts";

const LF = 0x0a;

/**
 * Seconds that a client gets to answer our FIN with its own, while what it
 * still sends is dropped.
 */
const LINGER = 2;

/** Bytes of a read whose bytes are dropped. */
const DROP_BUFFER = 4096;

/**
 * What all sockets of a server share, so that none of them needs a clock or a
 * timer of its own.
 */
export interface Pulse {
  /** Counts the idle sweeps. */
  sweep: number;
  /** Counts the steps of a drain; 0 while there is none. */
  drainStep: number;
  /**
   * Counts, during a drain, the reads that may have brought what had arrived
   * before it.
   */
  news: number;
  /** Who may read in a crowd. */
  readonly turns: Turns;
}

/** The part of a `Deno.Conn` that a {@linkcode Socket} needs. */
export type Wire = Pick<
  Deno.Conn<Deno.NetAddr>,
  "read" | "write" | "closeWrite" | "close" | "remoteAddr"
>;

/**
 * One accepted socket: reads, writes, half-closes, and can be told that its
 * input ends here.
 *
 * After the end of its input it reads on only to drop what comes: a socket
 * closed over unread bytes sends RST, which can take from the client what it
 * has not read yet.
 */
export class Socket {
  /** Bytes received before the end of input. */
  bytesIn = 0;
  /** Bytes sent. */
  bytesOut = 0;
  /** Why the server ended it, if it did. */
  verdict: Verdict | undefined;

  readonly #wire: Wire;
  readonly #pulse: Pulse;
  readonly #finishesLines: boolean;
  /** Made when somebody wants it: most handlers do not. */
  #controller: AbortController | undefined;
  #lastByte = LF;
  #lastSweep: number;
  #heardInDrain = false;
  #inputEnded = false;
  #peerEnded = false;
  #outputEnded = false;
  #closed = false;
  #waitsForTurn = false;
  /**
   * The read that the kernel has not answered: whether there is one, and the
   * drain's step when it began.
   */
  #reading = false;
  #readStep = 0;
  /** The caller that waits for it. */
  #resolve: (count: number | null) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /**
   * @param wire What to read and write.
   * @param pulse What it shares with the server's other sockets.
   * @param finishesLines Whether a drain lets the client finish a line that it
   * has begun.
   */
  constructor(wire: Wire, pulse: Pulse, finishesLines: boolean) {
    this.#wire = wire;
    this.#pulse = pulse;
    this.#finishesLines = finishesLines;
    this.#lastSweep = pulse.sweep;
  }

  /** The client's address. */
  get remoteAddr(): Deno.NetAddr {
    return this.#wire.remoteAddr;
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
    return this.#pulse.sweep - this.#lastSweep;
  }

  /** Whether it waits for input, and not for the client to take output. */
  get waitsForInput(): boolean {
    return (this.#reading || this.#waitsForTurn) && !this.#inputEnded;
  }

  /**
   * Reads what there is, at least one byte, to the front of `into`. One read at
   * a time.
   *
   * @returns How many bytes; null at the end of input.
   */
  read(into: Uint8Array): Promise<number | null> {
    if (this.#inputEnded) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#waitsForTurn = this.#pulse.turns.crowded;
      if (this.#waitsForTurn) this.#pulse.turns.wait(() => this.#go(into));
      else this.#readWire(into);
    });
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#wire.write(bytes).then((sent) => {
      this.bytesOut += sent;
      this.#moved();
      if (sent < bytes.length) return this.write(bytes.subarray(sent));
    });
  }

  /** Sends FIN. Doing so twice is fine. */
  async closeWrite(): Promise<void> {
    if (this.#outputEnded || this.#closed) return;
    this.#outputEnded = true;
    await this.#wire.closeWrite();
  }

  /** Ends the input here: the read that waits, and any later one, gets null. */
  endInput(verdict?: Verdict): void {
    this.verdict ??= verdict;
    this.#inputEnded = true;
    this.#resolve(null);
  }

  /**
   * Ends the input if nothing that had arrived before the drain can be left,
   * because the kernel has had `steps` of its steps to answer a read and has
   * not. A line that is under way may be finished first.
   */
  endInputIfQuiet(steps: number): void {
    const quiet = this.#reading && !this.#inputEnded &&
      this.#pulse.drainStep - this.#readStep >= steps;
    if (quiet && !this.#midLine) this.endInput("drained");
  }

  /** Ends the input for `verdict`, and tells the handler by the signal. */
  giveUp(verdict: Verdict): void {
    (this.#controller ??= new AbortController()).abort();
    this.endInput(verdict);
  }

  /**
   * Sends FIN, drops what comes until the client's FIN (for at most {@linkcode
   * LINGER} seconds), and closes.
   */
  async linger(): Promise<void> {
    await this.closeWrite();
    this.endInput();
    if (!this.#peerEnded) {
      const peerEnd = Promise.withResolvers<unknown>();
      // The read that is under way, or another, goes on for us alone.
      this.#resolve = this.#reject = peerEnd.resolve;
      if (!this.#reading) this.#readWire(new Uint8Array(DROP_BUFFER));
      const timer = setTimeout(() => this.close(), LINGER * 1000);
      await peerEnd.promise;
      clearTimeout(timer);
    }
    this.close();
  }

  /** Closes at once. Doing so twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A read that a failed handler has left behind ends as at the end of input:
    // nobody may be there to hear that it failed.
    this.endInput();
    this.#wire.close();
  }

  get #midLine(): boolean {
    return this.#finishesLines && this.#lastByte !== LF;
  }

  /** Its turn has come. */
  #go(into: Uint8Array): void {
    this.#waitsForTurn = false;
    if (!this.#inputEnded) this.#readWire(into);
  }

  #readWire(into: Uint8Array): void {
    this.#reading = true;
    this.#readStep = this.#pulse.drainStep;
    // An async function would cost a line a twentieth of its time.
    this.#wire.read(into).then((count) => {
      this.#endRead();
      if (count === null) this.#peerEnded = this.#inputEnded = true;
      else if (this.#inputEnded) return this.#readWire(into);
      else this.#received(count, into);
      this.#resolve(count);
    }, (error) => {
      this.#endRead();
      this.#peerEnded = this.#inputEnded = true;
      this.#reject(error);
    });
  }

  #endRead(): void {
    this.#reading = false;
    this.#pulse.turns.count();
  }

  #received(count: number, into: Uint8Array): void {
    this.bytesIn += count;
    this.#lastByte = into[count - 1]!;
    this.#moved();
    if (this.#pulse.drainStep > 0) this.#noteDrainRead(count < into.length);
  }

  /**
   * A read that began during the drain and did not fill its buffer has emptied
   * the kernel's.
   */
  #noteDrainRead(emptied: boolean): void {
    const drained = emptied && this.#readStep > 0 && !this.#midLine;
    if (!this.#heardInDrain || drained) this.#pulse.news++;
    this.#heardInDrain = true;
    if (!drained) return;
    this.verdict ??= "drained";
    this.#inputEnded = true;
  }

  #moved(): void {
    this.#lastSweep = this.#pulse.sweep;
  }
}
