import assert from "node:assert/strict";
import fc from "fast-check";
import { LatencyHistogram } from "../../../lib/probe/latency_histogram.ts";

const latency = fc.double({ min: 0.002, max: 100_000, noNaN: true });

function histogramOf(latencies: number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const latency of latencies) histogram.record(latency);
  return histogram;
}

Deno.test("LatencyHistogram is less than 1 % off at every percentile", () => {
  fc.assert(fc.property(
    fc.array(latency, { minLength: 1, maxLength: 200 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (latencies, share) => {
      const sorted = latencies.toSorted((a, b) => a - b);
      const rank = Math.max(1, Math.ceil(share * sorted.length));
      const exact = sorted[rank - 1]!;
      const found = histogramOf(latencies).percentile(share)!;
      // The clock's own step, 100 ns, is what the shortest are off by.
      const error = Math.max(exact / 100, 0.0001);
      assert(Math.abs(found - exact) <= error, `${found} is not ${exact}`);
    },
  ));
});

Deno.test("LatencyHistogram keeps least, most and mean exactly", () => {
  const histogram = histogramOf([1.23456, 7, 3]);
  assert.equal(histogram.min, 1.23456);
  assert.equal(histogram.max, 7);
  assert.equal(histogram.mean, (1.23456 + 7 + 3) / 3);
  assert.equal(histogram.count, 3);
});

Deno.test("LatencyHistogram has null where nothing was measured", () => {
  const { min, max, mean, count } = new LatencyHistogram();
  assert.deepEqual({ min, max, mean, count }, {
    min: null,
    max: null,
    mean: null,
    count: 0,
  });
  assert.equal(new LatencyHistogram().percentile(0.5), null);
});

Deno.test("LatencyHistogram takes a latency of days", () => {
  const histogram = histogramOf([1, 3e8]);
  assert.equal(histogram.max, 3e8);
  assert.equal(histogram.percentile(0.5)!.toFixed(2), "1.00");
});

Deno.test("LatencyHistogram counts between bounds, and loses none", () => {
  fc.assert(fc.property(fc.array(latency), (latencies) => {
    const counts = histogramOf(latencies).countBetween([1, 10, 100]);
    const sum = counts.reduce((sum, count) => sum + count, 0);
    assert.equal(sum, latencies.length);
  }));
  const histogram = histogramOf([0.5, 2, 3, 20, 200]);
  assert.deepEqual(histogram.countBetween([1, 10, 100]), [3, 2]);
});
