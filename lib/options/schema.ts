/**
 * Every option, once: its kind and range, its default, what the help says, and
 * where it can be given. The command line, the help, the checks of the API and
 * the parameters of a listener's URL are derived from these rows.
 *
 * @module
 */

import type { Handler } from "../connection/connection.ts";
import { DEFAULT_LINE_LIMIT, LINE_LIMIT } from "../lines/line_buffer.ts";
import type { Transport } from "../net/transport.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import { LOG_FORMATS } from "../telemetry/logger.ts";
import { checkObject } from "../util/check.ts";
import {
  type Bounds,
  byteLength,
  callback,
  checkValue,
  cidrs,
  endpoint,
  hostOf,
  type Kind,
  listeners,
  pem,
  protocols,
  text,
  toggle,
  word,
} from "./kinds.ts";
import { bytes, decimal, seconds, whole } from "./numbers.ts";

/** How bytes go back: by whole lines, or as they come. */
export type Mode = "line" | "raw";

/**
 * Where an option can be given: on the command line, in the API, as a parameter
 * of a listener's URL, as a field of a listener's object.
 */
export type Place = "command" | "api" | "url" | "object";

/** One option. */
export interface Option<Value, Resolved = Value> {
  readonly kind: Kind<Value, Resolved>;
  readonly places: readonly Place[];
  /** Its value if none is given. */
  readonly default?: Resolved;
  /** The letter that is short for it on the command line. */
  readonly short?: string;
  /** Whether the command line takes it more than once. */
  readonly repeatable?: boolean;
  /** The transports that have it; without it all. */
  readonly on?: readonly Transport[];
  /** The heading of the help under which it stands. */
  readonly group?: string;
  /** What the help says of it. */
  readonly help?: string;
}

/** Options by the names that they have in the API. */
// deno-lint-ignore no-explicit-any -- options of all kinds
export type Table = Readonly<Record<string, Option<any, any>>>;

/** How options are called in an error that names more than one of them. */
export interface Voice {
  /** `maxConnections`, or `--max-connections`. */
  name(option: string): string;
  /** What follows the name: `must be`, or `takes`. */
  readonly verb: string;
}

/** How the API calls them. */
export const API: Voice = { name: (option) => option, verb: "must be" };

/** How the command line calls them. */
export const COMMAND_LINE: Voice = {
  name: (option) => `--${dashed(option)}`,
  verb: "takes",
};

/** The transports, the default first. */
export const TRANSPORTS: readonly Transport[] = ["tcp", "tls", "udp", "unix"];

/** The longest path of a Unix socket in bytes, and the longest abstract name. */
const MAX_PATH = 107;
/** The longest name of a server, in UTF-16 code units. */
const MAX_NAME = 255;
/** The most seconds of any time: a day. */
const MAX_SECONDS = 86_400;
const PATH_TAKES =
  `a path, or @ and an abstract name, of 1 to ${MAX_PATH} bytes without NUL`;
const NAME_TAKES = `1 to ${MAX_NAME} characters`;
/** The most connections. */
const MAX_CONNECTIONS = 1_000_000;
const PORTS: Bounds = { min: 0, max: 65_535 };
/** The most bytes, and bytes a second, that a fault counts: a terabyte. */
const MAX_BYTES = 1e12;

const SERVER: readonly Place[] = ["command", "api"];
const EVERYWHERE: readonly Place[] = ["command", "api", "url", "object"];
const ADDRESS: readonly Place[] = ["command", "api", "object"];
const LISTENER: readonly Place[] = ["url", "object"];

const STREAMS: readonly Transport[] = ["tcp", "tls", "unix"];
const INTERNET: readonly Transport[] = ["tcp", "tls", "udp"];

/** The heading of limits and times. */
export const LIMITS = "Limits and times (in seconds)";
/** The heading of what only a listener has. */
export const PARAMETERS = "Parameters of a listener";
/** The heading of the faults; all options under it are of that kind. */
export const FAULTS = "Faults on purpose";

