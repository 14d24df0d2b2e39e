/** The most edits between two names that are taken for a slip of the hand. */
const SLIP = 2;

/**
 * The name that was probably meant: the nearest within two edits, and within
 * half of the length of what was written.
 */
export function nearest(
  written: string,
  names: Iterable<string>,
): string | undefined {
  const lower = written.toLowerCase();
  let limit = Math.min(SLIP, Math.floor(written.length / 2));
  let found: string | undefined;
  for (const name of names) {
    if (Math.abs(name.length - lower.length) > limit) continue;
    const edits = distance(lower, name);
    if (edits > limit) continue;
    found = name;
    limit = edits - 1;
  }
  return found;
}

/** How many letters must be put in, taken out or replaced (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
    }
    row = next;
  }
  return row.at(-1)!;
}
