/**
 * What a probe found.
 *
 * @module
 */

import type { LatencyHistogram } from "./latency_histogram.ts";
import type { ProbeErrors, Tally } from "./tally.ts";

/** Times in milliseconds; null where nothing was measured. */
export interface ProbeTimes {
  /** The shortest. */
  min: number | null;
  /** The median. */
  p50: number | null;
  /** Nine in ten took no longer. */
  p90: number | null;
  /** 99 in 100 took no longer. */
  p99: number | null;
  /** 999 in 1000 took no longer. */
  p99_9: number | null;
  /** The longest. */
  max: number | null;
  /** The arithmetic mean. */
  mean: number | null;
}

/** What a probe found. Its names are those of its JSON, `probe --json`. */
export interface ProbeReport {
  /** What was probed, with its scheme. */
  target: string;
  /** Lines that came back right. */
  lines: number;
  /** `lines` divided by `seconds`. */
  lines_per_second: number;
  /** Bytes of those lines. */
  bytes: number;
  /** Connections that were opened. */
  connections: number;
  /** What went wrong, and how often. */
  errors: ProbeErrors;
  /**
   * Latency: to the answer, from when the line was sent or, with a rate, from when
   * it was due.
   */
  latency_ms: ProbeTimes;
  /** Latency from when the line was sent; only with a rate. */
  uncorrected_latency_ms?: ProbeTimes;
  /** How long it took to open a connection, TLS handshake included. */
  connect_ms: ProbeTimes;
  /** Connections by the name that answered; only with `greeting`. */
  greetings?: Record<string, number>;
  /** From the first connection to the last answer or error. */
  seconds: number;
  /** Whether it was told to stop; only if it was. */
  stopped_early?: true;
  /**
   * The first error, in words, if there was one. It counts connections from 1, and
   * the lines of each from 0.
   */
  first_error?: string;
  /** Whether every line came back right, and at least one. */
  ok: boolean;
  /** Why not, in words; only if it is not. */
  failure?: string;
}

/** Sums up a histogram. */
export function timesOf(latencies: LatencyHistogram): ProbeTimes {
  return {
    min: rounded(latencies.min),
    p50: rounded(latencies.percentile(0.5)),
    p90: rounded(latencies.percentile(0.9)),
    p99: rounded(latencies.percentile(0.99)),
    p99_9: rounded(latencies.percentile(0.999)),
    max: rounded(latencies.max),
    mean: rounded(latencies.mean),
  };
}

/** What is known besides the counts. */
export interface Circumstances {
  /** What was probed, with its scheme. */
  target: string;
  /** Bytes of a line. */
  size: number;
  /** From the first connection to the last answer or error. */
  seconds: number;
  /** Whether it did all that was asked for, or was told to stop. */
  complete: boolean;
  /** Whether connections begin with a greeting. */
  greeting: boolean;
  /** Whether the caller's signal ended it. */
  aborted: boolean;
}

/** Makes the report. */
export function reportOf(tally: Tally, about: Circumstances): ProbeReport {
  const { lines, connections, errors, uncorrected, firstError } = tally;
  const { target, size, seconds, complete, greeting, aborted } = about;
  return {
    target,
    lines,
    lines_per_second: seconds > 0 ? Math.round(lines / seconds) : 0,
    bytes: lines * size,
    connections,
    errors: { ...errors },
    latency_ms: timesOf(tally.latencies),
    ...uncorrected && { uncorrected_latency_ms: timesOf(uncorrected) },
    connect_ms: timesOf(tally.connects),
    ...greeting && { greetings: byName(tally.greetings) },
    seconds: Math.round(seconds * 1000) / 1000,
    ...aborted && { stopped_early: true },
    ...firstError !== undefined && { first_error: firstError },
    ok: complete && lines > 0 && tally.failures === 0,
  };
}

function byName(counts: ReadonlyMap<string, number>): Record<string, number> {
  const names = [...counts.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, counts.get(name)!]));
}

/** The clock tells no more than tenths of a microsecond. */
function rounded(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds * 1e4) / 1e4;
}
