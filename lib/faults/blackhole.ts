/**
 * A connection that takes everything and gives nothing back.
 *
 * @module
 */

import { checkInstance, checkNumber, checkObject } from "../util/check.ts";
import { type Clock, threadClock } from "./clock.ts";
import { SECONDS } from "./latency.ts";

/** Options of {@linkcode blackhole}. */
export interface BlackholeOptions {
  /**
   * Seconds already spent, taken off `seconds`: a number from 0.
   *
   * @default {0}
   */
  elapsed?: number;
  /** When it aborts, the time is over at once. */
  signal?: AbortSignal;
  /**
   * What it waits by.
   *
   * @ignore
   */
  clock?: Clock;
}

/**
 * Reads and drops all input, and lasts until its time is over, even when the
 * input has ended before.
 *
 * @example A server that never answers, and hangs up after a minute
 * ```ts
 * import { blackhole, EchoServer } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, signal }) => blackhole(readable, 60, { signal }),
 * });
 * ```
 *
 * @param input What is read and dropped.
 * @param seconds How long it lasts, 0 to 86400, fractions too; 0 is until the
 * signal aborts.
 * @param options What shortens it.
 * @returns Resolves when the time is over; close the connection then. Rejects if
 * the input fails.
 * @throws {RangeError} If a numeric argument is not a number in its range.
 * @throws {TypeError} If another argument is of the wrong kind.
 */
export async function blackhole(
  input: ReadableStream<Uint8Array>,
  seconds: number,
  options: BlackholeOptions = {},
): Promise<void> {
  checkInstance("input", input, ReadableStream);
  checkNumber("blackhole", seconds, SECONDS);
  const { elapsed = 0, signal, clock = threadClock } = checkObject(
    "options",
    options,
  );
  checkNumber("elapsed", elapsed, { min: 0, fraction: true });
  if (signal !== undefined) checkInstance("signal", signal, AbortSignal);
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const left = (seconds - elapsed) * 1000;
  const alarm = seconds > 0 ? clock.at(clock.now() + left, end) : undefined;
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  const reader = input.getReader();
  try {
    await Promise.race([
      over.promise,
      drop(reader).then(() => over.promise),
    ]);
  } finally {
    alarm?.cancel();
    signal?.removeEventListener("abort", end);
    await reader.cancel().catch(() => {});
  }
}

async function drop(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  while (!(await reader.read()).done);
}
