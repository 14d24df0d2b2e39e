/**
 * How a probe goes, in one line that is written again in its place.
 *
 * @module
 */

import type { ProbeProgress } from "./options.ts";
import { plural, showRate, showTime } from "./quantities.ts";

/** Back to the first column. */
const HOME = "\r";
/** Clears from the cursor to the end of the line. */
const CLEAR = "\x1b[K";

/**
 * Columns that are left free: the terminal shows `^C` there, and what wraps
 * could not be cleared.
 */
const CTRL_C = 3;

/** Columns of the bar that fills with time. */
const BAR = 12;

/** The line, with what puts it in place of the last one. */
export function progressLine(
  progress: ProbeProgress,
  columns: number,
): string {
  const { linesPerSecond, p50, p99, errors, seconds, secondsLeft } = progress;
  const time = secondsLeft === undefined
    ? `${seconds.toFixed(0)} s`
    : `${Math.ceil(secondsLeft)} s left  ${
      filled(seconds / (seconds + secondsLeft))
    }`;
  const parts = [
    showRate(linesPerSecond).padStart(12),
    `p50 ${showTime(p50).padEnd(7)}`,
    `p99 ${showTime(p99).padEnd(7)}`,
    plural(errors, "error"),
    time,
  ];
  const line = parts.join("  ").slice(0, columns - CTRL_C);
  return HOME + line + CLEAR;
}

/** Takes the line away. */
export const NO_PROGRESS = HOME + CLEAR;

function filled(share: number): string {
  const done = Math.round(Math.min(1, share) * BAR);
  return "━".repeat(done) + "─".repeat(BAR - done);
}
