/**
 * Events become lines, of text or of JSON.
 *
 * @module
 */

import { type Address, showAddress } from "../net/address.ts";
import { checkFunction, checkObject, checkWord } from "../util/check.ts";
import { escapeControls } from "../util/text.ts";
import type {
  CertificateEvent,
  ConnectionEvent,
  DrainEvent,
  LimitEvent,
  ServerEvent,
  StateEvent,
  Totals,
} from "./events.ts";

/** How log lines look. */
export type LogFormat = "text" | "json";

/**
 * How much is logged. `quiet`: warnings and errors. `normal`: also where the
 * server listens, its drain and its totals. `verbose`: also each connection that
 * ends or is rejected.
 */
export type Verbosity = "quiet" | "normal" | "verbose";

/** Options of {@linkcode logger}. */
export interface LoggerOptions {
  /**
   * How the lines look.
   *
   * @default {"text"}
   */
  format?: LogFormat;
  /**
   * How much is logged.
   *
   * @default {"normal"}
   */
  verbosity?: Verbosity;
  /**
   * Called with each line, without an LF. If it throws, or its promise rejects, a
   * server goes on: see its `onEvent`. The default writes synchronously: while
   * standard error is a full pipe or a stopped terminal, the whole program waits,
   * servers too.
   *
   * @default {console.error}
   */
  write?: (line: string) => void;
  /**
   * The clock, in milliseconds since 1970.
   *
   * @default {Date.now}
   */
  now?: () => number;
}

type Level = "error" | "warning" | "info" | "debug";

/** The levels that each verbosity logs. */
const LOGGED: Record<Verbosity, readonly Level[]> = {
  quiet: ["error", "warning"],
  normal: ["error", "warning", "info"],
  verbose: ["error", "warning", "info", "debug"],
};

const VERBOSITIES = Object.keys(LOGGED) as Verbosity[];

/** The formats, the default first. */
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/**
 * Makes a function for `onEvent` that logs each event in one line.
 *
 * A line of text has the time, the level (`error`, `warning`, `info` or `debug`)
 * and a message. A line of JSON is an object of `time`, `level`, `event` (its
 * type), `message` and the fields of the event, in which an address is a string
 * such as `"127.0.0.1:1050"`; beside `remoteAddr` are `remoteHost` and
 * `remotePort`, unless it is a Unix socket. Control characters are escaped.
 *
 * @example To standard error, as the command does
 * ```ts
 * import { EchoServer, logger } from "@echoserver/echoserver";
 *
 * const onEvent = logger({ format: "json", verbosity: "verbose" });
 * await using server = await EchoServer.start({ port: 0, onEvent });
 * ```
 *
 * @param options How the lines look, how much is logged, and where to.
 * @returns For the option `onEvent` of a server.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function logger(
  options: LoggerOptions = {},
): (event: ServerEvent) => void {
  const {
    format = "text",
    verbosity = "normal",
    write = console.error,
    now = Date.now,
  } = checkObject("options", options);
  checkWord("format", format, LOG_FORMATS);
  checkWord("verbosity", verbosity, VERBOSITIES);
  checkFunction("write", write);
  checkFunction("now", now);
  return (event) => {
    const level = levelOf(event);
    if (!LOGGED[verbosity].includes(level)) return;
    const time = new Date(now()).toISOString();
    const line = format === "json"
      ? asJson(time, level, event)
      : `${time} ${level} ${messageOf(event)}`;
    return write(escapeControls(line));
  };
}

function levelOf(event: ServerEvent): Level {
  switch (event.type) {
    case "failure":
      return "error";
    case "shortage":
    case "restart":
    case "fallback":
    case "dropped":
      return "warning";
    case "limit":
      return event.reached ? "warning" : "info";
    case "connection":
      return event.ending === "failed" ? "warning" : "debug";
    case "rejected":
      return "debug";
    case "certificate":
      return event.valid === false ? "warning" : "info";
    default:
      return "info";
  }
}

function messageOf(event: ServerEvent): string {
  switch (event.type) {
    case "listening":
      // TCP is what everybody expects.
      return `listening on ${event.listener.replace(/^tcp:\/\//, "")}`;
    case "connection":
      return connectionEnded(event);
    case "rejected":
      return `rejected ${
        clientOf(event)
      } on ${event.listener}: ${event.detail}`;
    case "limit":
      return limitOf(event);
    case "shortage":
      return shortageOf(event.code);
    case "restart":
      return `restarting ${event.id}: ${event.reason}`;
    case "drain":
      return drainOf(event);
    case "stop":
      return `stopped: ${servedOf(event)}`;
    case "state":
      return stateOf(event);
    case "certificate":
      return certificateOf(event);
    case "faults":
      return `faults of ${event.listener}: ${event.faults}`;
    case "seed":
      return `faults of ${event.listener} have seed ${event.seed}`;
    case "admin":
      return `admin listening on ${event.url}`;
    case "hangup":
      return "SIGHUP ignored: there was no terminal at the start";
    case "fallback":
      return "IPv6 is not available: " +
        `listening on ${event.instead} in place of ${event.host}`;
    case "dropped":
      return `${plural(event.lines, "log line")} dropped`;
    case "failure":
      return event.reason;
  }
}

function connectionEnded(event: ConnectionEvent): string {
  const { bytesIn, bytesOut, seconds, ending, reason } = event;
  // A client of a Unix socket has no address of its own.
  const who = event.remoteAddr.path === ""
    ? `${event.connection} on ${event.listener}`
    : clientOf(event);
  const what = `connection ${who} ${ending}`;
  const how = `${plural(bytesIn, "byte")} in, ` +
    `${plural(bytesOut, "byte")} out, ${seconds.toFixed(3)} s`;
  return `${what}: ${how}${reason ? `: ${reason}` : ""}`;
}

/** A client, and the proxy between, if there is one. */
function clientOf(
  { remoteAddr, peerAddr }: Pick<ConnectionEvent, "remoteAddr" | "peerAddr">,
): string {
  const client = showAddress(remoteAddr);
  return peerAddr ? `${client} (via ${showAddress(peerAddr)})` : client;
}

