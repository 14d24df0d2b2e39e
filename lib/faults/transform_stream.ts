/**
 * A `TransformStream` of two ends of one's own, for what a `Transformer` cannot
 * say: to everybody who asks it is one of the platform's.
 */
export function transformStream(
  readable: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): TransformStream<Uint8Array, Uint8Array> {
  return Object.create(TransformStream.prototype, {
    readable: { value: readable, enumerable: true },
    writable: { value: writable, enumerable: true },
  });
}

/**
 * Gives `chunk` back if it is bytes.
 *
 * @throws {TypeError} If it is not.
 */
export function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("A fault takes chunks of type Uint8Array only");
}
