/**
 * Numbers with their units, as people read them.
 *
 * @module
 */

/** A whole number with commas between thousands. */
export function showCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A rate: below a hundred it has a fraction. */
export function showRate(perSecond: number): string {
  return perSecond > 0 && perSecond < 99.95
    ? `${perSecond.toFixed(1)}/s`
    : `${showCount(perSecond)}/s`;
}

/** A time in the unit that suits it, of three digits; "–" where there is none. */
export function showTime(milliseconds: number | null): string {
  if (milliseconds === null) return "–";
  if (milliseconds < 0.9995) return `${threeDigits(milliseconds * 1000)} µs`;
  if (milliseconds < 999.5) return `${threeDigits(milliseconds)} ms`;
  return `${threeDigits(milliseconds / 1000)} s`;
}

/** Bytes in decimal units. */
export function showBytes(bytes: number): string {
  if (bytes < 999.5) return `${showCount(bytes)} B`;
  if (bytes < 999.5e3) return `${threeDigits(bytes / 1e3)} kB`;
  if (bytes < 999.5e6) return `${threeDigits(bytes / 1e6)} MB`;
  return `${threeDigits(bytes / 1e9)} GB`;
}

/** A count and what is counted. */
export function plural(count: number, thing: string): string {
  return `${showCount(count)} ${thing}${count === 1 ? "" : "s"}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return showCount(value);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
