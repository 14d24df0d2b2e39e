import { showAddress } from "../net/address.ts";
import { checkFunction, checkWord } from "../util/check.ts";
import { escapeControls } from "../util/text.ts";
import type { ServerEvent } from "./events.ts";

/** How log lines look. */
export type LogFormat = "text" | "json";

/**
 * How much is said. `quiet`: warnings and errors. `normal`: also where the
 * server listens, its drain and its totals. `verbose`: also each connection that
 * ends.
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
   * How much is said.
   *
   * @default {"normal"}
   */
  verbosity?: Verbosity;
  /**
   * Takes each line, without an LF. If it throws, or its promise rejects, a
   * server goes on: see its `onEvent`.
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

/** What each verbosity says. */
const SAID: Record<Verbosity, readonly Level[]> = {
  quiet: ["error", "warning"],
  normal: ["error", "warning", "info"],
  verbose: ["error", "warning", "info", "debug"],
};

const VERBOSITIES = Object.keys(SAID) as Verbosity[];
/** The formats, the default first. */
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/**
 * Makes a listener for a server's events that writes one line for each.
 *
 * A line of text has the time, the level (`error`, `warning`, `info` or `debug`)
 * and a message. A line of JSON is an object of `time`, `level`, `event` (its
 * type), `message` and the fields of the event, in which an address is a string
 * such as `"127.0.0.1:1050"`. Control characters are escaped.
 *
 * @example To standard error, as the command does
 * ```ts
 * import { EchoServer, logger } from "@echoserver/echoserver";
 *
 * const onEvent = logger({ format: "json", verbosity: "verbose" });
 * await using server = await EchoServer.start({ port: 0, onEvent });
 * ```
 *
 * @param options How the lines look, how many there are, and where they go.
 * @returns What `onEvent` of a server takes.
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
  } = options;
  checkWord("format", format, LOG_FORMATS);
  checkWord("verbosity", verbosity, VERBOSITIES);
  checkFunction("write", write);
  checkFunction("now", now);
  return (event) => {
    const level = levelOf(event);
    if (!SAID[verbosity].includes(level)) return;
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
      return "warning";
    case "connection":
      return event.ending === "failed" ? "warning" : "debug";
    default:
      return "info";
  }
}

function messageOf(event: ServerEvent): string {
  switch (event.type) {
    case "listening":
      return `listening on ${showAddress(event.addr)}`;
    case "connection": {
      const { remoteAddr, bytesIn, bytesOut, seconds, ending, reason } = event;
      const what = `connection ${showAddress(remoteAddr)} ${ending}`;
      const how = `${moved(bytesIn, bytesOut)}, ${seconds.toFixed(3)} s`;
      return `${what}: ${how}${reason ? `: ${reason}` : ""}`;
    }
    case "shortage":
      return shortageOf(event.code);
    case "restart":
      return `restarting ${event.id}: ${event.reason}`;
    case "drain":
      return `draining ${plural(event.connections, "connection")}`;
    case "stop": {
      const { connections, passedOver, bytesIn, bytesOut } = event;
      const served = `${plural(connections, "connection")} served`;
      const gone = `${passedOver} gone before they were accepted`;
      return `stopped: ${served}, ${gone}, ${moved(bytesIn, bytesOut)}`;
    }
    case "failure":
      return event.reason;
  }
}

function shortageOf(code: string): string {
  return code.endsWith("FILE")
    ? `out of descriptors (${code}), clients wait: raise "ulimit -n"`
    : `out of memory for sockets (${code}), clients wait`;
}

function moved(bytesIn: number, bytesOut: number): string {
  return `${plural(bytesIn, "byte")} in, ${plural(bytesOut, "byte")} out`;
}

function plural(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function asJson(time: string, level: Level, event: ServerEvent): string {
  const { type, ...fields } = event;
  // The only object in an event is an address.
  const flat = Object.entries(fields).map(([name, value]) =>
    [name, typeof value === "object" ? showAddress(value) : value] as const
  );
  return JSON.stringify({
    time,
    level,
    event: type,
    message: messageOf(event),
    ...Object.fromEntries(flat),
  });
}
