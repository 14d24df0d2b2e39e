/**
 * TCP listeners: `Deno.listen` as it is, and errors that name cause and cure.
 *
 * @module
 */

import { showAddress } from "./address.ts";
import { bindError } from "./bind_error.ts";
import type { Listener } from "./transport.ts";

/** Where to listen, and how. */
export interface TcpListenOptions {
  host: string;
  port: number;
  /** Connections that the kernel queues until they are accepted. */
  backlog: number;
  /** Whether others may listen on the port too, and share its connections. */
  reusePort?: boolean;
  /** Whether connections that nothing is heard of are probed. */
  keepAlive?: boolean;
}

/**
 * Listens on TCP.
 *
 * @param scheme What the address is shown with in an error, if anything.
 * @throws {Error} What `Deno.listen` throws, of the same class; the message
 * names the address, the cause and, where there is one, the cure.
 */
export function listenTcp(
  { host, port, backlog, reusePort = false, keepAlive = false }:
    TcpListenOptions,
  scheme = "",
): TcpListener {
  const address = { hostname: host, port };
  try {
    const listener = Deno.listen({
      ...address,
      tcpBacklog: backlog,
      reusePort,
    });
    return new TcpListener(listener, keepAlive);
  } catch (error) {
    throw bindError(error, scheme + showAddress(address), port);
  }
}

/** A TCP listener, whose connections are tuned. */
export class TcpListener implements Listener {
  readonly #listener: Deno.TcpListener;
  readonly #keepAlive: boolean;

  constructor(listener: Deno.TcpListener, keepAlive: boolean) {
    this.#listener = listener;
    this.#keepAlive = keepAlive;
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  async accept(): Promise<Deno.TcpConn> {
    return tuned(await this.#listener.accept(), this.#keepAlive);
  }

  close(): void {
    this.#listener.close();
  }
}

/**
 * Sets what every connection needs: Nagle's algorithm would hold an echo back
 * until the client acknowledges the one before.
 *
 * @param keepAlive Whether to find out by probes that a client is gone without a
 * word; not needed where there is an idle time-out.
 *
 * @throws {Deno.errors.ConnectionAborted} If the client has gone: not every
 * system sets options of its socket then.
 */
function tuned(
  connection: Deno.TcpConn,
  keepAlive: boolean,
): Deno.TcpConn {
  try {
    connection.setNoDelay(true);
    if (keepAlive) connection.setKeepAlive(true);
    return connection;
  } catch (cause) {
    connection.close();
    const error = new Deno.errors.ConnectionAborted("The client has gone", {
      cause,
    });
    throw Object.assign(error, { code: "ECONNABORTED" });
  }
}
