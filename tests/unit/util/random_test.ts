import assert from "node:assert/strict";
import fc from "fast-check";
import {
  drawSeed,
  fraction,
  hash,
  Random,
  seedOf,
} from "../../../lib/util/random.ts";

/** How far the counts of `draws` in 16 equal parts are from even. */
function chiSquare(draws: number[]): number {
  const counts = new Array<number>(16).fill(0);
  for (const draw of draws) counts[Math.floor(draw * 16)]!++;
  const even = draws.length / 16;
  return counts.reduce((sum, n) => sum + (n - even) ** 2 / even, 0);
}

/** With 15 degrees of freedom chance exceeds it once in a million times. */
const UNEVEN = 56;

Deno.test("Random gives the same numbers for the same seed", () => {
  const draws = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 20 }, () => random.next());
  };
  assert.deepEqual(draws(7), draws(7));
  assert.notDeepEqual(draws(7), draws(8));
});

Deno.test("Random draws evenly from 0 to 1", () => {
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    const random = new Random(seed);
    const draws = Array.from({ length: 100_000 }, () => random.next());
    assert.ok(draws.every((draw) => draw >= 0 && draw < 1));
    assert.ok(chiSquare(draws) < UNEVEN);
  }
});

Deno.test("hash depends on the purpose and on each number", () =>
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.maxSafeNat(),
      fc.nat(1000),
      (a, b, more) => {
        const all = [
          hash("share", a, b),
          hash("loss", a, b),
          hash("share", a, b + more + 1),
          hash("share", a + more + 1, b),
        ];
        assert.ok(
          all.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32),
        );
        assert.equal(hash("share", a, b), all[0]);
        assert.ok(new Set(all).size >= 3, "two of four may meet by chance");
      },
    ),
  ));

Deno.test("hash tells numbers apart that differ beyond 32 bits", () => {
  assert.notEqual(hash("share", 1), hash("share", 1 + 2 ** 32));
});

Deno.test("fraction is even over positions one after the other", () => {
  for (const seed of [0, 1, 12_345]) {
    const draws = Array.from(
      { length: 100_000 },
      (_, n) => fraction("loss", seed, n),
    );
    assert.ok(chiSquare(draws) < UNEVEN);
  }
});

Deno.test("drawSeed draws a seed, another one each time", () => {
  const seeds = Array.from({ length: 10 }, drawSeed);
  assert.ok(seeds.every((seed) => seedOf(seed) === seed));
  assert.ok(new Set(seeds).size > 8);
});

Deno.test("seedOf takes whole numbers from 0, and draws if there is none", () => {
  assert.equal(seedOf(0), 0);
  assert.equal(seedOf(2 ** 53 - 1), 2 ** 53 - 1);
  assert.notEqual(seedOf(undefined), seedOf(undefined));
  for (const seed of [-1, 1.5, NaN, 2 ** 53]) {
    assert.throws(
      () => seedOf(seed),
      /^RangeError: seed must be a whole number/,
    );
  }
});
