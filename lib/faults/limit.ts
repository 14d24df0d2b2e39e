import { checkNumber } from "../util/check.ts";
import { checkChunk, transformStream } from "./transform_stream.ts";

/**
 * Makes a stream that ends after so many bytes. What comes later is taken and
 * dropped, as behind a FIN: the writable end stays open, and nobody fails.
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
 * @param bytes How many come through: a whole number from 0.
 * @throws {RangeError} If `bytes` is out of its range.
 */
export function limit(bytes: number): TransformStream<Uint8Array, Uint8Array> {
  let left = checkNumber("limit", bytes, { min: 0 });
  // The ends of one of the platform's own would fail together: its `terminate`
  // fails the writable end. So its own writable end is kept back.
  const through = new TransformStream<Uint8Array, Uint8Array>();
  const output = through.writable.getWriter();
  const endIfReached = () => left === 0 ? output.close() : undefined;
  const writable = new WritableStream<Uint8Array>({
    start(controller) {
      output.closed.catch((reason) => controller.error(reason));
      return endIfReached();
    },
    async write(chunk) {
      const part = checkChunk(chunk).subarray(0, left);
      if (part.length === 0) return;
      left -= part.length;
      await output.write(part);
      await endIfReached();
    },
    close: () => left > 0 ? output.close() : undefined,
    abort: (reason) => output.abort(reason),
  });
  return transformStream(through.readable, writable);
}
