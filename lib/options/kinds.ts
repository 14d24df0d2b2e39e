/**
 * The kinds of values that options have: how each is written on the command
 * line, in a URL and in the API, and what is said if it is written wrong. Those
 * that are numbers are in `numbers.ts`.
 *
 * @module
 */

import { isHost } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import {
  describeChoice,
  inRange,
  isObject,
  quote,
  type Range,
  show,
} from "../util/check.ts";

/** One way to give a value. */
export interface Form<Given, Value> {
  /** What it takes, as a phrase: "a whole number from 1 to 10". */
  readonly takes: string;
  /** The value that was given, or `undefined` if it is none of this kind. */
  read(given: Given): Value | undefined;
  /** If a list was given, the first item in it that is wrong. */
  wrongPart?(given: Given): { readonly part: unknown } | undefined;
}

/** A value in text. */
export interface TextForm<Value> extends Form<string, Value> {
  /** What stands for the value in the help. */
  readonly placeholder: string;
}

/** A range with both ends. */
export type Bounds = Range & { readonly max: number };

/**
 * A kind of value. `Value` is what users of the API give, `Resolved` what the
 * server gets.
 */
export interface Kind<Value, Resolved = Value> {
  /** The range, where it is a number. */
  readonly range?: Bounds;
  /** What the number counts. */
  readonly unit?: string;
  /** On the command line; without it, the option is a switch. */
  readonly option?: TextForm<Value>;
  /** In the URL of a listener, percent-decoded. */
  readonly parameter?: TextForm<Value>;
  /** In the API. */
  readonly value: Form<unknown, Resolved>;
  /** Whether the command line names a file that holds it; no message shows it. */
  readonly inFile?: boolean;
}

/**
 * Reads a value that was written on a command line or in a URL.
 *
 * @throws {Error} If it is none, or absent where one is needed. The message is
 * one line that begins with the name.
 */
export function readText<Value>(
  name: string,
  { takes, read }: Form<string, Value>,
  text: string | undefined,
): Value {
  if (text === undefined) {
    throw new Error(`${name} takes ${takes}, but none was given`);
  }
  const value = text === "" ? undefined : read(text);
  if (value !== undefined) return value;
  throw new Error(`${name} takes ${takes}, not ${quote(text)}`);
}

/**
 * Reads a value that the API was given.
 *
 * @throws {RangeError} If it is no number of the range.
 * @throws {TypeError} If it is of another kind. Either message begins with the
 * name.
 */
export function checkValue<Resolved>(
  name: string,
  kind: Pick<Kind<unknown, Resolved>, "value" | "range" | "inFile">,
  given: unknown,
): Resolved {
  const value = kind.value.read(given);
  if (value !== undefined) return value;
  const { takes } = kind.value;
  if (kind.inFile) throw new TypeError(`${name} must be ${takes}`);
  const wrong = kind.value.wrongPart?.(given);
  const instead = wrong ? `one with ${show(wrong.part)} in it` : show(given);
  const Refusal = kind.range ? RangeError : TypeError;
  throw new Refusal(`${name} must be ${takes}, not ${instead}`);
}

/** One of some words. */
export function word<Word extends string>(
  words: readonly Word[],
): Kind<Word> {
  const read = (given: unknown) => words.find((word) => word === given);
  const text = {
    placeholder: words.join("|"),
    takes: words.join(" or "),
    read,
  };
  return {
    option: text,
    parameter: text,
    value: { takes: describeChoice(words), read },
  };
}

/** On or off: on the command line a switch, without a value. */
export function toggle(): Kind<boolean> {
  return {
    parameter: {
      placeholder: "on|off",
      takes: "on or off",
      read: (text) => text === "on" || (text === "off" ? false : undefined),
    },
    value: {
      takes: "true or false",
      read: (given) => typeof given === "boolean" ? given : undefined,
    },
  };
}

/** Text that `read` accepts: all but the empty one, if it is left out. */
export function text(
  placeholder: string,
  takes: string,
  read: (text: string) => string | undefined = (text) => text || undefined,
): Kind<string> {
  const form = { placeholder, takes, read };
  return {
    option: unlikeOption(form),
    parameter: form,
    value: {
      takes,
      read: (given) => typeof given === "string" ? read(given) : undefined,
    },
  };
}

/** PEM text, in a file for the command line. What it holds is never shown. */
export function pem(): Kind<string> {
  return {
    option: unlikeOption({
      placeholder: "file",
      takes: "a file name",
      read: (name) => name,
    }),
    value: {
      takes: "PEM text, which has -----BEGIN in it",
      read: (given) =>
        typeof given === "string" && given.includes("-----BEGIN ")
          ? given
          : undefined,
    },
    inFile: true,
  };
}

/**
 * Addresses and networks, joined by commas; an array in the API.
 *
 * @param least How many there must be.
 */
export function cidrs(least: 0 | 1): Kind<readonly string[], string[]> {
  return list({
    placeholder: "cidr",
    items: "addresses or networks",
    example: "10.0.0.0/8",
    least,
    accepts: isCidr,
  });
}

