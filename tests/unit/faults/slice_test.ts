import assert from "node:assert/strict";
import fc from "fast-check";
import { slice } from "../../../lib/faults/slice.ts";
import { chunks } from "../../support/chunks.ts";
import { bytes, text } from "../../support/client.ts";
import { fill, through } from "./stage.ts";

Deno.test("slice cuts each chunk into pieces", async () => {
  const input = ["abcdefg\n", "h\n", "ij\nk\n"].map(bytes);
  const out = await through(input, slice(3));
  assert.deepEqual(out.map(text), ["abc", "def", "g\n", "h\n", "ij\n", "k\n"]);
});

Deno.test("slice gives out no piece that is too long or empty", () =>
  fc.assert(
    fc.asyncProperty(chunks, fc.integer({ min: 50, max: 4000 }), async (
      input,
      most,
    ) => {
      for (const { length } of await through(input, slice(most))) {
        assert.ok(length > 0 && length <= most);
      }
    }),
    { numRuns: 50 },
  ));

Deno.test("slice holds one chunk, and cuts no piece that nobody reads", async () => {
  const stage = slice(1);
  assert.equal(await fill(stage, new Uint8Array(5000)), 5000);
  const reader = stage.readable.getReader();
  assert.equal((await reader.read()).value?.length, 1);
  await reader.cancel();
});

for (const wrong of [0, -1, 1.5, NaN, "1"]) {
  Deno.test(`slice refuses ${Deno.inspect(wrong)}`, () => {
    assert.throws(
      () => slice(wrong as number),
      /^RangeError: slice must be a whole number from 1, not /,
    );
  });
}