function limitOf({ reached, connections }: LimitEvent): string {
  const limit = plural(connections, "connection");
  return reached
    ? `${limit} open, other clients wait: raise --max-connections`
    : `fewer than ${limit} open again`;
}

function certificateOf(event: CertificateEvent): string {
  const { names, validFrom = "", validTo = "", valid, fingerprint } = event;
  const hash = `SHA-256 ${fingerprint}`;
  if (names === undefined) return `self-signed certificate made, ${hash}`;
  const [first, last] = [validFrom.slice(0, 10), validTo.slice(0, 10)];
  return valid
    ? `certificate for ${names}, valid until ${last}, ${hash}`
    : `certificate for ${names} is only valid from ${first} to ${last}, ${hash}`;
}

function shortageOf(code: string): string {
  if (code.endsWith("FILE")) {
    return `out of descriptors (${code}), clients wait: raise "ulimit -n"`;
  }
  return code === "EAGAIN"
    ? `out of threads (${code}), a worker waits: raise "ulimit -u"`
    : `out of memory for sockets (${code}), clients wait`;
}

function drainOf({ connections, seconds }: DrainEvent): string {
  const what = `draining ${plural(connections, "connection")}`;
  return connections === 0 || seconds === 0
    ? what
    : `${what}: ${seconds} s at most, a second signal ends it at once`;
}

function stateOf(event: StateEvent): string {
  const { ready, open, since } = event;
  const state = ready ? "ready" : "draining";
  return `${state}: ${plural(open, "connection")} open; ` +
    `since ${since}: ${servedOf(event)}`;
}

/** What has been served, without what is zero. */
function servedOf(totals: Totals): string {
  const { connections, passedOver, bytesIn, bytesOut } = totals;
  const { rejected = 0, datagramsIn = 0, datagramsOut = 0 } = totals;
  const parts = [
    connections && `${plural(connections, "connection")} served`,
    passedOver && `${passedOver} aborted before accept`,
    rejected && `${rejected} rejected`,
    bytesIn && `${plural(bytesIn, "byte")} in`,
    bytesOut && `${plural(bytesOut, "byte")} out`,
    datagramsIn && `${plural(datagramsIn, "datagram")} in`,
    datagramsOut && `${plural(datagramsOut, "datagram")} out`,
  ];
  return parts.filter(Boolean).join(", ") || "0 connections served";
}

function plural(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function asJson(time: string, level: Level, event: ServerEvent): string {
  const { type, ...fields } = event;
  return JSON.stringify({
    time,
    level,
    event: type,
    message: messageOf(event),
    ...Object.fromEntries(Object.entries(fields).flatMap(flatten)),
  });
}

/** The only object in an event is an address. */
function flatten([name, value]: [string, unknown]): [string, unknown][] {
  if (typeof value !== "object" || value === null) return [[name, value]];
  const address = value as Address;
  const shown: [string, unknown] = [name, showAddress(address)];
  return name === "remoteAddr" && address.transport !== "unix"
    ? [shown, ["remoteHost", address.hostname], ["remotePort", address.port]]
    : [shown];
}
