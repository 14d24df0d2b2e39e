/**
 * A connection that ends after so many bytes.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import { holdingStream } from "./holding_stream.ts";

/**
 * Makes a stream that ends after this many bytes. What comes later is taken and
 * dropped, as behind a FIN: the writable end stays open, and nothing fails.
 *
 * @example A connection that ends in the middle of a line
 * ```ts
 * import { EchoServer, limit, LineStream } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(limit(100))
 *       .pipeTo(writable),
 * });
 * ```
 *
 * @param bytes How many pass: a whole number from 0.
 * @throws {RangeError} If `bytes` is not in its range.
 */
export function limit(
  bytes: number,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  let left = checkNumber("limit", bytes, { min: 0 });
  return holdingStream({
    ready(held) {
      const count = Math.min(held, left);
      left -= count;
      return count;
    },
    get over() {
      return left === 0;
    },
  });
}
