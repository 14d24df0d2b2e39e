/**
 * Bytes that come back as others.
 *
 * @module
 */

import { checkNumber, checkObject, type Range } from "../util/check.ts";
import { keyOf, Random } from "../util/random.ts";
import { checkChunk } from "./chunk.ts";

/** Which probabilities there are. */
const PROBABILITY: Range = { min: 0, max: 1, fraction: true };

/** Options of {@linkcode corrupt}. */
export interface CorruptOptions {
  /**
   * Whole number from which the changes are drawn, 0 to 9007199254740991.
   *
   * @default {drawn}
   */
  seed?: number;
  /**
   * Number of the connection, a whole one from 1. The same seed and number change
   * the same bytes.
   *
   * @default {1}
   */
  connection?: number;
}

/**
 * Makes a stream that changes each byte with this probability. Which bytes are
 * changed, and how, depends on the options alone, never on how the bytes are cut
 * into chunks.
 *
 * @example One byte in a thousand is wrong
 * ```ts
 * import { corrupt, EchoServer, LineStream } from "@echoserver/echoserver";
 *
 * await using server = await EchoServer.start({
 *   port: 0,
 *   handler: ({ readable, writable }) =>
 *     readable
 *       .pipeThrough(new LineStream())
 *       .pipeThrough(corrupt(0.001, { seed: 7 }))
 *       .pipeTo(writable),
 * });
 * ```
 *
 * @param probability From 0 to 1.
 * @param options Which bytes are changed.
 * @throws {RangeError} If a number is not in its range.
 */
export function corrupt(
  probability: number,
  options: CorruptOptions = {},
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  checkNumber("corrupt", probability, PROBABILITY);
  const { seed, connection = 1 } = checkObject("options", options);
  const key = keyOf("corrupt", seed, connection);
  const corrupted = corrupter(probability, key);
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(corrupted(checkChunk(chunk)));
    },
  });
}

/**
 * Makes a function that gives the chunks of a stream back with some bytes wrong:
 * a chunk itself if it is not hit, else a copy.
 *
 * @param key Which bytes are hit: a whole number.
 */
export function corrupter(
  probability: number,
  key: number,
): <Memory extends ArrayBufferLike>(
  chunk: Uint8Array<Memory>,
) => Uint8Array<Memory | ArrayBuffer> {
  const random = new Random(key);
  // Not a draw for each byte: the gaps between hits are drawn, from the
  // geometric distribution. Infinity if the probability is 0.
  const scale = 1 / Math.log1p(-probability);
  const gap = () => Math.floor(Math.log(1 - random.next()) * scale);
  let next = probability > 0 ? gap() : Infinity;
  return (chunk) => {
    const { length } = chunk;
    const out = next < length ? chunk.slice() : chunk;
    for (; next < length; next += 1 + gap()) {
      out[next]! ^= 1 + Math.floor(random.next() * 255);
    }
    next -= length;
    return out;
  };
}
