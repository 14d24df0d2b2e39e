/**
 * A FIN that comes late.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import { holdingStream, type Release } from "./holding_stream.ts";
import { SECONDS } from "./latency.ts";

/**
 * Makes a stream that lets all bytes pass, and ends this much later than its
 * input: piped to a connection, its FIN comes late.
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
 * @throws {RangeError} If `seconds` is not in its range.
 */
export function slowClose(
  seconds: number,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return holdingStream(lateEnd(seconds));
}

/** Lets bytes go on at once, and the end so much later. */
export function lateEnd(seconds: number): Release {
  const endDelay = checkNumber("slowClose", seconds, SECONDS) * 1000;
  return { ready: (held) => held, endDelay };
}
