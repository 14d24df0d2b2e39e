import assert from "node:assert/strict";
import { LatencyHistogram } from "../../../lib/probe/latency_histogram.ts";
import { bar, bins, sparkline } from "../../../lib/probe/plot.ts";
import {
  showBytes,
  showCount,
  showRate,
  showTime,
} from "../../../lib/probe/quantities.ts";

Deno.test("bar fills its width in eighths, and shows the least share", () => {
  assert.equal(bar(1, 4), "████");
  assert.equal(bar(0.5, 4), "██");
  assert.equal(bar(0.53125, 4), "██▏");
  assert.equal(bar(0.0001, 4), "▏");
  assert.equal(bar(0, 4), "");
});

Deno.test("sparkline reaches from nothing to the largest", () => {
  assert.equal(sparkline([0, 1, 4, 8]), "▁▁▄█");
  assert.equal(sparkline([0, 0]), "▁▁");
  assert.equal(sparkline([]), "");
});

Deno.test("bins grow by the same factor, and have all latencies", () => {
  const latencies = new LatencyHistogram();
  for (let i = 0; i < 100; i++) latencies.record(1 + i * 0.01);
  latencies.record(16);
  const rows = bins(latencies, 4);
  assert.deepEqual(rows.map(({ from }) => Math.round(from)), [1, 2, 4, 8]);
  assert.deepEqual(rows.map(({ count }) => count), [100, 0, 0, 1]);
});

Deno.test("bins are none where all latencies are the same", () => {
  const latencies = new LatencyHistogram();
  assert.deepEqual(bins(latencies, 4), []);
  latencies.record(1);
  latencies.record(1);
  assert.deepEqual(bins(latencies, 4), []);
});

Deno.test("Quantities have three digits and the unit that suits them", () => {
  const times = [null, 0.0213, 0.9996, 1.234, 9.996, 99.96, 999.6, 12_345];
  assert.deepEqual(times.map(showTime), [
    "–",
    "21.3 µs",
    "1.00 ms",
    "1.23 ms",
    "10.0 ms",
    "100 ms",
    "1.00 s",
    "12.3 s",
  ]);
  assert.deepEqual([0, 999, 1234567].map(showCount), ["0", "999", "1,234,567"]);
  assert.deepEqual([0, 2.5, 99.96, 12345].map(showRate), [
    "0/s",
    "2.5/s",
    "100/s",
    "12,345/s",
  ]);
  assert.deepEqual([512, 1500, 7_900_000, 2e9].map(showBytes), [
    "512 B",
    "1.50 kB",
    "7.90 MB",
    "2.00 GB",
  ]);
});