/** All options but those of the probe, in the order of the help. */
export const OPTIONS = {
  listen: option(listeners(), {
    places: SERVER,
    repeatable: true,
    group: "Listening",
    help: "what to listen on (see below); can be repeated",
  }),
  transport: option(word(TRANSPORTS), {
    places: ["object"],
    default: "tcp",
  }),
  path: option(text("path", PATH_TAKES, socketPath), {
    places: ["object"],
    on: ["unix"],
  }),
  port: option(whole("port", PORTS.min, PORTS.max), {
    places: ADDRESS,
    on: INTERNET,
    default: 1050,
    short: "p",
    group: "Listening",
    help: "0: any free port",
  }),
  host: option(text("address", "an address or a name without a port", hostOf), {
    places: ADDRESS,
    on: INTERNET,
    default: "0.0.0.0",
    group: "Listening",
    help: ":: for IPv4 and IPv6",
  }),
  backlog: option(whole("n", 1, 65_535), {
    places: SERVER,
    default: 4096,
    group: "Listening",
    help: "accept queue length",
  }),
  workers: option(whole("n", 1, 256), {
    places: SERVER,
    default: 1,
    group: "Listening",
    help: "threads sharing ports",
  }),
  mode: option(word<Mode>(["line", "raw"]), {
    places: EVERYWHERE,
    on: STREAMS,
    default: "line",
    group: "Echo",
    help: "whole lines, or bytes as read",
  }),
  maxLineLength: option(bytes(LINE_LIMIT), {
    places: EVERYWHERE,
    on: STREAMS,
    default: DEFAULT_LINE_LIMIT,
    group: "Echo",
    help: "line buffer",
  }),
  greeting: option(toggle(), {
    places: EVERYWHERE,
    on: STREAMS,
    default: false,
    group: "Echo",
    help: "begin with a JSON line naming the server",
  }),
  name: option(text("text", NAME_TAKES, shortText), {
    places: SERVER,
    default: "echoserver",
    group: "Echo",
    help: "in greeting and metrics",
  }),
  maxConnections: option(whole("n", 1, MAX_CONNECTIONS), {
    places: SERVER,
    default: 10_000,
    group: LIMITS,
    help: "open at once",
  }),
  maxPerAddress: option(whole("n", 0, MAX_CONNECTIONS), {
    places: SERVER,
    default: 0,
    group: LIMITS,
    help: "open per IP; 0: off",
  }),
  idleTimeout: option(seconds(0, MAX_SECONDS), {
    places: EVERYWHERE,
    on: STREAMS,
    default: 300,
    group: LIMITS,
    help: "close if idle; 0: off",
  }),
  shutdownTimeout: option(seconds(0, MAX_SECONDS), {
    places: SERVER,
    default: 15,
    group: LIMITS,
    help: "longest shutdown",
  }),
  allow: option(cidrs(1), {
    places: SERVER,
    group: "Access",
    help: "serve only clients in these networks",
  }),
  deny: option(cidrs(0), {
    places: SERVER,
    group: "Access",
    help: "refuse clients in these; overrides --allow",
  }),
  tlsCert: option(pem(), {
    places: SERVER,
    group: "TLS",
    help: "PEM chain (default: self-signed, made at start)",
  }),
  tlsKey: option(pem(), {
    places: SERVER,
    group: "TLS",
    help: "its private key (PEM), required with --tls-cert",
  }),
  admin: option(endpoint("127.0.0.1", PORTS), {
    places: SERVER,
    group: "Monitoring",
    help: "health, metrics, page (host default 127.0.0.1)",
  }),
  handler: option(callback<Handler>(), { places: ["api"] }),
  onEvent: option(callback<(event: ServerEvent) => void>(), {
    places: ["api"],
  }),
  logFormat: option(word(LOG_FORMATS), {
    places: ["command"],
    default: "text",
    group: "Log",
    help: "plain text or JSON lines",
  }),
  quiet: option(toggle(), {
    places: ["command"],
    short: "q",
    group: "Log",
    help: "log warnings and errors only",
  }),
  verbose: option(toggle(), {
    places: ["command"],
    short: "v",
    group: "Log",
    help: "also log connections that end or are refused",
  }),
  help: option(toggle(), {
    places: ["command"],
    short: "h",
    group: "Help",
    help: "show this page",
  }),
  version: option(toggle(), {
    places: ["command"],
    short: "V",
    group: "Help",
    help: "show the version",
  }),
  proxy: option(cidrs(1), {
    places: LISTENER,
    on: ["tcp", "tls"],
    group: PARAMETERS,
    help: "PROXY header required, others refused",
  }),
  alpn: option(protocols(), {
    places: LISTENER,
    on: ["tls"],
    group: PARAMETERS,
    help: "protocols to agree on",
  }),
  latency: option(seconds(0, MAX_SECONDS), {
    places: LISTENER,
    group: FAULTS,
    help: "delay before bytes go back",
  }),
  jitter: option(seconds(0, MAX_SECONDS), {
    places: LISTENER,
    group: FAULTS,
    help: "random variation of the delay, either way",
  }),
  rate: option(bytes({ min: 1, max: MAX_BYTES }), {
    places: LISTENER,
    on: STREAMS,
    group: FAULTS,
    help: "bytes per second sent back, at most",
  }),
  slice: option(bytes(LINE_LIMIT), {
    places: LISTENER,
    on: STREAMS,
    group: FAULTS,
    help: "bytes per write, at most",
  }),
  limit: option(bytes({ min: 0, max: MAX_BYTES }), {
    places: LISTENER,
    on: STREAMS,
    group: FAULTS,
    help: "send FIN after this many bytes",
  }),
  blackhole: option(seconds(0, MAX_SECONDS), {
    places: LISTENER,
    on: STREAMS,
    group: FAULTS,
    help: "echo nothing, close after this; 0: never",
  }),
  slowClose: option(seconds(0, MAX_SECONDS), {
    places: LISTENER,
    on: STREAMS,
    group: FAULTS,
    help: "delay before FIN",
  }),
  corrupt: option(decimal("0..1", 0, 1), {
    places: LISTENER,
    group: FAULTS,
    help: "probability that a byte is changed",
  }),
  loss: option(decimal("0..1", 0, 1), {
    places: LISTENER,
    on: ["udp"],
    group: FAULTS,
    help: "probability that a datagram is dropped",
  }),
  share: option(decimal("0..1", 0, 1), {
    places: LISTENER,
    default: 1,
    group: FAULTS,
    help: "fraction of connections affected",
  }),
  seed: option(whole("n", 0, Number.MAX_SAFE_INTEGER), {
    places: LISTENER,
    group: FAULTS,
    help: "same seed, same faults (default: drawn and logged)",
  }),
};

