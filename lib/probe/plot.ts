/**
 * Drawings made of the block characters that every terminal has.
 *
 * @module
 */

import type { LatencyHistogram } from "./latency_histogram.ts";

/** Parts of a block from the left, an eighth to the whole. */
const FROM_LEFT = "▏▎▍▌▋▊▉█";
/** Parts of a block from below. */
const FROM_BELOW = "▁▂▃▄▅▆▇█";
const EIGHTHS = 8;

/**
 * A horizontal bar.
 *
 * @param share Its length, from 0 to 1 of the width; more than 0 is always seen.
 * @param width Columns of the longest.
 */
export function bar(share: number, width: number): string {
  const eighths = Math.max(
    share > 0 ? 1 : 0,
    Math.round(share * width * EIGHTHS),
  );
  const whole = FROM_LEFT.at(-1)!.repeat(Math.floor(eighths / EIGHTHS));
  const rest = eighths % EIGHTHS;
  return rest === 0 ? whole : whole + FROM_LEFT[rest - 1];
}

/** A curve in one row, from 0 to the largest value. */
export function sparkline(values: readonly number[]): string {
  const top = Math.max(...values);
  return values.map((value) => {
    const height = top > 0 ? value / top : 0;
    return FROM_BELOW[Math.max(0, Math.ceil(height * EIGHTHS) - 1)];
  }).join("");
}

/** One row of a histogram. */
export interface Bin {
  /** Its lower bound, in milliseconds. */
  from: number;
  /** How many latencies. */
  count: number;
}

/**
 * Latencies in so many bins, each as many times longer than the one before: a
 * tail a hundred times as long as the median still leaves the middle its shape.
 */
export function bins(latencies: LatencyHistogram, count: number): Bin[] {
  const { min, max } = latencies;
  if (min === null || max === null || min <= 0 || max / min < 1.01) return [];
  const bounds = Array.from({ length: count + 1 }, (_, i) => {
    return min * (max / min) ** (i / count);
  });
  return latencies.countBetween(bounds)
    .map((count, i) => ({ from: bounds[i]!, count }));
}
