import { accept } from "../net/accept_loop.ts";
import { Connections } from "./connections.ts";
import { listen } from "../net/tcp.ts";
import { listenerName } from "../net/address.ts";
import {
  type EchoServerOptions,
  type Settings,
  settingsOf,
} from "../options/options.ts";
import { outcome } from "../util/async.ts";

/**
 * A TCP echo server: a listener, a loop that accepts, and the connections.
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
  /** The address it listens on, with the real port. */
  readonly addr: Deno.NetAddr;
  /**
   * Resolves when the server has been shut down. Rejects if accepting fails,
   * other than by a client or for want of descriptors or memory; open
   * connections are still served then.
   */
  readonly finished: Promise<void>;
  /**
   * The connections it has accepted.
   *
   * @ignore
   */
  readonly connections: Connections;

  readonly #settings: Settings;
  readonly #listener: Deno.TcpListener;
  readonly #closing = new AbortController();
  readonly #finish = outcome<void>();

  private constructor(
    settings: Settings,
    listener: Deno.TcpListener,
    connections: Connections,
  ) {
    this.#settings = settings;
    this.#listener = listener;
    this.connections = connections;
    this.addr = listener.addr;
    this.finished = this.#finish.promise;
    settings.onEvent({
      type: "listening",
      addr: this.addr,
      listener: listenerName("tcp", this.addr),
    });
    this.#accept().catch((error) => {
      this.close();
      this.#finish.reject(error);
    });
  }

  /**
   * Starts a server.
   *
   * @param options A port, or options. Without it: port 1050 on all IPv4
   * addresses.
   * @returns The server, listening.
   * @throws {RangeError} If an option is no number of its range.
   * @throws {TypeError} If another option is of the wrong kind.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} If the address is not one of this
   * machine.
   * @throws {Deno.errors.PermissionDenied} If the system does not allow the
   * port.
   * @throws {Deno.errors.NotCapable} If Deno was not given `--allow-net`.
   * @throws {Error} If the host's name means no address, or the system fails.
   */
  // deno-lint-ignore require-await -- errors reject, they are not thrown
  static async start(
    options: number | EchoServerOptions = {},
  ): Promise<EchoServer> {
    return EchoServer.startWith(settingsOf(options));
  }

  /**
   * Starts a server that may share its port with others, who then take turns,
   * and its connections with the server that it follows.
   *
   * @ignore
   */
  static startWith(
    settings: Settings,
    sharing: { reusePort?: boolean; connections?: Connections } = {},
  ): EchoServer {
    const listener = listen(settings, sharing.reusePort);
    const connections = sharing.connections ?? new Connections(settings);
    return new EchoServer(settings, listener, connections);
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
   * Stops listening, at once. Connections are served on.
   *
   * @ignore
   */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#listener.close();
  }

  /**
   * Stops listening and drains the connections: each may finish its line and
   * gets all that had arrived for it, for `shutdownTimeout` seconds. After its
   * FIN a client has two seconds to send its own. Can be called more than once.
   *
   * @returns Settles when no connection is left. A handler that runs on half a
   * second after its connection was closed is not waited for.
   */
  async shutdown(): Promise<void> {
    this.close();
    await this.connections.drain();
    this.#finish.resolve();
  }

  /** Shuts down, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #accept(): Promise<void> {
    const connections = this.connections;
    const incoming = accept(this.#listener, {
      vacancy: () => connections.vacancy(),
      signal: this.#closing.signal,
      onPassedOver: () => connections.totals.passedOver++,
      onShortage: (code) => this.#settings.onEvent({ type: "shortage", code }),
    });
    for await (const connection of incoming) {
      try {
        // Nagle's algorithm would hold an echo back until the client
        // acknowledges the one before.
        connection.setNoDelay(true);
      } catch {
        // Not every system sets options of a socket whose client has gone.
        connections.totals.passedOver++;
        connection.close();
        continue;
      }
      connections.serve(connection);
    }
  }
}
