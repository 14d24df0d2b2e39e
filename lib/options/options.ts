/**
 * The options of a server and of its tree, and what becomes of them.
 *
 * @module
 */

import type { Handler } from "../connection/connection.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import { isObject, show } from "../util/check.ts";
import {
  type ListenerSettings,
  type ListenOptions,
  resolveListener,
} from "./listen.ts";
import { API, checkEach, type Mode, OPTIONS, type Voice } from "./schema.ts";

export type { ListenerSettings, ListenOptions } from "./listen.ts";
export type { Transport } from "../net/transport.ts";
export type { Mode } from "./schema.ts";

/**
 * Options of `EchoServer.start()`. Times are in seconds. Unknown options are
 * ignored.
 */
export interface EchoServerOptions {
  /**
   * What to listen on: a URL, the same as an object, or an array of either. It
   * takes the place of `host` and `port`, beside which it is a `TypeError`.
   *
   * URLs are `tcp://HOST:PORT`, `tls://HOST:PORT`, `udp://HOST:PORT`, `unix:PATH`
   * and `unix:@NAME` (an abstract name of Linux). An empty HOST is `0.0.0.0`,
   * IPv6 goes in brackets, PORT 0 picks a free port. Parameters follow a `?` and
   * are joined by `&`, as in `tcp://:1051?latency=50ms&max-line-length=64Ki`: the
   * fields of {@linkcode ListenOptions}, in kebab-case.
   *
   * - Times are `250ms`, `2s`, `1m`, or a bare number of seconds.
   * - Sizes are `512`, `64k`, `1M` (thousands), `64Ki` or `1Mi`.
   * - `greeting` takes `on` or `off`; lists are joined by commas.
   * - Values are percent-decoded: `%26` is `&`; in a path, `%3F` is `?`.
   *
   * A URL needs its port, and whatever is wrong in it, unknown parameters
   * included, is a `TypeError`. In an object the port is 1050 if it is left out, a
   * number out of its range is a `RangeError`, and unknown fields are ignored.
   *
   * @default {"tcp://0.0.0.0:1050"}
   */
  listen?: string | ListenOptions | readonly (string | ListenOptions)[];
  /**
   * TCP port to listen on, 0 to 65535; 0 picks a free one.
   *
   * @default {1050}
   */
  port?: number;
  /**
   * Address to listen on, or a name of this machine: then at each of its
   * addresses. `::` takes IPv4 and IPv6.
   *
   * @default {"0.0.0.0"}
   */
  host?: string;
  /**
   * `line` gives back whole lines, `raw` bytes as they come. With your own
   * handler, `line` means only that a shutdown waits for a line under way.
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
   * Connections served at once, over all listeners, 1 to 1000000. Further clients
   * wait in the kernel's backlog.
   *
   * @default {10000}
   */
  maxConnections?: number;
  /**
   * Seconds without a byte either way after which a connection is closed, 0 to
   * 86400, fractions too; 0 is never. It is checked once a second, or four times
   * within a timeout below four seconds, so it can be late by that much.
   *
   * @default {300}
   */
  idleTimeout?: number;
  /**
   * Seconds that open connections get to finish when the server shuts down, 0
   * to 86400, fractions too; 0 closes them at once. What is left at the deadline
   * gets half a second more to end.
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
   * Addresses and networks, such as `10.0.0.0/8`: only their clients are served.
   * Without it all are; an empty array is a `TypeError`. Where there is a PROXY
   * header, its client counts, not the proxy, here and in `deny` and
   * `maxPerAddress`. Clients of Unix sockets are always served.
   */
  allow?: readonly string[];
  /**
   * Addresses and networks whose clients are not served, whatever `allow` says.
   * May be empty.
   */
  deny?: readonly string[];
  /**
   * Whether each connection begins with a line of JSON that says who answers, also
   * before your own handler: an object of `name`, `listener`, `peer`, `client` (whom
   * a PROXY header names, else the peer) and `connection` (its number). It is not
   * counted as bytes sent.
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
   * to its authority. It needs `tlsKey` and a `tls` listener. Without both, a
   * self-signed one is made at the start, and a `certificate` event has its
   * fingerprint.
   */
  tlsCert?: string;
  /** The private key of `tlsCert` as PEM text. */
  tlsKey?: string;
  /**
   * Where health, metrics and a live page are served over HTTP: `[host:]port`,
   * with the port 0 to 65535 and the host `127.0.0.1` unless given. With port 0,
   * the `admin` event has the real one. Without it there is no such server.
   * Anything wrong in it is a `TypeError`.
   *
   * The paths: `/livez`; `/readyz`, 503 from the first moment of a drain;
   * `/metrics`, for Prometheus; `/connections`, JSON of at most 1000 open
   * connections; `/`, the live page, and `/events`, its event stream.
   */
  admin?: number | string;
  /**
   * Serves each stream connection, in place of the built-in echo; `udp` never asks
   * it. Faults are of the built-in echo, and a stream listener that has any is a
   * `TypeError` beside a handler: pipe through `latency()` and the like in it.
   *
   * @default {echo(options)}
   */
  handler?: Handler;
  /**
   * Called with each event of {@linkcode ServerEvent}. If it throws, or its
   * promise rejects, that is ignored: a log that fails cannot end the server.
   *
   * @default {() => undefined}
   */
  onEvent?: (event: ServerEvent) => void;
}

