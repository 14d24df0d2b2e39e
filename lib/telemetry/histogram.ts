/**
 * A histogram of durations with fixed buckets, in cells that threads can share.
 *
 * @module
 */

/** The upper bounds of the buckets, in seconds; the last bucket has none. */
export const DURATION_BOUNDS: readonly number[] = [
  0.001,
  0.01,
  0.1,
  1,
  10,
  60,
  300,
  3_600,
  86_400,
];

/** What a histogram holds at one moment. */
export interface HistogramSnapshot {
  /** How many durations each bucket holds: not cumulative. */
  counts: number[];
  /** All durations added up, in seconds. */
  sum: number;
}

const SUM = DURATION_BOUNDS.length + 1;

/** Counts durations; nothing is allocated for one. */
export class Histogram {
  /** How many cells it takes. */
  static readonly LENGTH: number = SUM + 1;

  readonly #cells: Float64Array;

  /** @param cells Where it counts: {@linkcode Histogram.LENGTH} of them. */
  constructor(cells: Float64Array = new Float64Array(Histogram.LENGTH)) {
    this.#cells = cells;
  }

  /** Counts one duration. */
  observe(seconds: number): void {
    const cells = this.#cells;
    let bucket = 0;
    while (seconds > DURATION_BOUNDS[bucket]!) bucket++;
    cells[bucket]!++;
    cells[SUM]! += seconds;
  }

  /** What it holds now. */
  snapshot(): HistogramSnapshot {
    return {
      counts: [...this.#cells.subarray(0, SUM)],
      sum: this.#cells[SUM]!,
    };
  }
}

/** What two histograms hold together. */
export function sumHistograms(
  a: HistogramSnapshot,
  b: HistogramSnapshot,
): HistogramSnapshot {
  return {
    counts: a.counts.map((count, bucket) => count + b.counts[bucket]!),
    sum: a.sum + b.sum,
  };
}
