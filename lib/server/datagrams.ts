/**
 * UDP echo: each datagram goes back to its sender (RFC 862).
 *
 * @module
 */

import { NO_PROOF, reads } from "../connection/read_scheduler.ts";
import { toAddress } from "../net/address.ts";
import { isAnswerable, MAX_DATAGRAM } from "../net/udp.ts";
import { eventLoopTurn, pause } from "../util/async.ts";
import type { Service } from "./service.ts";

/** Datagrams in a row before the connections that are served get their turn. */
const DATAGRAMS_PER_TURN = 32;

/** Most bytes that wait to go back late; more is dropped, as networks do. */
const MAX_DELAYED = 1024 * 1024;

/** Most datagrams that do: one that is empty takes memory too. */
const MAX_DELAYED_DATAGRAMS = 8192;

/**
 * Bytes that the kernel can have held for the socket at a shutdown: far more
 * than Linux's default (`net.core.rmem_default`, 208 KiB), and that of a machine
 * where it was raised. It counts so many bytes at least for each datagram.
 */
const KERNEL_HOLDS = 8 * 1024 * 1024;
const LEAST_CHARGE = 512;

/** Milliseconds to wait after an error, lest one that stays uses up a core. */
const ERROR_PAUSE = 10;

/** Answers the datagrams of a socket until it is closed. */
export class Datagrams {
  readonly #socket: Deno.DatagramConn;
  readonly #service: Service;
  readonly #closing = new AbortController();
  readonly #closed = new AbortController();
  /** Settles when all datagrams have gone back that wait. */
  #delayed = Promise.resolve();
  #delayedBytes = 0;
  #delayedDatagrams = 0;
  #count = 0;
  /** Bytes that may still be received: bounded once it shuts down. */
  #budget = Infinity;
  /** Settles when the socket is no longer used. */
  readonly #served: Promise<void>;
  #shutdown: Promise<void> | undefined;

  constructor(socket: Deno.DatagramConn, service: Service) {
    this.#socket = socket;
    this.#service = service;
    this.#served = this.#serve();
  }

  /**
   * Answers what had arrived and what is delayed, for so many seconds at most,
   * and closes. Can be called more than once.
   *
   * @returns Settles when the port is free.
   */
  shutdown(timeout: number): Promise<void> {
    return this.#shutdown ??= this.#shutDown(timeout);
  }

  async #shutDown(timeout: number): Promise<void> {
    if (timeout > 0) {
      const over = new AbortController();
      const deadline = pause(timeout * 1000, over.signal);
      await Promise.race([this.#drain(), deadline]);
      over.abort();
    }
    this.#closing.abort();
    this.#closed.abort();
    this.#socket.close();
    await this.#served;
  }

  async #drain(): Promise<void> {
    await this.#receiveArrived();
    this.#closing.abort();
    await this.#delayed;
  }

  /** Receives until a round has proven that the kernel held nothing more. */
  async #receiveArrived(): Promise<void> {
    this.#budget = KERNEL_HOLDS;
    let seen: number;
    do {
      // A round lets one datagram pass: not one for each of them.
      do {
        seen = this.#count;
        await eventLoopTurn();
      } while (this.#count > seen && this.#budget > 0);
      await new Promise<void>((proven) => reads.round(proven));
    } while (
      this.#count > seen && this.#budget > 0 && !this.#closing.signal.aborted
    );
  }

  async #serve(): Promise<void> {
    const { signal } = this.#closing;
    const buffer = new Uint8Array(MAX_DATAGRAM);
    while (!signal.aborted) {
      await reads.turn();
      try {
        const [datagram, source] = await this.#receive(buffer);
        if (!signal.aborted) {
          await this.#answer(datagram, source as Deno.NetAddr);
        }
      } catch {
        // The system reports an answer that did not arrive here.
        await pause(ERROR_PAUSE, signal);
      }
      if (this.#count % DATAGRAMS_PER_TURN === 0) await eventLoopTurn();
    }
  }

  async #receive(buffer: Uint8Array): Promise<[Uint8Array, Deno.Addr]> {
    let length = 0;
    try {
      const received = await this.#socket.receive(buffer);
      length = received[0].length;
      return received;
    } finally {
      reads.answered(NO_PROOF, length, false);
    }
  }

  async #answer(datagram: Uint8Array, source: Deno.NetAddr): Promise<void> {
    const { counters, access, datagramFaults: faults } = this.#service;
    const number = ++this.#count;
    this.#budget -= Math.max(datagram.length, LEAST_CHARGE);
    counters.datagramIn(datagram.length);
    if (!isAnswerable(source, this.#socket.addr as Deno.NetAddr)) return;
    if (access && !access.allows(toAddress(source).hostname)) return;
    if (faults?.drop(number)) return;
    const bytes = faults?.corrupt(number, datagram) ?? datagram;
    const delay = faults?.delay(number) ?? 0;
    if (delay > 0) this.#sendLater(bytes.slice(), source, delay);
    else await this.#send(bytes, source);
  }

  #sendLater(bytes: Uint8Array, source: Deno.NetAddr, delay: number): void {
    const fits = this.#delayedBytes + bytes.length <= MAX_DELAYED &&
      this.#delayedDatagrams < MAX_DELAYED_DATAGRAMS;
    if (!fits) return;
    this.#delayedBytes += bytes.length;
    this.#delayedDatagrams++;
    const due = performance.now() + delay * 1000;
    // One after the other, so that order holds.
    this.#delayed = this.#delayed
      .then(() => pause(due - performance.now(), this.#closed.signal))
      .then(() => this.#send(bytes, source))
      .then(() => {
        this.#delayedBytes -= bytes.length;
        this.#delayedDatagrams--;
      });
  }

  /** Sends; that a datagram cannot be sent ends nothing. */
  async #send(bytes: Uint8Array, source: Deno.NetAddr): Promise<void> {
    try {
      await this.#socket.send(bytes, source);
      this.#service.counters.datagramOut(bytes.length);
    } catch {
      // UDP promises nothing.
    }
  }
}
