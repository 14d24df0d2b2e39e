/**
 * Bytes that come back as others.
 *
 * @module
 */

import { checkNumber, type Range } from "../util/check.ts";
import { hash, Random, seedOf } from "../util/random.ts";
import { checkChunk } from "./chunk.ts";

/** Which probabilities there are. */
export const PROBABILITY: Range = { min: 0, max: 1, fraction: true };

/** Options of {@linkcode corrupt}. */
export interface CorruptOptions {
  /**
   * Which bytes: a whole number from 0.
   *
   * @default {drawn}
   */
  seed?: number;
  /**
   * The connection's number. The same seed and number hit the same bytes.
   *
   * @default {1}
   */
  connection?: number;
}

/**
 * Makes a stream that makes each byte another one with this probability. Which
 * bytes of the stream are hit, and how, depends on the options alone, never on
 * how the bytes are cut into chunks.
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
 * @param options Which bytes are hit.
 * @throws {RangeError} If a number is out of its range.
 */
export function corrupt(
  probability: number,
  options: CorruptOptions = {},
): TransformStream<Uint8Array, Uint8Array> {
  checkNumber("corrupt", probability, PROBABILITY);
  const { seed, connection = 1 } = options;
  const key = hash("corrupt", seedOf(seed), connection);
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
): (chunk: Uint8Array) => Uint8Array {
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
