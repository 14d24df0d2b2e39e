import type { Handler } from "./connection.ts";
import type { ServerEvent } from "./events.ts";
import { checkNumber, type LimitName, LIMITS } from "./limits.ts";

/** How bytes go back: by whole lines, or as they come. */
export type Mode = "line" | "raw";

/** Options of `EchoServer.start()`. Times are in seconds. */
export interface EchoServerOptions {
  /**
   * TCP port to listen on, 0 to 65535; 0 picks a free one.
   *
   * @default {1050}
   */
  port?: number;
  /**
   * Address, or name of an address of this machine, to listen on; `::` takes
   * IPv4 and IPv6.
   *
   * @default {"0.0.0.0"}
   */
  host?: string;
  /**
   * `line` gives back whole lines, `raw` bytes as they come.
   *
   * @default {"line"}
   */
  mode?: Mode;
  /**
   * Most bytes held of an unfinished line, its LF not counted: 1 to 16777216. A
   * longer line goes back in pieces.
   *
   * @default {65536}
   */
  maxLineLength?: number;
  /**
   * Connections served at once, 1 to 1000000. Further clients wait in the
   * kernel's backlog.
   *
   * @default {10000}
   */
  maxConnections?: number;
  /**
   * Seconds without a byte either way after which a connection is closed, 0 to
   * 86400; 0 is never.
   *
   * @default {300}
   */
  idleTimeout?: number;
  /**
   * Seconds that open connections get to finish when the server shuts down, 0
   * to 86400.
   *
   * @default {15}
   */
  shutdownTimeout?: number;
  /**
   * Connections that the kernel queues until they are accepted, 1 to 65535. The
   * kernel may have a lower limit.
   *
   * @default {4096}
   */
  backlog?: number;
  /**
   * Serves a connection until its promise settles.
   *
   * @default {echo(options)}
   */
  handler?: Handler;
  /**
   * Hears of everything worth telling: see {@linkcode ServerEvent}. What it
   * throws is ignored: who listens cannot end the server.
   *
   * @default {() => {}}
   */
  onEvent?: (event: ServerEvent) => void;
}

/** The modes, the default first. */
export const MODES: readonly Mode[] = ["line", "raw"];

/**
 * {@linkcode EchoServerOptions}, checked, with every default filled in but the
 * handler's.
 */
export type Settings =
  & Required<Omit<EchoServerOptions, "handler">>
  & Pick<EchoServerOptions, "handler">;

/**
 * Checks every option once and fills in the defaults. A number alone is the
 * port.
 *
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function settle(options: number | EchoServerOptions): Settings {
  const given: EchoServerOptions = typeof options === "number"
    ? { port: options }
    : options;
  if (given === null || typeof given !== "object") {
    throw new TypeError(
      `options must be a port or an object, not ${Deno.inspect(options)}`,
    );
  }
  const number = (name: Exclude<LimitName, "workers">) =>
    checkNumber(name, given[name] ?? LIMITS[name].default);
  const { host = "0.0.0.0", mode = "line", handler, onEvent = () => {} } =
    given;
  if (typeof host !== "string" || host === "") {
    throw new TypeError(`host must be an address, not ${Deno.inspect(host)}`);
  }
  if (!MODES.includes(mode)) {
    throw new TypeError(
      `mode must be "line" or "raw", not ${Deno.inspect(mode)}`,
    );
  }
  for (const [name, value] of Object.entries({ handler, onEvent })) {
    if (value !== undefined && typeof value !== "function") {
      throw new TypeError(
        `${name} must be a function, not ${Deno.inspect(value)}`,
      );
    }
  }
  return {
    port: number("port"),
    host,
    mode,
    maxLineLength: number("maxLineLength"),
    maxConnections: number("maxConnections"),
    idleTimeout: number("idleTimeout"),
    shutdownTimeout: number("shutdownTimeout"),
    backlog: number("backlog"),
    onEvent: (event) => {
      try {
        onEvent(event);
      } catch {
        // A log that cannot be written is no reason to stop serving.
      }
    },
    ...handler && { handler },
  };
}
