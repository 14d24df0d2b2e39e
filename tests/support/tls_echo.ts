/**
 * A TLS echo server with a certificate that nobody trusts.
 *
 * @module
 */

import type net from "node:net";
import tls from "node:tls";
import { CERTIFICATE, KEY } from "./certificate.ts";

/** A TLS server on a free port of 127.0.0.1. */
export class TlsEcho {
  readonly #server: tls.Server;
  readonly #sockets = new Set<tls.TLSSocket>();

  private constructor() {
    const options = { key: KEY, cert: CERTIFICATE };
    this.#server = tls.createServer(options, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      socket.pipe(socket);
    });
    this.#server.on("tlsClientError", () => {});
  }

  /** Starts it. */
  static async start(): Promise<TlsEcho> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const made = new TlsEcho();
    made.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return made;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
