/**
 * The options of a server and of its tree, and what becomes of them.
 *
 * @module
 */

import type { Handler } from "../connection/connection.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import { show } from "../util/check.ts";
import {
  type ListenerDefaults,
  type ListenerSettings,
  type ListenOptions,
  resolveListener,
} from "./listen.ts";
import { API, checkEach, type Mode, OPTIONS, type Voice } from "./schema.ts";

export type { ListenerSettings, ListenOptions } from "./listen.ts";
export type { Transport } from "../net/transport.ts";
export type { Mode } from "./schema.ts";

/** Options of `EchoServer.start()`. Times are in seconds. */
export interface EchoServerOptions {
  /**
   * What to listen on, in place of `host` and `port`: a URL such as
   * `tls://127.0.0.1:0` or `tcp://:1051?latency=50ms`, the same as an object, or
   * an array of either.
   *
   * @default {"tcp://0.0.0.0:1050"}
   */
  listen?: string | ListenOptions | (string | ListenOptions)[];
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
   * Connections that one address may have at a time, 0 to 1000000; 0 is no
   * limit. Each thread counts its own.
   *
   * @default {0}
   */
  maxPerAddress?: number;
  /**
   * Addresses and networks, such as `10.0.0.0/8`, whose clients alone are
   * served. Without it all are. Unix sockets are not asked.
   */
  allow?: string[];
  /**
   * Addresses and networks whose clients are not served, whatever `allow` says.
   * Without it there are none.
   */
  deny?: string[];
  /**
   * Whether each connection begins with a line of JSON that says who answers,
   * before any echo.
   *
   * @default {false}
   */
  greeting?: boolean;
  /**
   * The name in greeting and metrics, 1 to 255 characters.
   *
   * @default {"echoserver"}
   */
  name?: string;
  /**
   * The certificate of `tls` listeners as PEM text, followed by those that lead
   * to its authority. With `tlsKey` or not at all: without both, one is made at
   * the start that signs itself.
   */
  tlsCert?: string;
  /** The private key of `tlsCert` as PEM text. */
  tlsKey?: string;
  /**
   * Where health, metrics and a live page are served over HTTP: `[host:]port`,
   * with the port 0 to 65535 and the host `127.0.0.1` unless given. Without it
   * they are not.
   */
  admin?: number | string;
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

/**
 * {@linkcode EchoSupervisorOptions}, checked, with every default filled in but
 * the handler's. All but the two functions is plain data, which can cross
 * threads. They are never checked again: a thread's share of `maxConnections`
 * may be less than `workers`.
 */
export interface Settings {
  readonly listeners: ListenerSettings[];
  readonly maxConnections: number;
  readonly maxPerAddress: number;
  readonly shutdownTimeout: number;
  readonly backlog: number;
  readonly workers: number;
  /** Empty: all addresses. */
  readonly allow: string[];
  readonly deny: string[];
  readonly name: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly admin?: { host: string; port: number };
  readonly handler?: Handler;
  /** Never fails, neither at once nor later. */
  readonly onEvent: (event: ServerEvent) => void;
}

/**
 * Checks every option once and fills in the defaults. A number alone is the
 * port.
 *
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function resolve(options: number | EchoSupervisorOptions): Settings {
  const given: EchoSupervisorOptions = typeof options === "number"
    ? { port: options }
    : options;
  if (given === null || typeof given !== "object") {
    throw new TypeError(
      `options must be a port or an object, not ${show(options)}`,
    );
  }
  const {
    listen,
    host,
    port,
    mode,
    maxLineLength,
    idleTimeout,
    greeting,
    allow = [],
    deny = [],
    onEvent = () => {},
    ...others
  } = checkEach(OPTIONS, given);
  checkTogether(given);
  const defaults = { mode, maxLineLength, idleTimeout, greeting };
  return {
    listeners: listen
      ? resolveListeners(listen, defaults)
      : [plainListener(host, port, defaults)],
    allow,
    deny,
    ...others,
    onEvent: ignoringErrors(onEvent),
  };
}

/**
 * Checks what options say of one another.
 *
 * @param given Options that are each right.
 * @param voice How the error calls them.
 * @throws {RangeError} If there are more workers than connections.
 * @throws {TypeError} If options exclude or need one another.
 */
export function checkTogether(
  given: EchoSupervisorOptions,
  { name, verb }: Voice = API,
): void {
  const {
    workers = OPTIONS.workers.default,
    maxConnections = OPTIONS.maxConnections.default,
  } = given;
  const rival = given.host !== undefined ? "host" : "port";
  if (given.listen !== undefined && given[rival] !== undefined) {
    throw new TypeError(
      `${name("listen")} and ${name(rival)} exclude each other`,
    );
  }
  if ((given.tlsCert === undefined) !== (given.tlsKey === undefined)) {
    throw new TypeError(
      `${name("tlsCert")} and ${name("tlsKey")} need each other`,
    );
  }
  if (workers > maxConnections) {
    throw new RangeError(
      `${name("workers")} ${verb} at most ${
        name("maxConnections")
      } (${maxConnections}), not ${workers}`,
    );
  }
  if (workers > 1 && given.handler) {
    throw new TypeError(
      "handler cannot cross threads: leave it out, or workers at 1",
    );
  }
}

function resolveListeners(
  listeners: (string | ListenOptions)[],
  defaults: ListenerDefaults,
): ListenerSettings[] {
  return listeners.map((listener, index) => {
    const name = listeners.length > 1 ? `listen[${index}]` : "listen";
    return resolveListener(name, listener, defaults);
  });
}

function plainListener(
  host: string,
  port: number,
  defaults: ListenerDefaults,
): ListenerSettings {
  const location = { transport: "tcp", host, port, path: "" } as const;
  return { ...location, ...defaults, proxy: [], alpn: [] };
}

/** The same function, whose errors and rejections go nowhere. */
function ignoringErrors(
  onEvent: (event: ServerEvent) => void,
): (event: ServerEvent) => void {
  // A log that cannot be written is no reason to stop serving.
  const ignore = () => {};
  return (event) => {
    try {
      const written: unknown = onEvent(event);
      if (written !== undefined) Promise.resolve(written).catch(ignore);
    } catch {
      ignore();
    }
  };
}