/** Names of protocols that TLS can agree on, as long as RFC 7301 allows. */
export function protocols(): Kind<readonly string[], string[]> {
  return list({
    placeholder: "name",
    items: "protocol names of 1 to 255 bytes",
    example: "h2",
    least: 0,
    accepts: (name) => name !== "" && byteLength(name) <= 255,
  });
}

/** Where to listen, `[host:]port`; the API takes a bare number, too. */
export function endpoint(
  defaultHost: string,
  port: Bounds,
): Kind<string | number, { host: string; port: number }> {
  const takes =
    `[host:]port with a port from ${port.min} to ${port.max}, such as 9090 or 127.0.0.1:9090`;
  const resolve = (text: string) => {
    const { written, digits } = ENDPOINT.exec(text)?.groups ?? {};
    const host = written === undefined ? defaultHost : hostOf(written);
    const number = Number(digits ?? NaN);
    if (host === undefined || !inRange(number, port)) return undefined;
    return { host, port: number };
  };
  return {
    option: unlikeOption({
      placeholder: "[host:]port",
      takes,
      read: (text) => resolve(text) && text,
    }),
    value: {
      takes,
      read: (given) =>
        typeof given === "string" || typeof given === "number"
          ? resolve(`${given}`)
          : undefined,
    },
  };
}

/**
 * Listeners, as URLs or as objects. What is in them is read by those who know
 * the parameters.
 */
export function listeners(): Kind<
  string | object | readonly (string | object)[],
  (string | object)[]
> {
  return {
    option: unlikeOption({
      placeholder: "url",
      takes: "the URL of a listener, such as tcp://127.0.0.1:1050",
      read: (url) => url,
    }),
    value: {
      takes: "the URL of a listener, its options, or a non-empty array of such",
      read: (given) => {
        // A copy has no gaps, which `every` would skip.
        const all: unknown[] = Array.isArray(given) ? [...given] : [given];
        return all.length > 0 && all.every(isListener) ? all : undefined;
      },
      wrongPart: (given) => firstUnlike(given, isListener),
    },
  };
}

/** A certificate's SHA-256, which the API hands on as 64 small hex digits. */
export function fingerprint(): Kind<string> {
  return text(
    "sha256",
    "a SHA-256 fingerprint: 32 bytes in hex, with colons or without",
    (text) => {
      const digits = text.toLowerCase();
      return /^[0-9a-f]{2}(:?[0-9a-f]{2}){31}$/.test(digits)
        ? digits.replaceAll(":", "")
        : undefined;
    },
  );
}

/** What ends something early, in the API only. */
export function abortSignal(): Kind<AbortSignal> {
  return {
    value: {
      takes: "an AbortSignal",
      read: (given) => given instanceof AbortSignal ? given : undefined,
    },
  };
}

/** A function, in the API only. */
// deno-lint-ignore no-explicit-any -- a function of any kind
export function callback<F extends (...args: any[]) => unknown>(): Kind<F> {
  return {
    value: {
      takes: "a function",
      read: (given) => typeof given === "function" ? given as F : undefined,
    },
  };
}

/** A host as it is written: `[::1]` and `::1` are the same. */
export function hostOf(text: string): string | undefined {
  const host = text.replace(/^\[(.+:.*)\]$/, "$1");
  return isHost(host) ? host : undefined;
}

/** Whether the text is an IPv4 or IPv6 address, or a network of either. */
export function isCidr(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

/** Bytes of the text in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

const ENDPOINT = /^(?:(?<written>\[.*\]|[^:]*):)?(?<digits>[0-9]+)$/;

function isListener(given: unknown): given is string | object {
  return typeof given === "string" || isObject(given);
}

/** What looks like another option is no value of this one. */
function unlikeOption<Value>(form: TextForm<Value>): TextForm<Value> {
  return {
    ...form,
    read: (text) => text.startsWith("-") ? undefined : form.read(text),
  };
}

/** The items of a list. */
interface Items {
  readonly placeholder: string;
  /** What they are called. */
  readonly items: string;
  readonly example: string;
  /** How many there must be. */
  readonly least: 0 | 1;
  accepts(item: string): boolean;
}

function list(
  { placeholder, items, example, least, accepts }: Items,
): Kind<readonly string[], string[]> {
  const isItem = (item: unknown) => typeof item === "string" && accepts(item);
  const form: TextForm<string[]> = {
    placeholder: `${placeholder},...`,
    takes: `${items} joined by commas, such as ${example}`,
    read: (text) => {
      const parts = text.split(",");
      return parts.every(accepts) ? parts : undefined;
    },
  };
  return {
    option: form,
    parameter: form,
    value: {
      takes: `${
        least > 0 ? "a non-empty" : "an"
      } array of ${items}, such as ["${example}"]`,
      read: (given) =>
        Array.isArray(given) && given.length >= least &&
          !firstUnlike(given, isItem)
          ? [...given]
          : undefined,
      wrongPart: (given) => firstUnlike(given, isItem),
    },
  };
}

/** The first item that is not accepted; a gap counts as `undefined`. */
function firstUnlike(
  given: unknown,
  accepts: (item: unknown) => boolean,
): { readonly part: unknown } | undefined {
  if (!Array.isArray(given)) return undefined;
  const index = given.findIndex((item) => !accepts(item));
  return index < 0 ? undefined : { part: given[index] };
}
