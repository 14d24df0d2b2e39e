/**
 * A connection that takes everything and gives nothing back.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import { type Clock, threadClock } from "./clock.ts";
import { SECONDS } from "./latency.ts";

/** Options of {@linkcode blackhole}. */
export interface BlackholeOptions {
  /**
   * Seconds that have gone already, for example in a handshake.
   *
   * @default {0}
   */
  elapsed?: number;
  /** Ends it at once when it aborts. */
  signal?: AbortSignal;
  /**
   * What it waits by.
   *
   * @ignore
   */
  clock?: Clock;
}

/**
 * Takes all that comes and gives nothing back, not even the end: also when the
 * input ends, it lasts until its time is over.
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
 * @param input What is taken and dropped.
 * @param seconds How long it lasts, 0 to 86400, fractions too; 0 is until the
 * signal aborts.
 * @param options What else ends it.
 * @returns Settles when it is over: then the connection can be closed. It
 * rejects if the input fails.
 * @throws {RangeError} If `seconds` is out of its range.
 */
export async function blackhole(
  input: ReadableStream<Uint8Array>,
  seconds: number,
  options: BlackholeOptions = {},
): Promise<void> {
  checkNumber("blackhole", seconds, SECONDS);
  const { elapsed = 0, signal, clock = threadClock } = options;
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
