/**
 * A FIN that comes late.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import type { Clock } from "./clock.ts";
import { holdingStream } from "./holding_stream.ts";
import { SECONDS } from "./latency.ts";

/** Options of {@linkcode slowClose}. */
export interface SlowCloseOptions {
  /**
   * What it waits by.
   *
   * @ignore
   */
  clock?: Clock;
}

/**
 * Makes a stream that lets bytes through, and ends so much later than they do:
 * piped to a connection, its FIN comes late.
 *
 * @example FIN comes two seconds after the last line
 * ```ts
 * import { EchoServer, LineStream, slowClose } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable, signal }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(slowClose(2))
 *       .pipeTo(writable, { signal }),
 * });
 * ```
 *
 * @param seconds How much later, 0 to 86400, fractions too.
 * @param options By which clock.
 * @throws {RangeError} If `seconds` is out of its range.
 */
export function slowClose(
  seconds: number,
  options: SlowCloseOptions = {},
): TransformStream<Uint8Array, Uint8Array> {
  const endDelay = checkNumber("slowClose", seconds, SECONDS) * 1000;
  return holdingStream({
    ready: (held) => held,
    endDelay,
  }, { clock: options.clock });
}
