/**
 * What every fault checks of a chunk.
 *
 * @module
 */

/**
 * Gives `chunk` back if it is bytes.
 *
 * @throws {TypeError} If it is not.
 */
export function checkChunk(chunk: unknown): Uint8Array<ArrayBuffer> {
  // The platform's streams take no shared memory either.
  if (chunk instanceof Uint8Array) return chunk as Uint8Array<ArrayBuffer>;
  throw new TypeError("A fault takes chunks of type Uint8Array only");
}
