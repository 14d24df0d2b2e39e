/**
 * A FIN that comes late.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import type { Timed } from "./clock.ts";
import { holdingStream } from "./holding_stream.ts";
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
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>;
/**
 * @param timed What it waits by.
 * @ignore
 */
export function slowClose(
  seconds: number,
  timed: Timed,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>;
export function slowClose(
  seconds: number,
  { clock }: Timed = {},
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const endDelay = checkNumber("slowClose", seconds, SECONDS) * 1000;
  return holdingStream({
    ready: (held) => held,
    endDelay,
  }, { clock });
}
