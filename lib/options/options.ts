import { checkFunction, checkNumber, checkWord } from "../util/check.ts";
import type { Handler } from "../connection/connection.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import { type LimitName, LIMITS } from "./limits.ts";

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
   * `line` gives back whole lines, `raw` bytes as they come. With a handler of
   * one's own, `line` still lets a client finish its line in a shutdown, and
   * `raw` does not.
   *
   * @default {"line"}
   */
  mode?: Mode;
  /**
   * Most bytes held of a line whose end has not come, its LF not counted: 1 to
   * 16777216. A longer line goes back in pieces.
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
   * 86400, fractions too; 0 is never. That is checked once a second, or four
   * times within a time-out below four seconds, and late by up to as much.
   *
   * @default {300}
   */
  idleTimeout?: number;
  /**
   * Seconds that open connections get to finish when the server shuts down, 0
   * to 86400, fractions too. What is left then gets half a second more to end.
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
   * Serves a connection until its promise settles; then what it left open is
   * closed.
   *
   * @default {echo(options)}
   */
  handler?: Handler;
  /**
   * Called with each event, whose types are those of {@linkcode ServerEvent}.
   * If it throws, or its promise rejects, that is ignored: who listens cannot
   * end the server.
   *
   * @default {() => undefined}
   */
  onEvent?: (event: ServerEvent) => void;
}

/** Options of `EchoSupervisor.start()`. */
export interface EchoSupervisorOptions extends EchoServerOptions {
  /**
   * Threads that share the port, 1 to 256 and no more than `maxConnections`,
   * which they share out among them. The kernel deals new clients out to the
   * threads whatever their load: one can be full while another has room. More
   * than one thread works on Linux only, takes no `handler`, and under `deno run`
   * needs `--allow-read` and `--unstable-net` (or `"unstable": ["net"]` in
   * `deno.json`).
   *
   * @default {1}
   */
  workers?: number;
}

/** The modes, the default first. */
export const MODES: readonly Mode[] = ["line", "raw"];

/** The host that is listened on if none is given: all IPv4 addresses. */
export const DEFAULT_HOST = "0.0.0.0";

/**
 * {@linkcode EchoSupervisorOptions}, checked, with every default filled in but
 * the handler's.
 */
export type Settings =
  & Required<Omit<EchoSupervisorOptions, "handler">>
  & Pick<EchoSupervisorOptions, "handler">;

/**
 * Checks every option once and fills in the defaults. A number alone is the
 * port.
 *
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function settingsOf(options: number | EchoSupervisorOptions): Settings {
  const given: EchoSupervisorOptions = typeof options === "number"
    ? { port: options }
    : options;
  if (given === null || typeof given !== "object") {
    throw new TypeError(
      `options must be a port or an object, not ${Deno.inspect(options)}`,
    );
  }
  const { host = DEFAULT_HOST, mode = "line", handler, onEvent = () => {} } =
    given;
  if (typeof host !== "string" || host === "") {
    throw new TypeError(`host must be an address, not ${Deno.inspect(host)}`);
  }
  const settings: Settings = {
    ...numbersOf(given),
    host,
    mode: checkWord("mode", mode, MODES),
    onEvent: harmless(checkFunction("onEvent", onEvent)),
    ...handler !== undefined && { handler: checkFunction("handler", handler) },
  };
  checkWorkers(settings);
  return settings;
}

function numbersOf(given: EchoSupervisorOptions): Record<LimitName, number> {
  const numbers = {} as Record<LimitName, number>;
  for (const [name, limit] of Object.entries(LIMITS)) {
    const { [name as LimitName]: value = limit.default } = given;
    numbers[name as LimitName] = checkNumber(name, value, limit);
  }
  return numbers;
}

function checkWorkers({ workers, maxConnections, handler }: Settings): void {
  if (workers > maxConnections) {
    throw new RangeError(
      `workers must be at most maxConnections (${maxConnections}), not ${workers}`,
    );
  }
  if (workers > 1 && handler) {
    throw new TypeError(
      "handler cannot cross threads: leave it out, or workers at 1",
    );
  }
}

/** Makes a listener that cannot fail, neither at once nor later. */
function harmless(
  onEvent: (event: ServerEvent) => void,
): (event: ServerEvent) => void {
  return async (event) => {
    try {
      await onEvent(event);
    } catch {
      // A log that cannot be written is no reason to stop serving.
    }
  };
}
