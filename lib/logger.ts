import { showAddress } from "./address.ts";
import { escapeControls } from "./escape.ts";
import type { ServerEvent } from "./events.ts";

/** How log lines look. */
export type LogFormat = "text" | "json";

/**
 * How much is said: warnings and errors; what happens to the server too; each
 * connection that ends too.
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
   * Takes the lines, and ends nothing if one cannot be written.
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

/** The levels that each verbosity leaves out. */
const LEFT_OUT: Record<Verbosity, readonly Level[]> = {
  quiet: ["info", "debug"],
  normal: ["debug"],
  verbose: [],
};

/**
 * Makes a listener for a server's events that writes one line for each.
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
  const leftOut = LEFT_OUT[verbosity];
  return (event) => {
    const level = levelOf(event);
    if (leftOut.includes(level)) return;
    const time = new Date(now()).toISOString();
    const message = escapeControls(messageOf(event));
    write(
      format === "json"
        ? asJson(time, level, message, event)
        : `${time} ${level} ${message}`,
    );
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
      return `draining ${count(event.connections, "connection")}`;
    case "stop": {
      const { connections, passedOver, bytesIn, bytesOut } = event;
      const served = `${count(connections, "connection")} served`;
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
  return `${count(bytesIn, "byte")} in, ${count(bytesOut, "byte")} out`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function asJson(
  time: string,
  level: Level,
  message: string,
  { type, ...fields }: ServerEvent,
): string {
  const flat = Object.entries(fields).map(([name, value]) => {
    if (typeof value === "string") return [name, escapeControls(value)];
    return [name, typeof value === "object" ? showAddress(value) : value];
  });
  return JSON.stringify({
    time,
    level,
    event: type,
    message,
    ...Object.fromEntries(flat),
  });
}
