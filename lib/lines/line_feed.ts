/**
 * The byte that ends a line, and how it is found.
 *
 * @module
 */

/** The byte that ends a line. */
export const LF = 0x0a;

/** Bytes of a search below which a view of words costs more than it saves. */
const SHORT = 1024;

/** Bytes that are looked at together: four words of four. */
const BLOCK = 16;

/**
 * The last LF of `bytes` from `from` on and before `to`, as `lastIndexOf` finds
 * it. That goes byte by byte, and the unfinished end of a long line costs it a
 * tenth of the time of its read and write.
 *
 * @param bytes A view that begins at a multiple of four bytes of its buffer.
 * @returns Its index, or -1.
 */
export function lastLineFeed(
  bytes: Uint8Array,
  from: number,
  to: number,
): number {
  if (to - from < SHORT) return lastWithin(bytes, from, to);
  const first = Math.ceil(from / BLOCK) * BLOCK;
  const end = Math.floor(to / BLOCK) * BLOCK;
  const behind = lastWithin(bytes, end, to);
  if (behind >= 0) return behind;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, end / 4);
  for (let i = end / 4 - 4; i >= first / 4; i -= 4) {
    const found = lineFeedsIn(words[i]!) | lineFeedsIn(words[i + 1]!) |
      lineFeedsIn(words[i + 2]!) | lineFeedsIn(words[i + 3]!);
    if (found !== 0) return lastWithin(bytes, i * 4, i * 4 + BLOCK);
  }
  return lastWithin(bytes, from, first);
}

/**
 * Finds the bytes of a word that are LF: "Determine if a word has a zero byte",
 * Bit Twiddling Hacks.
 *
 * @returns The word's top bits of such bytes, and perhaps of a byte of 0x0b
 * above one; 0 if there is none.
 */
export function lineFeedsIn(word: number): number {
  const zeroed = word ^ 0x0a0a0a0a;
  return (zeroed - 0x01010101) & ~zeroed & 0x80808080;
}

function lastWithin(bytes: Uint8Array, from: number, to: number): number {
  const last = bytes.subarray(from, to).lastIndexOf(LF);
  return last < 0 ? -1 : from + last;
}
