import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DURATION_BOUNDS,
  Histogram,
  sumHistograms,
} from "../../../lib/telemetry/histogram.ts";

const durations = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }));

function histogramOf(seconds: number[]): Histogram {
  const histogram = new Histogram();
  for (const duration of seconds) histogram.observe(duration);
  return histogram;
}

Deno.test("Histogram counts a duration in the first bucket that holds it", () => {
  fc.assert(fc.property(durations, (seconds) => {
    const { counts, sum } = histogramOf(seconds).snapshot();
    const above = [-1, ...DURATION_BOUNDS];
    const upTo = [...DURATION_BOUNDS, Infinity];
    assert.deepEqual(
      counts,
      upTo.map((bound, bucket) =>
        seconds.filter((s) => s > above[bucket]! && s <= bound).length
      ),
    );
    assert.equal(sum, seconds.reduce((a, b) => a + b, 0));
  }));
});

Deno.test("Histogram counts a duration that is a bound below it", () => {
  DURATION_BOUNDS.forEach((bound, bucket) => {
    assert.equal(histogramOf([bound]).snapshot().counts[bucket], 1);
  });
});

Deno.test("Histogram's snapshot does not change later", () => {
  const histogram = histogramOf([1]);
  const before = histogram.snapshot();
  const copy = structuredClone(before);
  histogram.observe(1);
  assert.deepEqual(before, copy);
});

Deno.test("sumHistograms gives what one histogram of all would hold", () => {
  fc.assert(fc.property(durations, durations, (some, others) => {
    const together = sumHistograms(
      histogramOf(some).snapshot(),
      histogramOf(others).snapshot(),
    );
    const all = histogramOf([...some, ...others]).snapshot();
    assert.deepEqual(together.counts, all.counts);
    assert.ok(Math.abs(together.sum - all.sum) <= 1e-9 * all.sum);
  }));
});
