/**
 * The server: listeners, loops that accept, connections.
 *
 * @module
 */

import { accept } from "../net/accept_loop.ts";
import type { Address } from "../net/address.ts";
import type { Listener } from "../net/transport.ts";
import {
  type EchoServerOptions,
  resolve,
  type Settings,
} from "../options/options.ts";
import { deferred, untilSettledOrAborted } from "../util/async.ts";
import { type AsyncClosable, observe, startAdmin } from "./admin.ts";
import {
  announce,
  bindAll,
  type Bound,
  closeAll,
  type PortSharing,
} from "./bind.ts";
import { Connections } from "./connections.ts";
import type { Datagrams } from "./datagrams.ts";
import { prepare } from "./prepare.ts";
import type { Service } from "./service.ts";

/** What a server has from its tree. */
export interface TreeParts {
  /** Its connections, which outlive it. */
  connections: Connections;
  /** Where other threads listen on the same ports. */
  sharing?: PortSharing;
  /** What is closed after the last connection. */
  admin?: AsyncClosable | undefined;
}

interface ServerParts extends TreeParts {
  settings: Settings;
  bound: readonly Bound[];
  /** What serves UDP; loaded only for that. */
  datagrams?: typeof Datagrams | undefined;
}

/**
 * An echo server: listeners, an accept loop for each, and the connections. It
 * handles no signals: that is up to the program.
 *
 * @example Start, use, stop
 * ```ts
 * import { EchoServer } from "@echoserver/echoserver";
 *
 * const server = await EchoServer.start({ port: 0 });
 * const connection = await Deno.connect({ port: server.addr.port });
 * await connection.write(new TextEncoder().encode("hello\n"));
 * const back = new Uint8Array(6);
 * await connection.read(back);
 * console.log(new TextDecoder().decode(back));
 * connection.close();
 * await server.shutdown();
 * ```
 */
export class EchoServer {
  /** The address of the first listener, with the real port. */
  readonly addr: Address;
  /**
   * The addresses of all listeners, in the order in which they were given. A name
   * that means several addresses has several, and TLS is `tcp` here: which is
   * which, the `listening` events say.
   */
  readonly addrs: readonly Address[];
  /**
   * Resolves when the server has been shut down. Rejects if accepting fails for a
   * reason other than a client or a lack of descriptors or memory. Then it has
   * stopped listening, and open connections are still served.
   */
  readonly finished: Promise<void>;
  /**
   * The connections it has accepted.
   *
   * @ignore
   */
  readonly connections: Connections;

  readonly #settings: Settings;
  readonly #bound: readonly Bound[];
  readonly #datagrams: Datagrams[] = [];
  /** Settle when their listener has been closed. */
  readonly #accepting: Promise<void>[] = [];
  readonly #admin: AsyncClosable | undefined;
  readonly #closing = new AbortController();
  readonly #finish = deferred<void>();

  private constructor(parts: ServerParts) {
    const { settings, bound, connections, admin, datagrams } = parts;
    this.#settings = settings;
    this.#bound = bound;
    this.#admin = admin;
    this.connections = connections;
    this.addrs = bound.map(({ addr }) => addr);
    this.addr = this.addrs[0]!;
    this.finished = this.#finish.promise;
    this.#start(datagrams);
  }

  /**
   * Starts a server.
   *
   * @param options A port, or options. Without it: port 1050 on all IPv4
   * addresses.
   * @returns The server, listening.
   * @throws {RangeError} If a numeric option is not a number in its range.
   * @throws {TypeError} If another option is wrong, `admin` and URLs included, or
   * options exclude or need each other.
   * @throws {Deno.errors.AddrInUse} If a port or socket is taken.
   * @throws {Deno.errors.AddrNotAvailable} If an address is not one of this
   * machine.
   * @throws {Deno.errors.PermissionDenied} If the system does not allow the
   * port.
   * @throws {Deno.errors.AlreadyExists} If a file that is not a socket has the path
   * of a Unix socket.
   * @throws {Deno.errors.NotFound} If there is no such directory for a Unix
   * socket.
   * @throws {Deno.errors.InvalidData} If the certificate or its key cannot be used.
   * @throws {Deno.errors.NotCapable} If Deno was not given `--allow-net`; for UDP
   * it must be for all addresses, and a Unix socket with a path needs
   * `--allow-read` and `--allow-write` too.
   * @throws {Deno.errors.NotSupported} If Deno was not given `--unstable-net` (or
   * `"unstable": ["net"]` in `deno.json`), which UDP needs, or is too old for TLS.
   * @throws {Error} If the host's name is not valid or does not resolve, or the
   * system fails.
   */
  static async start(
    options: number | EchoServerOptions = {},
  ): Promise<EchoServer> {
    const settings = await prepare(resolve(options));
    const connections = new Connections(settings);
    const admin = await startAdmin(settings, observe(connections));
    try {
      return await EchoServer.startWith(settings, { connections, admin });
    } catch (error) {
      await admin?.close();
      throw error;
    }
  }

