import fc from "fast-check";
import assert from "node:assert/strict";
import { lastLineFeed, LF } from "../../../lib/lines/line_feed.ts";

Deno.test("lastLineFeed finds what lastIndexOf finds, wherever a search begins and ends", () => {
  // The neighbours of LF, and of the byte that its test makes of it.
  const byte = fc.constantFrom(LF, 0x0b, 0x09, 0x8a, 0x00, 0x80, 0xff);
  const lineFeeds = fc.array(
    fc.tuple(fc.nat(5000), byte),
    { maxLength: 8 },
  );
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 255 }),
    lineFeeds,
    fc.nat(5000),
    fc.nat(5000),
    (filling, placed, one, other) => {
      const bytes = new Uint8Array(5003).fill(filling === LF ? 0x0b : filling);
      for (const [at, value] of placed) bytes[at] = value;
      const [from, to] = one < other ? [one, other] : [other, one];
      const last = bytes.subarray(from, to).lastIndexOf(LF);
      const expected = last < 0 ? -1 : from + last;
      assert.equal(lastLineFeed(bytes, from, to), expected);
    },
  ));
});