/** What comes of an option of a table once it is checked. */
export type Resolved<T extends Table, N extends keyof T> = T[N] extends
  Option<infer _, infer R> ? R : never;

/**
 * What comes of those options of a table that the API has: always there if they
 * have a default.
 */
export type Checked<T extends Table, N extends keyof T> =
  & {
    [K in N as T[K] extends { default: unknown } ? K : never]: Resolved<T, K>;
  }
  & {
    [K in N as T[K] extends { default: unknown } ? never : K]?: Resolved<T, K>;
  };

/** An option, its kind holding its default to its type. */
export function option<
  Value,
  Resolved,
  const Rest extends Omit<Option<Value, Resolved>, "kind">,
>(kind: Kind<Value, Resolved>, rest: Rest): { kind: typeof kind } & Rest {
  return { kind, ...rest };
}

/** The options that can be given in a place, by name. */
export function optionsIn(place: Place, table: Table = OPTIONS): Table {
  return Object.fromEntries(
    Object.entries(table).filter(([, { places }]) => places.includes(place)),
  );
}

/**
 * Checks each option that the API was given, and fills in the defaults. Others
 * are ignored: an object may have more in it, and TypeScript finds what is
 * misspelt.
 *
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function checkEach<T extends Table, Given extends object>(
  table: T,
  given: Given,
): Checked<T, keyof T & keyof Given> {
  checkObject("options", given);
  const checked: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(optionsIn("api", table))) {
    const value = given[name as keyof Given];
    if (value !== undefined) {
      checked[name] = checkValue(name, option.kind, value);
    } else if (option.default !== undefined) {
      checked[name] = option.default;
    }
  }
  return checked as Checked<T, keyof T & keyof Given>;
}

/** How the command line and URLs write a name: `maxP99` is `max-p99`. */
export function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether listeners of the transport have the option. */
export function isOn(
  { on }: { readonly on?: readonly Transport[] },
  transport: Transport,
): boolean {
  return on === undefined || on.includes(transport);
}

function shortText(text: string): string | undefined {
  return text !== "" && text.length <= MAX_NAME ? text : undefined;
}

function socketPath(path: string): string | undefined {
  const length = byteLength(path.startsWith("@") ? path.slice(1) : path);
  const taken = length >= 1 && length <= MAX_PATH && !path.includes("\0");
  return taken ? path : undefined;
}
