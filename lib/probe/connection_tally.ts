/**
 * Counts for one connection of a probe: its errors name it.
 *
 * @module
 */

import type { ProbeErrors, Tally } from "./tally.ts";

/** Counts what becomes of the lines of one connection; times in milliseconds. */
export class ConnectionTally {
  readonly #tally: Tally;
  readonly #connection: number;
  readonly #timeout: number;

  /**
   * @param tally Counts for all connections.
   * @param connection The connection's number, from 1.
   * @param timeout Seconds that an answer may take.
   */
  constructor(tally: Tally, connection: number, timeout: number) {
    this.#tally = tally;
    this.#connection = connection;
    this.#timeout = timeout;
  }

  /** Whether an answer to what was sent then comes too late now. */
  isLate(sent: number, now: number): boolean {
    return now - sent > this.#timeout * 1000;
  }

  /** A line has come back right, perhaps too late. */
  right(number: number, due: number, sent: number, now: number): void {
    if (this.isLate(sent, now)) {
      this.error("timeout", `line ${number} was late`);
    } else this.#tally.right(due, sent, now);
  }

  /** A line is given up. */
  unanswered(number: number): void {
    const what = `line ${number} had no answer within ${this.#timeout} s`;
    this.error("timeout", what);
  }

  /** Something went wrong, `count` times. */
  error(kind: keyof ProbeErrors, what: string, count = 1): void {
    this.#tally.error(kind, `connection ${this.#connection}: ${what}`, count);
  }
}
