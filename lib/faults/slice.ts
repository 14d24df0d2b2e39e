/**
 * Bytes that go back in small pieces.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import { holdingStream } from "./holding_stream.ts";

/**
 * Makes a stream that cuts chunks into pieces of at most this many bytes. Piped to
 * a connection, each is a write of its own. It takes one chunk at a time, and
 * cuts a piece only when it is read.
 *
 * @example Seven bytes a packet
 * ```ts
 * import { EchoServer, LineStream, slice } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(slice(7))
 *       .pipeTo(writable),
 * });
 * ```
 *
 * @param bytes The most bytes of a piece: a whole number from 1.
 * @throws {RangeError} If `bytes` is not in its range.
 */
export function slice(
  bytes: number,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  checkNumber("slice", bytes, { min: 1 });
  return holdingStream({
    ready: (held) => Math.min(held, bytes),
  });
}
