/**
 * One UDP socket of a probe: each line is a datagram. Datagrams may overtake each
 * other, so an answer is matched by what it says, not by when it comes.
 *
 * @module
 */

import { MAX_DATAGRAM } from "../net/udp.ts";
import type { ClientContext } from "./client.ts";
import { ConnectionTally } from "./connection_tally.ts";
import type { DatagramWire } from "./datagram_wire.ts";
import { causeOf, kindOf } from "./errors.ts";
import { allocate, equalBytes, type Memory } from "./payload.ts";
import type { LineSource } from "./schedule.ts";

/** Timed-out lines that are remembered, so that a late answer is known. */
const REMEMBERED = 65_536;

/** A line under way. */
interface Waiting {
  due: number;
  sent: number;
}

/** One socket, from when it is open to its end. */
export class DatagramClient {
  readonly #wire: DatagramWire;
  readonly #number: number;
  readonly #source: LineSource;
  readonly #context: ClientContext;
  readonly #tally: ConnectionTally;
  readonly #inFlight: number;
  readonly #scratch: Memory;
  /** By the line's number, in the order in which they were sent. */
  readonly #underWay = new Map<number, Waiting>();
  readonly #late = new Set<number>();
  /** The number of the next line. */
  #next = 0;
  #closed = false;

  /**
   * @param wire The socket.
   * @param number Its number, from 1.
   * @param source Says when to send.
   * @param context What all clients share.
   */
  constructor(
    wire: DatagramWire,
    number: number,
    source: LineSource,
    context: ClientContext,
  ) {
    this.#wire = wire;
    this.#number = number;
    this.#source = source;
    this.#context = context;
    const { tally, settings } = context;
    this.#tally = new ConnectionTally(tally, number, settings.timeout);
    this.#inFlight = settings.inFlight;
    this.#scratch = allocate(context.payload.size);
  }

  /** Sends and receives until there is nothing more to do, and closes. */
  async run(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM);
    this.wake(performance.now());
    this.settle();
    try {
      while (!this.#closed) {
        const [datagram, from] = await this.#wire.receive(buffer);
        this.#take(datagram, from);
      }
    } catch (error) {
      // The runtime says so when a socket is closed under a receive.
      if (!this.#closed) this.#fail(error);
    } finally {
      this.abort();
    }
  }

  /** A line may be due. */
  wake(now: number): void {
    this.#send(now);
  }

  /** Gives up lines that have been under way too long. */
  sweep(now: number): void {
    const full = this.#isFull();
    for (const [number, { sent }] of this.#underWay) {
      if (!this.#tally.isLate(sent, now)) break;
      this.#underWay.delete(number);
      this.#remember(number);
      this.#tally.unanswered(number);
    }
    this.#send(now, full);
    this.settle();
  }

  /** Ends if there is nothing more to do. */
  settle(): void {
    if (this.#source.over && this.#underWay.size === 0) this.abort();
  }

  /** Closes at once; what is under way does not count. */
  abort(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wire.close();
  }

  #take(datagram: Uint8Array, from: Deno.NetAddr): void {
    const now = performance.now();
    const full = this.#isFull();
    const { hostname, port } = this.#wire.peer;
    if (from.port !== port || from.hostname !== hostname) {
      this.#wrong(`an answer came from ${from.hostname}:${from.port}`);
      return;
    }
    this.#judge(datagram, now);
    this.#send(now, full);
    this.settle();
  }

  #judge(datagram: Uint8Array, now: number): void {
    const name = this.#context.payload.recognize(datagram);
    if (!name) {
      this.#blame(datagram);
    } else if (name.connection !== this.#number) {
      const { connection, number } = name;
      this.#wrong(`line ${number} of connection ${connection} came here`);
    } else if (this.#underWay.has(name.number)) {
      this.#right(name.number, now);
    } else if (!this.#late.delete(name.number)) {
      this.#wrong(`line ${name.number} came twice`);
    }
  }

  #right(number: number, now: number): void {
    const { due, sent } = this.#underWay.get(number)!;
    this.#underWay.delete(number);
    this.#tally.right(number, due, sent, now);
  }

  /** Finds the line that a changed datagram is most like. */
  #blame(datagram: Uint8Array): void {
    const { size } = this.#context.payload;
    let best: { number: number; at: number } | undefined;
    for (const number of this.#underWay.keys()) {
      this.#context.payload.fill(this.#scratch, this.#number, number);
      const line = this.#scratch.bytes;
      const at = equalBytes(datagram, 0, line, 0, datagram.length);
      if (!best || at > best.at) best = { number, at };
    }
    if (!best) {
      this.#wrong(`${datagram.length} unexpected bytes`);
      return;
    }
    this.#underWay.delete(best.number);
    const cut = datagram.length === size
      ? ""
      : `, ${datagram.length} of ${size} bytes`;
    this.#wrong(`line ${best.number} differs at byte ${best.at}${cut}`);
  }

  /** Sends what is due, as far as there is room. */
  #send(now: number, wasFull = this.#isFull()): void {
    if (!wasFull) this.#source.wasFree(now);
    while (!this.#isFull() && !this.#closed) {
      const due = this.#source.take(now);
      if (Number.isNaN(due)) break;
      const number = this.#next++;
      this.#underWay.set(number, { due, sent: now });
      this.#context.tally.lastSent = now;
      // The runtime may still read it when the next one is made.
      const line = allocate(this.#context.payload.size);
      this.#context.payload.fill(line, this.#number, number);
      this.#wire.send(line.bytes).catch((error) => {
        if (!this.#closed) this.#fail(error);
      });
    }
  }

  #isFull(): boolean {
    return this.#underWay.size >= this.#inFlight;
  }

  #remember(number: number): void {
    this.#late.add(number);
    if (this.#late.size <= REMEMBERED) return;
    for (const oldest of this.#late) {
      this.#late.delete(oldest);
      break;
    }
  }

  /** The system does not let us send, or receive. */
  #fail(error: unknown): void {
    const kind = kindOf(error) ?? "lost";
    this.#tally.error(kind, causeOf(error), this.#underWay.size || 1);
    this.abort();
  }

  #wrong(what: string): void {
    this.#tally.error("wrong", what);
  }
}
