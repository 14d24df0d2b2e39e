/**
 * Bytes that go back late.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";
import {
  checkNumber,
  checkObject,
  checkWord,
  type Range,
} from "../util/check.ts";
import { keyOf, Random } from "../util/random.ts";
import { holdingStream, type Release } from "./holding_stream.ts";

/** Bytes that wait in one stream before no more is taken. */
export const HELD = 1024 * 1024;

/** Seconds that a fault may last. */
export const SECONDS: Range = { min: 0, max: 86_400, fraction: true };

/** Options of {@linkcode latency}. */
export interface LatencyOptions {
  /**
   * Random variation of the latency: at most this many seconds more or less, 0 to
   * 86400, fractions too. Drawn evenly, once for each line; no latency is below 0.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * What jitter is drawn for: each `line`, or each chunk (`raw`), which no seed
   * repeats.
   *
   * @default {"line"}
   */
  mode?: "line" | "raw";
  /**
   * Whole number from which jitter is drawn, 0 to 9007199254740991.
   *
   * @default {drawn}
   */
  seed?: number;
  /**
   * Number of the connection, a whole one from 1. The same seed and number give
   * the same jitter.
   *
   * @default {1}
   */
  connection?: number;
}

/**
 * Makes a stream that delays every byte by this time, in order. The delays
 * overlap: ten lines that come at once go on at once. When 1 MiB is delayed, no
 * more is taken. When the writable end closes, what is delayed still goes on in
 * its time: pass the connection's `signal` to `pipeTo`, which ends the wait when
 * the server gives the connection up.
 *
 * @example A line comes back after 50 ms, plus or minus 20
 * ```ts
 * import { EchoServer, latency, LineStream } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable, signal }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(latency(0.05, { jitter: 0.02, seed: 7 }))
 *       .pipeTo(writable, { signal }),
 * });
 * ```
 *
 * @param seconds The delay, 0 to 86400, fractions too.
 * @param options How much it varies.
 * @throws {RangeError} If a number is not in its range.
 * @throws {TypeError} If `mode` is not one of the allowed strings.
 */
export function latency(
  seconds: number,
  options: LatencyOptions = {},
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return holdingStream(new DelayLine(seconds, options));
}

/** The delay that a number from 0 to 1 stands for, in seconds. */
export function delayOf(
  latency: number,
  jitter: number,
  drawn: number,
): number {
  return Math.max(0, latency + jitter * (2 * drawn - 1));
}

/** Bytes that go on together. */
interface Group {
  readonly due: number;
  count: number;
  next?: Group;
}

/** When bytes go on with a {@linkcode latency}. */
export class DelayLine implements Release {
  readonly room = HELD;
  /** Draws a delay, in milliseconds. */
  readonly #draw: () => number;
  /** Whether the lines of one chunk may have different delays. */
  readonly #perLine: boolean;
  /** The delay of the next line or chunk. */
  #delay: number;
  #first: Group | undefined;
  #last: Group | undefined;

  /** Takes, and checks, what {@linkcode latency} does. */
  constructor(seconds: number, options: LatencyOptions = {}) {
    const { jitter = 0, mode = "line", seed, connection = 1 } = checkObject(
      "options",
      options,
    );
    checkWord("mode", mode, ["line", "raw"]);
    checkNumber("latency", seconds, SECONDS);
    checkNumber("jitter", jitter, SECONDS);
    const random = new Random(keyOf("jitter", seed, connection));
    this.#draw = () => delayOf(seconds, jitter, random.next()) * 1000;
    this.#perLine = jitter > 0 && mode === "line";
    this.#delay = this.#draw();
  }

  arrived(chunk: Uint8Array, now: number): void {
    if (this.#perLine) return this.#lines(chunk, now);
    this.#hold(chunk.length, now + this.#delay);
    this.#delay = this.#draw();
  }

  ready(_held: number, now: number): number {
    let count = 0;
    while (this.#first && this.#first.due <= now) {
      count += this.#first.count;
      this.#first = this.#first.next;
    }
    return count;
  }

  due(): number {
    return this.#first!.due;
  }

  /** A piece of a long line has the delay of the line. */
  #lines(chunk: Uint8Array, now: number): void {
    for (let at = 0, end; at < chunk.length; at = end) {
      const lf = chunk.indexOf(LF, at);
      end = lf < 0 ? chunk.length : lf + 1;
      this.#hold(end - at, now + this.#delay);
      if (lf >= 0) this.#delay = this.#draw();
    }
  }

  /**
   * Lines whose times are less than a millisecond apart go on together, so that
   * what waits is at most one group a millisecond. None overtakes another.
   */
  #hold(count: number, due: number): void {
    const last = this.#first && this.#last;
    const whole = Math.max(Math.ceil(due), last?.due ?? 0);
    if (last && last.due === whole) {
      last.count += count;
      return;
    }
    const group = { due: whole, count };
    if (last) last.next = group;
    else this.#first = group;
    this.#last = group;
  }
}
