/**
 * The options of a probe, each once, and the address that it takes.
 *
 * @module
 */

import { drawSeed } from "../util/random.ts";
import { describeRange, inRange, quote, show } from "../util/check.ts";
import { escapeControls, reasonOf } from "../util/text.ts";
import {
  abortSignal,
  callback,
  fingerprint,
  pem,
  toggle,
} from "../options/kinds.ts";
import { type Location, parseLocation } from "../options/location.ts";
import { bytes, decimal, whole } from "../options/numbers.ts";
import {
  API,
  checkEach,
  isOn,
  option,
  type Place,
  type Table,
  TRANSPORTS,
  type Voice,
} from "../options/schema.ts";

/**
 * What is known while a probe runs. Told about every 100 ms, from the first
 * connection until the last line has been sent. Its names are those of the API;
 * {@linkcode ProbeReport} has those of its JSON.
 */
export interface ProbeProgress {
  /** Seconds since the first connection was opened. */
  seconds: number;
  /** Seconds until it stops sending; undefined if only `count` ends it. */
  secondsLeft: number | undefined;
  /** Lines that have come back right. */
  lines: number;
  /** Lines a second that have come back right since the last progress. */
  linesPerSecond: number;
  /** Median latency so far, in milliseconds; null before the first answer. */
  p50: number | null;
  /** The 99th percentile so far, in milliseconds. */
  p99: number | null;
  /** Errors of all kinds so far. */
  errors: number;
}

/** Options of `probe()`. Times are in seconds. Unknown options are ignored. */
export interface ProbeOptions {
  /**
   * Connections open at a time, 1 to 100000.
   *
   * @default {10}
   */
  connections?: number;
  /**
   * Lines a second over all connections, 0 to 10000000. With 0, each connection
   * sends its next line when an answer has come back. Whether the rate was kept is
   * for you to see in `lines_per_second`: `ok` does not say it.
   *
   * @default {0}
   */
  rate?: number;
  /**
   * Seconds during which lines are sent, 0.001 to 86400, fractions too. If `count`
   * is given, there is no limit by default.
   *
   * @default {10}
   */
  duration?: number;
  /**
   * Lines that each connection may have under way, 1 to 100000. With a `rate` too:
   * a line that is due while there are so many is sent when an answer comes, and
   * its latency counts from when it was due. Of no effect with `reconnect`.
   *
   * @default {1}
   */
  inFlight?: number;
  /** Stop after this many lines, 1 to 1000000000000. */
  count?: number;
  /**
   * Bytes of a line, its LF included: 16 to 1048576, for `udp` at most 65507.
   *
   * @default {64}
   */
  size?: number;
  /**
   * Whether each line gets a new connection. Without it, a connection that was
   * refused or has ended is not opened again.
   *
   * @default {false}
   */
  reconnect?: boolean;
  /**
   * Seconds that an answer, or opening a connection, may take, 0.001 to 3600,
   * fractions too.
   *
   * @default {5}
   */
  timeout?: number;
  /** A certificate to trust, as PEM text. For `tls`. */
  caCert?: string;
  /**
   * The SHA-256 fingerprint of the certificate to trust: 64 hex digits, with
   * colons or without. For `tls`.
   */
  fingerprint?: string;
  /**
   * Whether the server begins each connection with a greeting, as with the option
   * `greeting` of `EchoServer`: it is read, and counted by the name in it. Not for
   * `udp`.
   *
   * @default {false}
   */
  greeting?: boolean;
  /**
   * Whole number from which the bytes of the lines are drawn, 0 to
   * 9007199254740991. Without it, one is drawn.
   */
  seed?: number;
  /**
   * Ends it early: the report has what was seen until then. If it has aborted
   * already, nothing is opened.
   */
  signal?: AbortSignal;
  /**
   * Called while it runs, about every 100 ms. If it throws, or its promise rejects,
   * the probe ends and rejects with that.
   */
  onProgress?: (progress: ProbeProgress) => void;
}

/** {@linkcode ProbeOptions}, checked, with the defaults filled in. */
export interface ProbeSettings {
  readonly connections: number;
  readonly rate: number;
  /** Seconds; without it only `count` ends the probe. */
  readonly duration: number | undefined;
  readonly inFlight: number;
  readonly count: number | undefined;
  readonly size: number;
  readonly reconnect: boolean;
  readonly timeout: number;
  readonly caCert?: string;
  /** 64 small hex digits. */
  readonly fingerprint?: string;
  readonly greeting: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ProbeProgress) => void;
}

/** The heading of what ends a probe. */
const END = "End (times in seconds)";
const BOTH: readonly Place[] = ["command", "api"];
/** How many bytes a line can have. */
const SIZE = { min: 16, max: 1_048_576 };
/** The most bytes of a line that a datagram over IPv4 has room for. */
const MAX_IN_DATAGRAM = 65_507;

