import assert from "node:assert/strict";
import { corrupt, type CorruptOptions } from "../../../lib/faults/corrupt.ts";
import { bytesThrough } from "./stage.ts";

const ZEROS = new Uint8Array(1_000_000);

/** What a million zeros become. */
function corrupted(probability: number, options: CorruptOptions) {
  return bytesThrough([ZEROS], corrupt(probability, options));
}

for (const probability of [1e-4, 0.01, 0.3, 0.9]) {
  Deno.test(`corrupt of ${probability} hits as many bytes`, async () => {
    const out = await corrupted(probability, { seed: 1 });
    const hits = out.filter((byte) => byte !== 0).length;
    const expected = probability * ZEROS.length;
    const deviation = Math.sqrt(expected * (1 - probability));
    assert.ok(Math.abs(hits - expected) < 5 * deviation, `${hits}`);
    assert.ok(ZEROS.every((byte) => byte === 0), "the chunk is not touched");
  });
}

Deno.test("corrupt of 1 makes every byte another one, of all kinds", async () => {
  const out = await corrupted(1, { seed: 1 });
  assert.equal(out.includes(0), false);
  assert.equal(new Set(out).size, 255);
});

Deno.test("corrupt of 0 changes nothing", async () => {
  assert.deepEqual(await corrupted(0, { seed: 1 }), ZEROS);
});

Deno.test("corrupt hits other bytes for another seed and connection", async () => {
  const one = await corrupted(0.01, { seed: 1, connection: 1 });
  assert.deepEqual(await corrupted(0.01, { seed: 1, connection: 1 }), one);
  assert.notDeepEqual(await corrupted(0.01, { seed: 2, connection: 1 }), one);
  assert.notDeepEqual(await corrupted(0.01, { seed: 1, connection: 2 }), one);
  assert.notDeepEqual(await corrupted(0.01, {}), await corrupted(0.01, {}));
});

for (const wrong of [-0.1, 1.1, NaN, "1"]) {
  Deno.test(`corrupt refuses ${Deno.inspect(wrong)}`, () => {
    assert.throws(
      () => corrupt(wrong as number),
      /^RangeError: corrupt must be a number from 0 to 1, not /,
    );
  });
}

for (const connection of [0, -1, 1.5, NaN, 2 ** 53, "1"]) {
  Deno.test(`corrupt refuses connection ${Deno.inspect(connection)}`, () => {
    assert.throws(
      () => corrupt(0.5, { connection: connection as number }),
      /^RangeError: connection must be a whole number from 1 to 9007199254740991, not /,
    );
  });
}
