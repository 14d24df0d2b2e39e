/**
 * Checks of settings: what each takes, and the error if it is given anything else.
 *
 * @module
 */

import { escapeControls } from "./text.ts";

/** Which numbers a setting takes. */
export interface Range {
  readonly min: number;
  /** Without it there is no end. */
  readonly max?: number;
  /** Whether fractions make sense. */
  readonly fraction?: boolean;
}

/** Whether `value` is a number of the range. */
export function inRange(
  value: unknown,
  { min, max = Infinity, fraction = false }: Range,
): value is number {
  return typeof value === "number" && value >= min && value <= max &&
    (fraction || Number.isInteger(value));
}

/**
 * A range as a phrase: `a whole number from 1 to 10`, or with a unit `a whole
 * number of seconds from 1 to 10`.
 */
export function describeRange(
  { min, max, fraction }: Range,
  unit?: string,
): string {
  const number = fraction ? "number" : "whole number";
  const kind = unit === undefined ? number : `${number} of ${unit}`;
  return max === undefined
    ? `a ${kind} from ${min}`
    : `a ${kind} from ${min} to ${max}`;
}

/** Words as a choice: `"line" or "raw"`. */
export function describeChoice(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(" or ");
}

/** Any value on one line, and not a long one. */
export function show(value: unknown): string {
  return Deno.inspect(value, {
    breakLength: Infinity,
    compact: true,
    depth: 1,
    strAbbreviateSize: 100,
  });
}

/** Text that was given, on one line, without what could steer a terminal. */
export function quote(text: string): string {
  return escapeControls(JSON.stringify(text));
}

/**
 * Gives `value` back if it is a number of the range.
 *
 * @throws {RangeError} If it is not; the message names the setting.
 */
export function checkNumber(
  name: string,
  value: unknown,
  range: Range,
): number {
  if (inRange(value, range)) return value;
  throw new RangeError(
    `${name} must be ${describeRange(range)}, not ${show(value)}`,
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
  throw new TypeError(
    `${name} must be ${describeChoice(words)}, not ${show(value)}`,
  );
}

/**
 * Gives `value` back if it is an object, and no array.
 *
 * @throws {TypeError} If it is not; the message names the setting.
 */
export function checkObject<T>(name: string, value: T): T {
  if (isObject(value)) return value;
  throw new TypeError(`${name} must be an object, not ${show(value)}`);
}

/** Whether `value` is an object, and no array. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Gives `value` back if it is of the class.
 *
 * @throws {TypeError} If it is not; the message names the setting.
 */
export function checkInstance<T>(
  name: string,
  value: T,
  Class: abstract new (...args: never[]) => unknown,
): T {
  if (value instanceof Class) return value;
  throw new TypeError(
    `${name} must be of type ${Class.name}, not ${show(value)}`,
  );
}

/**
 * Gives `value` back if it can be called.
 *
 * @throws {TypeError} If it cannot; the message names the setting.
 */
export function checkFunction<T>(name: string, value: T): T {
  if (typeof value === "function") return value;
  throw new TypeError(`${name} must be a function, not ${show(value)}`);
}