  /**
   * Starts a server of a tree, that may share its ports with other threads, and
   * its connections with the server that it follows.
   *
   * @ignore
   */
  static async startWith(
    settings: Settings,
    { connections, admin, sharing }: TreeParts,
  ): Promise<EchoServer> {
    const bound = await bindAll(settings, sharing);
    try {
      // Whoever asks the admin server is told of every listener.
      if (settings.admin) await connections.addServices(bound);
      announce(bound, settings.onEvent);
      connections.ready = true;
      // What serves them takes as long to load as all before: clients wait in
      // the backlog meanwhile.
      await connections.addServices(bound);
      const datagrams = await datagramsFor(settings);
      return new EchoServer({ settings, bound, connections, admin, datagrams });
    } catch (error) {
      connections.ready = false;
      closeAll(bound);
      throw error;
    }
  }

  /**
   * What it serves, with the addresses that it listens on in place of names and
   * of port 0.
   *
   * @ignore
   */
  get settings(): Settings {
    const listeners = this.#bound.map(({ settings }) => settings);
    return { ...this.#settings, listeners };
  }

  /**
   * Whether it has stopped listening.
   *
   * @ignore
   */
  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /**
   * Stops listening, at once. Connections are served on, and datagrams that had
   * arrived still go back: a drain waits for them.
   *
   * @param timeout Seconds that datagrams get. @default {shutdownTimeout}
   * @returns Settles when the system has closed every listener.
   *
   * @ignore
   */
  async close(
    timeout: number = this.#settings.shutdownTimeout,
  ): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.connections.ready = false;
      this.#closing.abort();
      for (const { settings, socket } of this.#bound) {
        if (settings.transport !== "udp") socket?.close();
      }
      for (const datagrams of this.#datagrams) {
        this.connections.holdDrain(datagrams.shutdown(timeout));
      }
    }
    await Promise.all(this.#accepting);
  }

  /**
   * Stops listening and drains the connections: each may finish its line, and all
   * that had arrived goes back, for `shutdownTimeout` seconds. After our FIN a
   * client has two seconds to send its own. Can be called more than once.
   *
   * A handler must not await it: its own connection would be waited for, until
   * the deadline.
   *
   * @returns Resolves when no connection is left. A handler that runs on after
   * its connection was closed is not waited for.
   */
  async shutdown(): Promise<void> {
    await this.close();
    await this.connections.drain();
    await this.#admin?.close();
    this.#finish.resolve();
  }

  /** Shuts down, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** Serves every listener. */
  #start(UdpServer: typeof Datagrams | undefined): void {
    for (const [index, { settings, socket }] of this.#bound.entries()) {
      if (!socket) continue;
      const service = this.connections.services[index]!;
      if (settings.transport === "udp") {
        const datagrams = new UdpServer!(socket as Deno.DatagramConn, service);
        this.#datagrams.push(datagrams);
      } else {
        this.#accepting.push(this.#accept(socket as Listener, service));
      }
    }
  }

  /** Accepts until the listener is closed; what ends it else ends the server. */
  async #accept(listener: Listener, service: Service): Promise<void> {
    try {
      await this.#acceptAll(listener, service);
    } catch (error) {
      this.close(0);
      // Another server may take its place, and its ports.
      await Promise.all(this.#datagrams.map((each) => each.shutdown(0)));
      this.#finish.reject(error);
    }
  }

  async #acceptAll(listener: Listener, service: Service): Promise<void> {
    const { connections } = this;
    const { signal } = this.#closing;
    const vacancy = () => connections.vacancy();
    const incoming = accept(listener, {
      vacancy,
      signal,
      onAborted: () => {
        service.counters.abort();
      },
      onShortage: (code) => this.#settings.onEvent({ type: "shortage", code }),
    });
    for await (const wire of incoming) {
      // Another listener may have taken the last place meanwhile.
      for (let room; !signal.aborted && (room = vacancy());) {
        await untilSettledOrAborted(room, signal);
      }
      connections.serve(wire, service);
    }
  }
}

/** What serves UDP, if there is any. */
async function datagramsFor(
  { listeners }: Settings,
): Promise<typeof Datagrams | undefined> {
  if (!listeners.some(({ transport }) => transport === "udp")) return undefined;
  return (await import("./datagrams.ts")).Datagrams;
}
