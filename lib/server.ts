import { accept } from "./acceptor.ts";
import { hostPort } from "./address.ts";
import { Connections } from "./connections.ts";
import { type EchoServerOptions, type Settings, settle } from "./options.ts";

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
 * connection.close();
 * await server.shutdown();
 * ```
 */
export class EchoServer {
  /** The address it listens on, with the real port. */
  readonly addr: Deno.NetAddr;
  /**
   * Resolves when the server has been shut down; rejects if accepting fails of
   * something that is neither a client's doing nor a shortage. Connections are
   * served on in that case.
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
  readonly #finish: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(
    settings: Settings,
    listener: Deno.TcpListener,
    connections: Connections,
  ) {
    this.#settings = settings;
    this.#listener = listener;
    this.connections = connections;
    this.addr = listener.addr as Deno.NetAddr;
    this.finished = this.#finish.promise;
    // Whoever awaits it sees the rejection; that nobody does must not end the
    // process.
    this.finished.catch(() => {});
    settings.onEvent({ type: "listening", addr: this.addr });
    this.#accept().catch((error) => {
      this.close();
      this.#finish.reject(error);
    });
  }

  /**
   * Starts a server.
   *
   * @param options A port, or options; nothing is port 1050 on all IPv4
   * addresses.
   * @returns The server, listening.
   * @throws {RangeError} If a number is out of its range.
   * @throws {TypeError} If an option is of the wrong kind.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} If the address is not one of this
   * machine.
   * @throws {Deno.errors.PermissionDenied} If the system does not allow the
   * port.
   * @throws {Deno.errors.NotCapable} If Deno was not given `--allow-net`.
   */
  // deno-lint-ignore require-await -- errors reject, they are not thrown
  static async start(
    options: number | EchoServerOptions = {},
  ): Promise<EchoServer> {
    return EchoServer.on(settle(options));
  }

  /**
   * Starts a server that may share its port with others, who then take turns,
   * and its connections with the server that it follows.
   *
   * @ignore
   */
  static on(
    settings: Settings,
    sharing: { reusePort?: boolean; connections?: Connections } = {},
  ): EchoServer {
    const listener = listen(settings, sharing.reusePort);
    const connections = sharing.connections ?? new Connections(settings);
    return new EchoServer(settings, listener, connections);
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
   * gets all that had arrived for it, for at most `shutdownTimeout` seconds.
   * Can be called more than once.
   *
   * @returns Settles when no connection is left.
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
      signal: this.#closing.signal,
      onPassedOver: () => connections.totals.passedOver++,
      onShortage: (code) => this.#settings.onEvent({ type: "shortage", code }),
    });
    // Before the first accept too: this server may follow one that failed.
    await connections.vacancy();
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
      await connections.vacancy();
    }
  }
}

/**
 * Listens; an error names the address, the cause and, where there is one, the
 * cure.
 *
 * @throws {Error} What `Deno.listen` throws, of the same class.
 */
export function listen(
  { host, port, backlog }: Settings,
  reusePort = false,
): Deno.TcpListener {
  try {
    return Deno.listen({
      hostname: host,
      port,
      tcpBacklog: backlog,
      reusePort,
    });
  } catch (error) {
    if (error instanceof Error) {
      error.message = `Cannot listen on ${hostPort(host, port)}: ${
        causeOf(error, port)
      }`;
    }
    throw error;
  }
}

function causeOf(error: Error, port: number): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is already in use";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "the address is not one of this machine";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "permission missing, run again with --allow-net";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied" +
      (port > 0 && port < 1024
        ? ", a port below 1024 needs CAP_NET_BIND_SERVICE"
        : "");
  }
  return error.message;
}
