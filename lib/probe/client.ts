/**
 * One stream connection of a probe: sends lines, awaits their answers, and has
 * them compared.
 *
 * @module
 */

import { ConnectionTally } from "./connection_tally.ts";
import { causeOf, kindOf } from "./errors.ts";
import type { ProbeWire } from "./wire.ts";
import { GreetingReader } from "./greeting.ts";
import { allocate, type Memory, type Payload } from "./payload.ts";
import type { ProbeSettings } from "./options.ts";
import type { LineSource } from "./schedule.ts";
import type { ProbeErrors, Tally } from "./tally.ts";
import { type Findings, Verifier } from "./verifier.ts";

/** Bytes of a connection's read buffer, at least and at most. */
const LEAST_READ = 4096;
const MOST_READ = 256 * 1024;

/** Milliseconds that a server gets to answer our FIN. */
const FIN_GRACE = 100;

/** What all clients of a probe share. */
export interface ClientContext {
  readonly settings: ProbeSettings;
  readonly payload: Payload;
  readonly tally: Tally;
}

/** One connection, from when it is open to its end. */
export class Client implements Findings {
  readonly #wire: ProbeWire;
  readonly #number: number;
  readonly #source: LineSource;
  readonly #context: ClientContext;
  readonly #tally: ConnectionTally;
  readonly #verifier: Verifier;
  readonly #inFlight: number;
  /** The lines under way, each at the place of its number's remainder. */
  readonly #lines: Memory;
  /** When each line under way was due and sent, by its number's remainder. */
  readonly #due: Float64Array;
  readonly #sent: Float64Array;
  /** The number of the next line. */
  #next = 0;
  /** Lines below this number are not waited for any more. */
  #expired = 0;
  /** What is being written; undefined if nothing is. */
  #writing: Uint8Array<ArrayBuffer> | undefined;
  /** Reads the greeting, as long as it has not come. */
  #greeting: GreetingReader | undefined;
  readonly #opened = performance.now();
  /** When the last bytes came. */
  #now = 0;
  /** Runs from our FIN to the server's. */
  #finishing: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /**
   * @param wire The connection.
   * @param number Its number, from 1.
   * @param source Says when to send.
   * @param context What all clients share.
   */
  constructor(
    wire: ProbeWire,
    number: number,
    source: LineSource,
    context: ClientContext,
  ) {
    const { payload, settings, tally } = context;
    this.#wire = wire;
    this.#number = number;
    this.#source = source;
    this.#context = context;
    this.#tally = new ConnectionTally(tally, number, settings.timeout);
    if (settings.greeting) this.#greeting = new GreetingReader();
    this.#inFlight = settings.inFlight;
    this.#lines = allocate(settings.inFlight * payload.size);
    this.#verifier = new Verifier(payload, number, this, {
      memory: this.#lines,
      lines: settings.inFlight,
    });
    this.#due = new Float64Array(settings.inFlight);
    this.#sent = new Float64Array(settings.inFlight);
  }

  /** Sends and receives until there is nothing more to do, and closes. */
  async run(): Promise<void> {
    const wire = this.#wire;
    const buffer = allocate(
      Math.max(
        LEAST_READ,
        Math.min(MOST_READ, this.#inFlight * this.#context.payload.size),
      ),
    );
    this.#now = performance.now();
    if (!this.#greeting) this.#begin();
    try {
      while (!this.#closed) {
        const count = await wire.read(buffer.bytes);
        if (count === null) break;
        this.#take(buffer, count);
      }
      const unanswered = !this.#greeting && this.#verifier.expected === 0;
      const when = unanswered ? " before any answer" : "";
      this.#end("lost", `the server ended the connection${when}`);
    } catch (error) {
      this.#end(kindOf(error) ?? "reset", causeOf(error));
    } finally {
      this.#close();
    }
  }

  /** A line may be due. */
  wake(now: number): void {
    this.#send(now);
  }

  /** Gives up lines that have been under way too long. */
  sweep(now: number): void {
    if (this.#greeting && this.#tally.isLate(this.#opened, now)) {
      const { settings, tally } = this.#context;
      tally.error("timeout", `no greeting within ${settings.timeout} s`);
      this.#close();
      return;
    }
    const full = this.#isFull();
    let oldest = this.#oldest();
    while (
      oldest < this.#next && this.#tally.isLate(this.#sentAt(oldest), now)
    ) {
      this.#tally.unanswered(oldest);
      this.#expired = ++oldest;
    }
    this.#send(now, full);
    this.settle();
  }

  /** Ends the connection if there is nothing more to do. */
  settle(): void {
    if (this.#finishing !== undefined || this.#closed) return;
    if (!this.#source.over || this.#oldest() < this.#next) return;
    if (this.#context.settings.reconnect || this.#greeting) {
      this.#close();
      return;
    }
    // What comes before the server's FIN is compared too.
    this.#finishing = setTimeout(() => this.#close(), FIN_GRACE);
    this.#wire.closeWrite().catch(() => this.#close());
  }

  /** Closes at once; what is under way does not count. */
  abort(): void {
    this.#close();
  }

  /** A line is right. */
  right(number: number): void {
    if (number < this.#expired) return;
    const due = this.#due[number % this.#inFlight]!;
    this.#tally.right(number, due, this.#sentAt(number), this.#now);
  }

  /** A line is wrong. */
  wrong(number: number, what: string): void {
    if (number < this.#expired) return;
    this.#tally.error("wrong", what);
  }

  /** A later line came. */
  skipped(number: number): boolean {
    if (number < this.#expired) return false;
    this.#tally.error("lost", `line ${number} was skipped`);
    return true;
  }

  /** A skipped line came after all. */
  misordered(number: number, wasLost: boolean): void {
    if (!wasLost) return;
    this.#context.tally.errors.lost--;
    this.#tally.error("wrong", `line ${number} came out of order`);
  }

  /** Bytes have come that answer no line. */
  unasked(what: string): void {
    this.#tally.error("wrong", what);
  }

  #begin(): void {
    this.#source.wasFree(this.#now);
    this.#send(this.#now);
    this.settle();
  }

  #take(buffer: Memory, count: number): void {
    const now = this.#now = performance.now();
    if (this.#greeting) {
      this.#greet(this.#greeting, buffer.bytes.subarray(0, count));
      return;
    }
    const full = this.#isFull();
    this.#verifier.push(buffer, count, this.#next);
    this.#send(now, full);
    if (this.#source.over) this.settle();
  }

  #greet(greeting: GreetingReader, bytes: Uint8Array): void {
    try {
      const name = greeting.push(bytes);
      if (name === undefined) return;
      this.#greeting = undefined;
      this.#context.tally.greeted(name);
      this.#begin();
    } catch (error) {
      this.#tally.error("wrong", causeOf(error));
      this.#close();
    }
  }

  /** Sends what is due, as far as there is room. */
  #send(now: number, wasFull = this.#isFull()): void {
    if (this.#writing || this.#greeting || this.#closed) return;
    if (!wasFull) this.#source.wasFree(now);
    const { payload, tally } = this.#context;
    const first = this.#next % this.#inFlight;
    // Up to the end of the memory: what is beyond is sent once this is written.
    const most = Math.min(
      this.#inFlight - this.#underWay(),
      this.#inFlight - first,
    );
    let end = first;
    for (; end < first + most; end++) {
      const due = this.#source.take(now);
      if (Number.isNaN(due)) break;
      this.#due[end] = due;
      this.#sent[end] = now;
      const start = end * payload.size;
      payload.fill(this.#lines, this.#number, this.#next++, start);
    }
    if (end === first) return;
    tally.lastSent = now;
    const { bytes } = this.#lines;
    this.#write(
      end - first === this.#inFlight
        ? bytes
        : bytes.subarray(first * payload.size, end * payload.size),
    );
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    this.#writing = bytes;
    this.#wire.write(bytes).then(this.#written, this.#unwritten);
  }

  readonly #written = (count: number): void => {
    const bytes = this.#writing!;
    if (count < bytes.length) {
      if (!this.#closed) this.#write(bytes.subarray(count));
      return;
    }
    this.#writing = undefined;
    // Answers that came before the write was done have made room.
    if (this.#underWay() < this.#inFlight) this.#send(performance.now(), true);
  };

  readonly #unwritten = (error: unknown): void => {
    this.#end(kindOf(error) ?? "reset", causeOf(error));
  };

  /** Counts the lines that are under way as errors, and closes. */
  #end(kind: keyof ProbeErrors, what: string): void {
    if (this.#closed) return;
    const lines = this.#underWay();
    this.#expired = this.#next;
    if (this.#greeting && kind !== "reset") {
      this.#tally.error("lost", `${what} before its greeting`);
    } else {
      // Behind our FIN, a reset is no error by itself.
      const least = kind === "reset" && this.#finishing === undefined ? 1 : 0;
      this.#tally.error(kind, what, Math.max(least, lines));
    }
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#finishing);
    try {
      this.#wire.close();
    } catch {
      // The runtime has closed it.
    }
  }

  /** The oldest line that is waited for. */
  #oldest(): number {
    return Math.max(this.#verifier.expected, this.#expired);
  }

  #underWay(): number {
    return this.#next - this.#oldest();
  }

  #isFull(): boolean {
    return this.#writing !== undefined || this.#underWay() >= this.#inFlight;
  }

  #sentAt(number: number): number {
    return this.#sent[number % this.#inFlight]!;
  }
}
