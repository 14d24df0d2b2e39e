/**
 * Whether a path has passed its probe, and why not.
 *
 * @module
 */

import { plural, showCount, showTime } from "./quantities.ts";
import type { ProbeReport } from "./report.ts";
import type { ProbeErrors } from "./tally.ts";

/** What went wrong, or that nothing did: for the last line, and the exit code. */
export interface Verdict {
  ok: boolean;
  text: string;
}

/** Judges a report, also by the 99th percentile that was asked for. */
export function verdictOf(report: ProbeReport, maxP99?: number): Verdict {
  const { lines, ok, first_error: first } = report;
  const { p99 } = report.latency_ms;
  const errors = errorsIn(report.errors);
  if (lines === 0) {
    const reason = first ??
      (report.stopped_early ? "stopped too early" : "none was sent");
    return { ok: false, text: `no line came back: ${reason}` };
  }
  if (errors) return { ok: false, text: `${errors}; first: ${first}` };
  if (!ok) {
    const text = `all connections ended early, after ${plural(lines, "line")}`;
    return { ok: false, text };
  }
  const limit = maxP99 === undefined ? "" : showTime(maxP99);
  if (limit && p99! > maxP99!) {
    return { ok: false, text: `p99 is ${showTime(p99)}, above ${limit}` };
  }
  const right = lines === 1
    ? "the line came back right"
    : `all ${showCount(lines)} lines came back right`;
  return { ok: true, text: limit ? `${right}, p99 within ${limit}` : right };
}

/** The report with what is judged of it. */
export function judged(report: ProbeReport, maxP99?: number): ProbeReport {
  const { ok, text } = verdictOf(report, maxP99);
  return { ...report, ok, ...!ok && { failure: text } };
}

/** Kinds of errors and how many; empty without any. */
export function errorsIn(errors: ProbeErrors): string {
  return Object.entries(errors).filter(([, count]) => count > 0)
    .map(([kind, count]) => {
      return `${showCount(count)} ${kind === "timeout" ? "timed out" : kind}`;
    }).join(", ");
}
