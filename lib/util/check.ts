/** Which numbers a setting takes. */
export interface Range {
  readonly min: number;
  /** Without it there is no end. */
  readonly max?: number;
  /** Whether fractions make sense. */
  readonly fraction?: boolean;
}

/**
 * Gives `value` back if it is a number of the range.
 *
 * @throws {RangeError} If it is not; the message names the setting.
 */
export function checkNumber(
  name: string,
  value: unknown,
  { min, max = Infinity, fraction = false }: Range,
): number {
  const taken = typeof value === "number" && value >= min && value <= max &&
    (fraction || Number.isInteger(value));
  if (taken) return value;
  const kind = fraction ? "number" : "whole number";
  const range = max === Infinity ? `from ${min}` : `from ${min} to ${max}`;
  throw new RangeError(
    `${name} must be a ${kind} ${range}, not ${Deno.inspect(value)}`,
  );
}

/**
 * Gives `value` back if it is one of the words.
 *
 * @throws {TypeError} If it is not; the message names the setting.
 */
export function checkWord<T extends string>(
  name: string,
  value: T,
  words: readonly T[],
): T {
  if (words.includes(value)) return value;
  const choice = words.map((word) => `"${word}"`).join(" or ");
  throw new TypeError(`${name} must be ${choice}, not ${Deno.inspect(value)}`);
}

/**
 * Gives `value` back if it can be called.
 *
 * @throws {TypeError} If it cannot; the message names the setting.
 */
export function checkFunction<T>(name: string, value: T): T {
  if (typeof value === "function") return value;
  throw new TypeError(
    `${name} must be a function, not ${Deno.inspect(value)}`,
  );
}
