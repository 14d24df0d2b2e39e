/**
 * Bytes that go back slowly.
 *
 * @module
 */

import { checkNumber } from "../util/check.ts";
import { holdingStream, type Release } from "./holding_stream.ts";

/** Milliseconds' worth of bytes that go on in one chunk; one byte at least. */
const PIECE = 20;

/**
 * Milliseconds' worth of bytes that are made up for when the thread was late, or
 * that go on at once when none came for a while. With a piece it makes 100 ms.
 */
const CREDIT = 80;

/**
 * Makes a stream that lets at most this many bytes a second pass: a token bucket.
 * It is smooth: never more than 100 ms' worth (or one byte) at once. It takes one
 * chunk at a time.
 *
 * @example A modem
 * ```ts
 * import { EchoServer, LineStream, rate } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable, signal }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(rate(7000))
 *       .pipeTo(writable, { signal }),
 * });
 * ```
 *
 * @param bytesPerSecond A whole number from 1.
 * @throws {RangeError} If `bytesPerSecond` is not in its range.
 */
export function rate(
  bytesPerSecond: number,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return holdingStream(tokenBucket(bytesPerSecond));
}

/** When bytes go on at this rate. */
export function tokenBucket(bytesPerSecond: number): Release {
  checkNumber("rate", bytesPerSecond, { min: 1 });
  // When all that has gone on would be through at this rate, in milliseconds.
  let through = -Infinity;
  return {
    ready(held, now) {
      if (now < through) return 0;
      through = Math.max(through, now - CREDIT);
      const open = (now - through + PIECE) / 1000 * bytesPerSecond;
      const count = Math.min(held, Math.max(1, Math.floor(open)));
      through += count / bytesPerSecond * 1000;
      return count;
    },
    due: () => through,
  };
}
