/**
 * Bytes that go back late.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";
import { checkNumber, type Range } from "../util/check.ts";
import { hash, Random, seedOf } from "../util/random.ts";
import type { Clock } from "./clock.ts";
import { holdingStream, type Release } from "./holding_stream.ts";

/** Bytes that wait in one stream before no more is taken. */
export const HELD = 1024 * 1024;

/** Seconds that a fault may last. */
export const SECONDS: Range = { min: 0, max: 86_400, fraction: true };

/** Options of {@linkcode latency}. */
export interface LatencyOptions {
  /**
   * Seconds that the latency may be longer or shorter, 0 to 86400, fractions
   * too; drawn evenly, once for each line. It is never below 0.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * What jitter is drawn for: each line, or each chunk (`raw`).
   *
   * @default {"line"}
   */
  mode?: "line" | "raw";
  /**
   * Which draws: a whole number from 0.
   *
   * @default {drawn}
   */
  seed?: number;
  /**
   * The connection's number. The same seed and number give the same draws.
   *
   * @default {1}
   */
  connection?: number;
  /**
   * What it waits by.
   *
   * @ignore
   */
  clock?: Clock;
}

/**
 * Makes a stream in which each byte waits for so long, and order holds. The
 * waits overlap: ten lines that come at once go on at once. When 1 MiB waits, no
 * more is taken. When the writable end closes, what waits still goes on in its
 * time: pass the connection's `signal` to `pipeTo`, which ends the wait when the
 * server gives the connection up.
 *
 * @example A line comes back after 50 ms, more or less 20
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
 * @param seconds How long, 0 to 86400, fractions too.
 * @param options How much it varies.
 * @throws {RangeError} If a number is out of its range.
 */
export function latency(
  seconds: number,
  options: LatencyOptions = {},
): TransformStream<Uint8Array, Uint8Array> {
  const { jitter = 0, mode = "line", seed, connection = 1, clock } = options;
  const draw = delays(seconds, jitter, seed, connection);
  const release = new Late(draw, jitter > 0 ? mode : "constant");
  return holdingStream(release, { room: HELD, clock });
}

/** Draws delays, in milliseconds: the same again for the same numbers. */
function delays(
  seconds: number,
  jitter: number,
  seed: number | undefined,
  connection: number,
): () => number {
  checkNumber("latency", seconds, SECONDS);
  checkNumber("jitter", jitter, SECONDS);
  const random = new Random(hash("jitter", seedOf(seed), connection));
  return () => delayOf(seconds, jitter, random.next()) * 1000;
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

class Late implements Release {
  readonly #draw: () => number;
  readonly #drawFor: "line" | "raw" | "constant";
  /** The delay of the line that is coming. */
  #delay: number;
  #first: Group | undefined;
  #last: Group | undefined;

  constructor(draw: () => number, drawFor: "line" | "raw" | "constant") {
    this.#draw = draw;
    this.#drawFor = drawFor;
    this.#delay = draw();
  }

  arrived(chunk: Uint8Array, now: number): void {
    if (this.#drawFor === "line") return this.#lines(chunk, now);
    this.#hold(chunk.length, now + this.#delay);
    if (this.#drawFor === "raw") this.#delay = this.#draw();
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
