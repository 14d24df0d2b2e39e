/**
 * UDP echo: each datagram goes back to its sender (RFC 862).
 *
 * @module
 */

import { NO_PROOF, type Reader, reads } from "../connection/read_scheduler.ts";
import { AlarmClock } from "../faults/clock.ts";
import { copyOf, toAddress } from "../net/address.ts";
import { isAnswerable, MAX_DATAGRAM } from "../net/udp.ts";
import { eventLoopTurn, pause, untilSettledOrLate } from "../util/async.ts";
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

/**
 * Answers the datagrams of a socket until it is closed. The loop goes from
 * callback to callback: promises of ours would cost as much as the answer.
 */
export class Datagrams implements Reader {
  readonly #socket: Deno.DatagramConn;
  readonly #service: Service;
  readonly #closing = new AbortController();
  readonly #buffer = new Uint8Array(MAX_DATAGRAM);
  /** Wakes for the delayed datagrams. */
  readonly #clock = new AlarmClock();
  /**
   * When the last delayed datagram of each sender goes back: none overtakes
   * another of its sender, and none waits for those of others.
   */
  readonly #due = new Map<string, number>();
  #delayedBytes = 0;
  #delayedDatagrams = 0;
  /** Called when the last of them has gone back. */
  #onLastSent = () => {};
  #count = 0;
  /** Bytes that may still be received: bounded once it shuts down. */
  #budget = Infinity;
  /** Settles when the socket is no longer used. */
  readonly #served = Promise.withResolvers<void>();
  #shutdown: Promise<void> | undefined;

  constructor(socket: Deno.DatagramConn, service: Service) {
    this.#socket = socket;
    this.#service = service;
    reads.enter(this);
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
      await untilSettledOrLate(this.#drain(), timeout * 1000);
    }
    this.#closing.abort();
    this.#clock.cancelAll();
    this.#socket.close();
    await this.#served.promise;
  }

  async #drain(): Promise<void> {
    await this.#receiveArrived();
    this.#closing.abort();
    if (this.#delayedDatagrams === 0) return;
    await new Promise<void>((resolve) => this.#onLastSent = resolve);
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

  beginRead(): boolean {
    if (this.#closing.signal.aborted) {
      this.#served.resolve();
      return false;
    }
    this.#socket.receive(this.#buffer).then(this.#onReceived, this.#onFailed);
    return true;
  }

  readonly #onReceived = (
    [datagram, source]: [Uint8Array, Deno.Addr],
  ): void => {
    reads.answered(NO_PROOF, datagram.length, false);
    const sending = this.#closing.signal.aborted
      ? undefined
      : this.#answer(datagram, copyOf(source as Deno.NetAddr));
    if (sending) sending.then(this.#next);
    else this.#next();
  };

  /** The system reports an answer that did not arrive here. */
  readonly #onFailed = async (): Promise<void> => {
    reads.answered(NO_PROOF, 0, false);
    await pause(ERROR_PAUSE, this.#closing.signal);
    reads.enter(this);
  };

  readonly #next = (): void => {
    if (this.#count % DATAGRAMS_PER_TURN > 0) reads.enter(this);
    else eventLoopTurn().then(() => reads.enter(this));
  };

  /** Answers, now or later or not at all: a promise if now. */
  #answer(
    datagram: Uint8Array,
    source: Deno.NetAddr,
  ): Promise<void> | undefined {
    const { counters, access, datagramFaults: faults } = this.#service;
    const number = ++this.#count;
    this.#budget -= Math.max(datagram.length, LEAST_CHARGE);
    counters.datagramIn(datagram.length);
    if (!isAnswerable(source, this.#socket.addr as Deno.NetAddr)) {
      return undefined;
    }
    if (access && !access.allows(toAddress(source).hostname)) return undefined;
    if (faults?.drop(number)) return undefined;
    const bytes = faults?.corrupt(number, datagram) ?? datagram;
    const delay = faults?.delay(number) ?? 0;
    if (delay === 0) return this.#send(bytes, source);
    this.#sendLater(bytes.slice(), source, delay);
    return undefined;
  }

  #sendLater(bytes: Uint8Array, source: Deno.NetAddr, delay: number): void {
    const fits = this.#delayedBytes + bytes.length <= MAX_DELAYED &&
      this.#delayedDatagrams < MAX_DELAYED_DATAGRAMS;
    if (!fits) return;
    this.#delayedBytes += bytes.length;
    this.#delayedDatagrams++;
    const sender = `${source.hostname} ${source.port}`;
    const last = this.#due.get(sender) ?? 0;
    const due = Math.max(this.#clock.now() + delay * 1000, last);
    this.#due.set(sender, due);
    this.#clock.at(due, async () => {
      if (this.#due.get(sender) === due) this.#due.delete(sender);
      await this.#send(bytes, source);
      this.#delayedBytes -= bytes.length;
      if (--this.#delayedDatagrams === 0) this.#onLastSent();
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
