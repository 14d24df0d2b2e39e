/**
 * Bytes in the pieces that a network may cut them into.
 *
 * @module
 */

import fc from "fast-check";

const LF = 0x0a;

/** Any bytes, with more LFs than chance would bring. */
const few = fc.array(
  fc.oneof(fc.constant(LF), fc.integer({ min: 0, max: 255 })),
  { minLength: 1, maxLength: 40 },
).map((values) => Uint8Array.from(values));

/** The same over and over: lines beyond any limit, more than a buffer takes. */
const many = fc.tuple(few, fc.oneof(fc.nat(3000), fc.nat(300_000)))
  .map(([pattern, length]) =>
    new Uint8Array(length + 1).map((_, i) => pattern[i % pattern.length]!)
  );

/** A stream of bytes, in the chunks in which it arrives. */
export const chunks: fc.Arbitrary<Uint8Array<ArrayBuffer>[]> = fc.array(
  fc.oneof({ arbitrary: few, weight: 3 }, { arbitrary: many, weight: 1 }),
  { maxLength: 20 },
);

/** A limit that lines of {@linkcode chunks} fall short of, meet and exceed. */
export const limits: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1, max: 64 }),
  fc.integer({ min: 65, max: 4000 }),
);

/** All bytes in one piece. */
export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
