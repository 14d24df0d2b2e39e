/**
 * Names that somebody may have meant.
 *
 * @module
 */

/** The most slips of the hand that a name may be away from what was written. */
const MOST_SLIPS = 2;

/** Letters for each slip: among short names, most are near any other. */
const LETTERS_PER_SLIP = 3;

/**
 * The name that was probably meant: the nearest one within two slips, or within
 * one if it is short. A slip is a letter too many, too few, wrong, or swapped
 * with the next; small and capital letters are the same.
 */
export function nearest(
  written: string,
  names: Iterable<string>,
): string | undefined {
  const lower = written.toLowerCase();
  let limit = Math.min(
    MOST_SLIPS,
    Math.floor((lower.length + 1) / LETTERS_PER_SLIP),
  );
  let found: string | undefined;
  for (const name of names) {
    if (Math.abs(name.length - lower.length) > limit) continue;
    const slips = distance(lower, name);
    if (slips > limit) continue;
    found = name;
    limit = slips - 1;
  }
  return found;
}

/** Slips between two words: the optimal string alignment distance. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const wrong = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
        ? before[j - 2]! + 1
        : Infinity;
      row[j] = Math.min(wrong, swapped, last[j]! + 1, row[j - 1]! + 1);
    }
    [before, last] = [last, row];
  }
  return last.at(-1)!;
}