/** All options of a probe, in the order of its help. */
export const PROBE_OPTIONS = {
  connections: option(whole("n", 1, 100_000), {
    places: BOTH,
    default: 10,
    short: "c",
    group: "Load",
    help: "open at once",
  }),
  inFlight: option(whole("n", 1, 100_000), {
    places: BOTH,
    default: 1,
    group: "Load",
    help: "unanswered on each",
  }),
  rate: option(whole("n", 0, 10_000_000), {
    places: BOTH,
    default: 0,
    short: "r",
    group: "Load",
    help: "lines/s; 0: closed loop",
  }),
  size: option(bytes(SIZE), {
    places: BOTH,
    default: 64,
    group: "Load",
    help: "of a line with its LF",
  }),
  reconnect: option(toggle(), {
    places: BOTH,
    default: false,
    group: "Load",
    help: "a new connection for each line, one in flight",
  }),
  seed: option(whole("n", 0, Number.MAX_SAFE_INTEGER), { places: ["api"] }),
  duration: option(decimal("s", 0.001, 86_400), {
    places: BOTH,
    default: 10,
    short: "d",
    group: END,
    help: "how long to send",
  }),
  count: option(whole("n", 1, 1e12), {
    places: BOTH,
    short: "n",
    group: END,
    help: "stop after this many lines",
  }),
  timeout: option(decimal("s", 0.001, 3600), {
    places: BOTH,
    default: 5,
    group: END,
    help: "wait for an answer",
  }),
  signal: option(abortSignal(), { places: ["api"] }),
  caCert: option(pem(), {
    places: BOTH,
    on: ["tls"],
    group: "Server",
    help: "trust this certificate (PEM)",
  }),
  fingerprint: option(fingerprint(), {
    places: BOTH,
    on: ["tls"],
    group: "Server",
    help: "trust this certificate (the server logs it)",
  }),
  greeting: option(toggle(), {
    places: BOTH,
    on: ["tcp", "tls", "unix"],
    default: false,
    group: "Server",
    help: "expect a greeting, count who answered",
  }),
  onProgress: option(callback<(progress: ProbeProgress) => void>(), {
    places: ["api"],
  }),
  json: option(toggle(), {
    places: ["command"],
    group: "Report",
    help: "print the report as one JSON object",
  }),
  maxP99: option(decimal("ms", 0, 3_600_000), {
    places: ["command"],
    group: "Report",
    help: "fail above this p99",
  }),
  help: option(toggle(), {
    places: ["command"],
    short: "h",
    group: "Report",
    help: "show this page",
  }),
};

const TABLE: Table = PROBE_OPTIONS;

/** Ports on which something can listen. */
const PORT = whole("port", 1, 65_535).parameter!;

/** What an address can be, for errors. */
export const ADDRESSES =
  "an address such as host:port, tls://host:port, udp://host:port or unix:path";

/**
 * Checks the options of a probe and fills in the defaults.
 *
 * @param options The options.
 * @param target What is probed, if some of them are not for it.
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of the wrong kind, or not for the target.
 */
export function resolveProbe(
  options: ProbeOptions,
  target?: Pick<Location, "transport">,
): ProbeSettings {
  const settings = checkEach(PROBE_OPTIONS, options);
  if (target) checkTarget(options, target);
  const { count, duration, seed = drawSeed() } = settings;
  const endless = options.duration === undefined && count !== undefined;
  return {
    ...settings,
    count,
    duration: endless ? undefined : duration,
    seed,
  };
}

/**
 * Checks that options are for the target.
 *
 * @param given Options that are each right.
 * @param target What is probed.
 * @param voice How the error calls the options.
 * @throws {RangeError} If a line is too long for a datagram.
 * @throws {TypeError} If an option is for other transports.
 */
export function checkTarget(
  given: { readonly [name in keyof ProbeOptions]: unknown },
  { transport }: Pick<Location, "transport">,
  { name, verb }: Voice = API,
): void {
  for (const [option, row] of Object.entries(TABLE)) {
    if (!given[option as keyof ProbeOptions] || isOn(row, transport)) continue;
    throw new TypeError(`${name(option)} is not for ${transport}`);
  }
  const { min } = SIZE;
  const range = { min, max: MAX_IN_DATAGRAM };
  const { size = min } = given;
  if (transport !== "udp" || inRange(size, range)) return;
  throw new RangeError(
    `${name("size")} ${verb} ${describeRange(range)} for udp, not ${size}`,
  );
}

/**
 * Reads the address of what is to be probed: `host:port`, or the URL of a
 * listener without parameters.
 *
 * @throws {TypeError} If it is none. The message is one line.
 */
export function parseTarget(address: string): Location {
  try {
    return readTarget(address);
  } catch (error) {
    throw new TypeError(escapeControls(
      `probe takes ${ADDRESSES}, not ${show(address)}: ${reasonOf(error)}`,
    ));
  }
}

function readTarget(address: string): Location {
  if (typeof address !== "string") throw new Error("it is not a string");
  if (address.includes("?")) throw new Error("parameters are for listeners");
  if (/^\d+$/.test(address)) {
    throw new Error(`did you mean localhost:${address}?`);
  }
  const [, scheme] = /^(unix(?=:)|[a-z]+(?=:\/\/))/.exec(address) ?? [];
  if (scheme && !TRANSPORTS.some((transport) => transport === scheme)) {
    throw new Error(`unknown transport ${quote(scheme)}`);
  }
  const location = parseLocation(scheme ? address : `tcp://${address}`, PORT);
  if (location.transport !== "unix" && location.host === "") {
    throw new Error("the host is missing");
  }
  return location;
}