/** Options of `EchoSupervisor.start()`. */
export interface EchoSupervisorOptions extends EchoServerOptions {
  /**
   * Threads that share the ports of TCP and TLS, 1 to 256 and no more than
   * `maxConnections`, of which each gets its share. The first thread alone serves
   * UDP and Unix sockets. The kernel deals new clients out to the threads whatever
   * their load: one can be full while another has room. Each thread numbers
   * connections by itself. More than one works on Linux only, takes no `handler`,
   * and under `deno run` needs `--allow-read` and `--unstable-net` (or
   * `"unstable": ["net"]` in `deno.json`).
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
  if (!isObject(given)) {
    throw new TypeError(
      `options must be a port or an object, not ${show(options)}`,
    );
  }
  const {
    host,
    port,
    listen = [{ host, port }],
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
  const listeners = listen.map((listener, index) =>
    resolveListener(nameOf(listen, index), listener, defaults)
  );
  if (given.handler) checkNoFaults(listeners);
  return {
    listeners,
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
      `${name("listen")} and ${name(rival)} cannot be combined`,
    );
  }
  if ((given.tlsCert === undefined) !== (given.tlsKey === undefined)) {
    throw new TypeError(
      `${name("tlsCert")} and ${name("tlsKey")} must be given together`,
    );
  }
  if (given.tlsCert !== undefined && !listensForTls(given.listen)) {
    throw new TypeError(
      `${name("tlsCert")} and ${name("tlsKey")} need ${
        name("listen")
      } tls://HOST:PORT`,
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

function listensForTls(listen: EchoServerOptions["listen"]): boolean {
  return [listen ?? []].flat().some((listener) =>
    typeof listener === "string"
      ? listener.startsWith("tls:")
      : listener.transport === "tls"
  );
}

/**
 * Faults act on the built-in echo. Of UDP they hold beside a handler, which it
 * never asks.
 *
 * @throws {TypeError} If a stream listener has faults.
 */
function checkNoFaults(listeners: ListenerSettings[]): void {
  const index = listeners.findIndex(({ transport, faults }) =>
    transport !== "udp" && faults
  );
  if (index < 0) return;
  throw new TypeError(
    `${nameOf(listeners, index)} cannot have faults beside a handler: ` +
      "pipe through latency() and the like in the handler",
  );
}

/** What errors call a listener. */
function nameOf(listeners: readonly unknown[], index: number): string {
  return listeners.length > 1 ? `listen[${index}]` : "listen";
}

/** The same function, whose errors and rejections go nowhere. */
function ignoringErrors(
  onEvent: (event: ServerEvent) => void,
): (event: ServerEvent) => void {
  return (event) => {
    try {
      const written: unknown = onEvent(event);
      if (written !== undefined) Promise.resolve(written).catch(() => {});
    } catch {
      // A log that cannot be written is no reason to stop serving.
    }
  };
}
