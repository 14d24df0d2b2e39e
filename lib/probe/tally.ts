/**
 * What a probe has seen.
 *
 * @module
 */

import { LatencyHistogram } from "./latency_histogram.ts";

/** What went wrong, and how often. */
export interface ProbeErrors {
  /** Lines whose answer was left out, or had not come when the stream ended. */
  lost: number;
  /** Answers that were changed, doubled, out of order, or for somebody else. */
  wrong: number;
  /** Lines, greetings or connections that did not come in time. */
  timeout: number;
  /**
   * Connections that were refused: nobody listens there, a Unix socket does not
   * exist, there is no route, or no local port is left.
   */
  refused: number;
  /** Lines under way when their connection was reset. */
  reset: number;
}

/** Counts for all connections of a probe. */
export class Tally {
  /** Lines that have come back right. */
  lines = 0;
  /** Connections that were open. */
  connections = 0;
  readonly errors: ProbeErrors = {
    lost: 0,
    wrong: 0,
    timeout: 0,
    refused: 0,
    reset: 0,
  };
  /** The first error, in words. */
  firstError: string | undefined;
  /** From the moment a line was due. */
  readonly latencies = new LatencyHistogram();
  /** From the moment a line was sent; only where it can differ. */
  readonly uncorrected: LatencyHistogram | undefined;
  readonly connects = new LatencyHistogram();
  /** Connections for each name that answered. */
  readonly greetings = new Map<string, number>();
  /** When the last line was sent. */
  lastSent = 0;
  /** When the last line came back. */
  lastAnswer = 0;
  /** When something went wrong last. */
  lastError = 0;

  /** @param scheduled Whether lines are due at certain times. */
  constructor(scheduled: boolean) {
    if (scheduled) this.uncorrected = new LatencyHistogram();
  }

  /** A line has come back right. */
  right(due: number, sent: number, now: number): void {
    this.lines++;
    this.lastAnswer = now;
    this.latencies.record(now - due);
    this.uncorrected?.record(now - sent);
  }

  /** Something went wrong, `count` times. */
  error(kind: keyof ProbeErrors, what: string, count = 1): void {
    if (count === 0) return;
    this.errors[kind] += count;
    this.lastError = performance.now();
    this.firstError ??= what;
  }

  /** Errors of all kinds. */
  get failures(): number {
    const { lost, wrong, timeout, refused, reset } = this.errors;
    return lost + wrong + timeout + refused + reset;
  }

  /** A greeting has named who answers. */
  greeted(name: string): void {
    this.greetings.set(name, (this.greetings.get(name) ?? 0) + 1);
  }
}
