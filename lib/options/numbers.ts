/**
 * The kinds of options that are numbers: bare, or with a unit.
 *
 * @module
 */

import { describeRange, inRange, type Range } from "../util/check.ts";
import type { Bounds, Kind, TextForm } from "./kinds.ts";

/** A whole number, in decimal digits. */
export function whole(
  placeholder: string,
  min: number,
  max: number,
): Kind<number> {
  return bare(placeholder, { min, max });
}

/** A number, fractions too. */
export function decimal(
  placeholder: string,
  min: number,
  max: number,
): Kind<number> {
  return bare(placeholder, { min, max, fraction: true });
}

/**
 * Seconds: whole ones on the command line, with a unit in a URL, any in the API.
 */
export function seconds(min: number, max: number): Kind<number> {
  const range = { min, max, fraction: true };
  return {
    ...numeric(range),
    unit: "s",
    option: bareText("s", { min, max }),
    parameter: {
      placeholder: "duration",
      takes: `a duration from ${min} to ${max} s, such as 250ms, 2s or 1m`,
      read: (text) => parse(text, DURATIONS, range),
    },
  };
}

/** Bytes: in a URL with a unit, too. */
export function bytes({ min, max }: Bounds): Kind<number> {
  const range = { min, max };
  return {
    ...numeric(range),
    unit: "bytes",
    option: bareText("bytes", range),
    parameter: {
      placeholder: "size",
      takes:
        `a size from ${min} to ${max} bytes, such as 512, 64k, 1M, 64Ki or 1Mi`,
      read: (text) => parse(text, SIZES, range),
    },
  };
}

/** A number that is written the same everywhere. */
function bare(placeholder: string, range: Bounds): Kind<number> {
  const text = bareText(placeholder, range);
  return { ...numeric(range), option: text, parameter: text };
}

/** What all numbers have in common. */
function numeric(
  range: Bounds,
): Pick<Kind<number>, "range" | "value"> {
  return {
    range,
    value: {
      takes: describeRange(range),
      read: (given) => inRange(given, range) ? given : undefined,
    },
  };
}

function bareText(placeholder: string, range: Range): TextForm<number> {
  return {
    placeholder,
    takes: describeRange(range, COUNTED[placeholder]),
    read: (text) => parse(text, NO_UNIT, range),
  };
}

/** What a bare number counts, by what stands for it in the help. */
const COUNTED: Readonly<Record<string, string>> = {
  s: "seconds",
  ms: "milliseconds",
  bytes: "bytes",
};

/**
 * What so many of each unit are; the unit "" is that of a bare number. They are
 * functions because 9 * 0.001 is not 0.009.
 */
type Units = Readonly<Record<string, (count: number) => number>>;

const NO_UNIT: Units = { "": (count) => count };

/** In seconds. */
const DURATIONS: Units = {
  "": (seconds) => seconds,
  ms: (milliseconds) => milliseconds / 1000,
  s: (seconds) => seconds,
  m: (minutes) => minutes * 60,
};

/** In bytes. */
const SIZES: Units = {
  "": (bytes) => bytes,
  k: (thousands) => thousands * 1000,
  M: (millions) => millions * 1000 ** 2,
  Ki: (kibibytes) => kibibytes * 1024,
  Mi: (mebibytes) => mebibytes * 1024 ** 2,
};

const WHOLE = /^(?<digits>[0-9]+)(?<unit>[a-zA-Z]*)$/;
const DECIMAL = /^(?<digits>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?<unit>[a-zA-Z]*)$/;

/** The number of the range that the text means, if it means one. */
function parse(text: string, units: Units, range: Range): number | undefined {
  const pattern = range.fraction ? DECIMAL : WHOLE;
  const { digits, unit = "" } = pattern.exec(text)?.groups ?? {};
  if (digits === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = units[unit]!(Number(digits));
  return inRange(value, range) ? value : undefined;
}
