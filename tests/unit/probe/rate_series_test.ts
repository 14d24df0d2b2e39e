import assert from "node:assert/strict";
import { RateSeries } from "../../../lib/probe/rate_series.ts";

Deno.test("RateSeries gives the rate of each sample", () => {
  const series = new RateSeries(1000);
  assert.equal(series.sample(10, 1100), 100);
  assert.equal(series.sample(40, 1200), 300);
  assert.deepEqual(series.rates(10), [100, 300]);
});

Deno.test("RateSeries adds what came after the last sample to it", () => {
  const series = new RateSeries(0);
  series.finish(3, 50);
  assert.deepEqual(series.rates(10), []);
  series.sample(0, 100);
  series.finish(20, 200);
  assert.deepEqual(series.rates(10), [100]);
});

Deno.test("RateSeries shows no more than it is asked for", () => {
  const series = new RateSeries(0);
  for (let i = 1; i <= 100; i++) series.sample(i, i * 100);
  const rates = series.rates(40);
  assert.equal(rates.length, 40);
  assert(rates.every((rate) => Math.abs(rate - 10) < 1e-6));
});

Deno.test("RateSeries stays bounded, and joined samples weigh the same", () => {
  const series = new RateSeries(0);
  for (let i = 1; i <= 10_001; i++) {
    // Twice as fast in the second half.
    series.sample(i + Math.max(0, i - 5000), i * 100);
  }
  const rates = series.rates(1000);
  assert(rates.length <= 256);
  assert.equal(Math.round(rates[0]!), 10);
  assert.equal(Math.round(rates.at(-1)!), 20);
});

Deno.test("RateSeries has nothing to show before the first sample", () => {
  assert.deepEqual(new RateSeries(0).rates(40), []);
});
